//! Browser identification before and during a login, and CSRF tokens.
//!
//! The CSRF token of a form is bound to the browser cookie. A page of another site can neither read
//! the cookie nor compute the token.

use http::{HeaderMap, HeaderValue};

use super::Login;
use super::cookie::Cookie;
use super::refusal::Refusal;
use crate::AuthorityError;
use crate::keyring::Handle;
use crate::secret::identifier;

/// A browser, identified by a cookie. The cookie is replaced at each login and logout.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Browser {
    id: String,
}

impl Browser {
    /// Creates the identity of a browser without a cookie.
    pub(super) fn new() -> Result<Self, AuthorityError> {
        Ok(Self {
            id: identifier("")?,
        })
    }

    /// Returns the identifier.
    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Login {
    /// Returns the browser that sent `headers`, if its cookie is valid.
    pub(super) fn browser(&self, headers: &HeaderMap) -> Option<Browser> {
        let handle = self.handle(Cookie::Browser, headers)?;
        Some(Browser { id: handle.id })
    }

    /// Returns the valid handle in the session cookie.
    pub(super) fn session_handle(&self, headers: &HeaderMap) -> Option<Handle> {
        self.handle(Cookie::Session, headers)
    }

    /// Returns the first valid handle among the cookies of this name. Another site on a parent
    /// domain may have set a second one.
    fn handle(&self, cookie: Cookie, headers: &HeaderMap) -> Option<Handle> {
        let mut values = cookie.values(headers, &self.0.origin);
        values.find_map(|value| self.0.keyring.read(cookie.purpose(), value))
    }

    /// Returns the cookie that identifies `browser`.
    pub(super) fn browser_cookie(&self, browser: &Browser) -> HeaderValue {
        let handle = Handle::new(browser.id.as_str(), 0);
        let value = self.0.keyring.issue(Cookie::Browser.purpose(), handle);
        Cookie::Browser.set(&value, None, &self.0.origin)
    }

    /// Returns the CSRF token for forms that are shown to `browser`.
    pub(super) fn csrf(&self, browser: &Browser) -> String {
        self.0
            .keyring
            .issue(CSRF, Handle::new(browser.id.as_str(), 0))
    }

    /// Returns the browser of a form, if the form was shown to that browser.
    ///
    /// # Errors
    ///
    /// [`Refusal::Forged`] if the cookie or the CSRF token is invalid, or the request comes from
    /// another origin.
    pub(super) fn check_form(&self, headers: &HeaderMap, csrf: &str) -> Result<Browser, Refusal> {
        let browser = self.browser(headers).ok_or(Refusal::Forged)?;
        let shown = self.0.keyring.read(CSRF, csrf);
        let is_shown = shown.is_some_and(|handle| handle == Handle::new(browser.id(), 0));
        match is_shown && self.0.origin.sent(headers) {
            true => Ok(browser),
            false => Err(Refusal::Forged),
        }
    }
}

/// Purpose of the handles that are CSRF tokens.
const CSRF: &str = "csrf";
