//! The cookies of the login (RFC 6265).

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

use super::origin::PublicOrigin;

/// A cookie, by its purpose.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Cookie {
    /// Identifies a browser, before and after a login.
    Browser,
    /// Identifies the session of a user.
    Session,
}

impl Cookie {
    /// Returns the name of the cookie.
    ///
    /// Browsers accept a `__Host-` cookie from this host only, so that no sibling domain can set
    /// one. They require TLS for it, which development on one machine has to do without.
    fn name(self, origin: &PublicOrigin) -> &'static str {
        match (self, origin.is_secure()) {
            (Self::Browser, true) => "__Host-mcp-gateway-browser",
            (Self::Browser, false) => "mcp-gateway-browser",
            (Self::Session, true) => "__Host-mcp-gateway-session",
            (Self::Session, false) => "mcp-gateway-session",
        }
    }

    /// Returns the purpose of the handle in the cookie.
    pub(super) fn purpose(self) -> &'static str {
        match self {
            Self::Browser => "browser",
            Self::Session => "session",
        }
    }

    /// Returns all values of the cookie. There may be several if another host has set one with the
    /// same name.
    pub(super) fn values<'a>(
        self,
        headers: &'a HeaderMap,
        origin: &PublicOrigin,
    ) -> impl Iterator<Item = &'a str> {
        let name = self.name(origin);
        let lines = headers.get_all(COOKIE).into_iter();
        let pairs = lines.filter_map(|line| line.to_str().ok());
        let pairs = pairs.flat_map(|line| line.split(';'));
        let pairs = pairs.filter_map(|pair| pair.trim().split_once('='));
        pairs.filter_map(move |(key, value)| (key == name).then_some(value))
    }

    /// Returns a `Set-Cookie` value with a lifetime of `age` seconds, or until the browser is
    /// closed.
    pub(super) fn set(self, value: &str, age: Option<u64>, origin: &PublicOrigin) -> HeaderValue {
        let name = self.name(origin);
        let secure = if origin.is_secure() { "; Secure" } else { "" };
        let age = age.map_or_else(String::new, |age| format!("; Max-Age={age}"));
        let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}");
        // Handles consist of characters that are valid in a header.
        let mut value = HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }

    /// Returns a `Set-Cookie` value that deletes the cookie.
    pub(super) fn clear(self, origin: &PublicOrigin) -> HeaderValue {
        self.set("", Some(0), origin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn o43_cookies_are_for_this_host_alone() {
        let origin = PublicOrigin::parse("https://gw.example").unwrap();
        let cookie = Cookie::Session.set("v", Some(60), &origin);
        assert_eq!(
            cookie,
            "__Host-mcp-gateway-session=v; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=60"
        );
        assert_eq!(format!("{cookie:?}"), "Sensitive");
        let origin = PublicOrigin::parse("http://localhost:1").unwrap();
        let cookie = Cookie::Browser.set("v", None, &origin);
        assert_eq!(
            cookie,
            "mcp-gateway-browser=v; Path=/; HttpOnly; SameSite=Lax"
        );
    }

    #[test]
    fn a_cookie_is_found_among_others() {
        let origin = PublicOrigin::parse("https://gw.example").unwrap();
        let mut headers = HeaderMap::new();
        headers.append(
            COOKIE,
            HeaderValue::from_static("a=1; __Host-mcp-gateway-session=x; b"),
        );
        headers.append(
            COOKIE,
            HeaderValue::from_static("__Host-mcp-gateway-session=y=z;;"),
        );
        headers.append(
            COOKIE,
            HeaderValue::from_static("mcp-gateway-session=plain"),
        );
        let found: Vec<_> = Cookie::Session.values(&headers, &origin).collect();
        assert_eq!(found, ["x", "y=z"]);
        assert_eq!(Cookie::Browser.values(&headers, &origin).count(), 0);
    }
}
