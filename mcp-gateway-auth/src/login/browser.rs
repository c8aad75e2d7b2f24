//! Browser identification before and during a login, and CSRF tokens.
//!
//! The CSRF token of a form is bound to the browser cookie. A page of another site can neither read
//! the cookie nor compute the token.

use http::{HeaderMap, HeaderValue};

use super::cookie::Cookie;
use super::error::LoginError;
use super::origin::PublicOrigin;
use crate::keyring::Handle;
use crate::secret::random_id;
use crate::{AuthServerError, Keyring};

/// A browser, identified by a cookie. The cookie is replaced at each login and logout.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct BrowserId {
    id: String,
}

impl BrowserId {
    /// Creates the identity of a browser without a cookie.
    pub(crate) fn new() -> Result<Self, AuthServerError> {
        Ok(Self { id: random_id("")? })
    }

    /// Returns the identifier.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }
}

/// Cookies of the login, sealed for one origin. Cheap to clone.
#[derive(Clone)]
pub(crate) struct BrowserCookies {
    keyring: Keyring,
    origin: PublicOrigin,
}

impl BrowserCookies {
    /// Creates the cookies of `origin`, sealed with `keyring`.
    pub(super) fn new(keyring: Keyring, origin: PublicOrigin) -> Self {
        Self { keyring, origin }
    }

    /// Returns the key of the cookies.
    pub(super) fn keyring(&self) -> &Keyring {
        &self.keyring
    }

    /// Returns the origin at which browsers keep the cookies.
    pub(super) fn origin(&self) -> &PublicOrigin {
        &self.origin
    }

    /// Returns the browser that sent `headers`, if its cookie is valid.
    pub(crate) fn browser(&self, headers: &HeaderMap) -> Option<BrowserId> {
        let handle = self.handle(Cookie::Browser, headers)?;
        Some(BrowserId { id: handle.id })
    }

    /// Returns the valid handle in the session cookie.
    pub(super) fn session(&self, headers: &HeaderMap) -> Option<Handle> {
        self.handle(Cookie::Session, headers)
    }

    /// Returns the first valid handle among the cookies of this name. Another site on a parent
    /// domain may have set a second one.
    fn handle(&self, cookie: Cookie, headers: &HeaderMap) -> Option<Handle> {
        let mut values = cookie.values(headers, &self.origin);
        values.find_map(|value| self.keyring.verify(cookie.purpose(), value))
    }

    /// Returns the cookie that identifies `browser`.
    pub(crate) fn browser_cookie(&self, browser: &BrowserId) -> HeaderValue {
        let handle = Handle::new(browser.id.as_str(), 0);
        let value = self.keyring.issue(Cookie::Browser.purpose(), handle);
        Cookie::Browser.set(&value, None, &self.origin)
    }

    /// Returns the CSRF token for forms that are shown to `browser`.
    pub(crate) fn csrf(&self, browser: &BrowserId) -> String {
        self.keyring
            .issue(CSRF, Handle::new(browser.id.as_str(), 0))
    }

    /// Returns the browser of a form, if the form was shown to that browser.
    ///
    /// # Errors
    ///
    /// [`LoginError::Forged`] if the cookie or the CSRF token is invalid, or the request comes from
    /// another origin.
    pub(crate) fn check_form(
        &self,
        headers: &HeaderMap,
        csrf: &str,
    ) -> Result<BrowserId, LoginError> {
        let browser = self.browser(headers).ok_or(LoginError::Forged)?;
        let shown = self.keyring.verify(CSRF, csrf);
        let is_shown = shown.is_some_and(|handle| handle == Handle::new(browser.id(), 0));
        match is_shown && self.origin.sent(headers) {
            true => Ok(browser),
            false => Err(LoginError::Forged),
        }
    }
}

/// Purpose of the handles that are CSRF tokens.
const CSRF: &str = "csrf";
