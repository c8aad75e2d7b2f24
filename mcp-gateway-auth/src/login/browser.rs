use http::{HeaderMap, HeaderValue};

use super::Login;
use super::cookie::Cookie;
use super::refusal::Refusal;
use crate::AuthorityError;
use crate::keyring::Handle;
use crate::secret::identifier;

/// A browser, told from others by a cookie. It gets another one when somebody logs in or out.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Browser {
    id: String,
}

impl Browser {
    /// One that has no cookie yet.
    pub(super) fn new() -> Result<Self, AuthorityError> {
        Ok(Self {
            id: identifier("")?,
        })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }
}

impl Login {
    /// The browser that has sent `headers`, if it has our cookie.
    pub(super) fn browser(&self, headers: &HeaderMap) -> Option<Browser> {
        let handle = self.handle(Cookie::Browser, headers)?;
        Some(Browser { id: handle.id })
    }

    pub(super) fn session_handle(&self, headers: &HeaderMap) -> Option<Handle> {
        self.handle(Cookie::Session, headers)
    }

    fn handle(&self, cookie: Cookie, headers: &HeaderMap) -> Option<Handle> {
        let mut values = cookie.values(headers, &self.0.origin);
        values.find_map(|value| self.0.keyring.read(cookie.purpose(), value))
    }

    /// The cookie that `browser` is known again by.
    pub(super) fn browser_cookie(&self, browser: &Browser) -> HeaderValue {
        let handle = Handle::new(browser.id.as_str(), 0);
        let value = self.0.keyring.issue(Cookie::Browser.purpose(), handle);
        Cookie::Browser.set(&value, None, &self.0.origin)
    }

    /// What forms that are shown to `browser` carry.
    pub(super) fn csrf(&self, browser: &Browser) -> String {
        self.0
            .keyring
            .issue(CSRF, Handle::new(browser.id.as_str(), 0))
    }

    /// The browser that a form comes from, if it is the one that a page of ours was shown to.
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

const CSRF: &str = "csrf";
