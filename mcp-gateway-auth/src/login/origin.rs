//! The public origin of the gateway, and the check of request origins (CSRF).

use std::fmt;

use http::HeaderMap;
use http::header::{HeaderName, ORIGIN};
use url::{Host, Url};

/// The origin at which browsers reach the gateway.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct PublicOrigin {
    host: String,
    is_secure: bool,
    text: String,
}

/// The public URL does not permit a safe login: it is neither `https` nor `http` on localhost.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_auth::login::{LoginSessions, PublicUrlError};
/// use mcp_gateway_auth::users::Users;
/// use mcp_gateway_auth::{Clock, Keyring};
/// use mcp_gateway_store::MemoryStore;
///
/// # fn main() -> Result<(), mcp_gateway_auth::AuthServerError> {
/// let users = Users::new(Arc::new(MemoryStore::new()), Clock::system());
/// let keyring = Keyring::new(&[7; 32])?;
/// let login = |url| LoginSessions::new(users.clone(), keyring.clone(), url);
/// assert!(login("https://gw.example.com").is_ok());
/// assert!(matches!(login("http://gw.example.com"), Err(PublicUrlError { .. })));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("public URL must be https, or http on localhost")]
#[non_exhaustive]
pub struct PublicUrlError;

impl PublicOrigin {
    /// Returns the origin of `url`.
    pub(crate) fn parse(url: &str) -> Result<Self, PublicUrlError> {
        let url = Url::parse(url).map_err(|_| PublicUrlError)?;
        let is_local = match url.host().ok_or(PublicUrlError)? {
            Host::Domain(name) => name == "localhost",
            Host::Ipv4(ip) => ip.is_loopback(),
            Host::Ipv6(ip) => ip.is_loopback(),
        };
        let is_plain = url.username().is_empty() && url.password().is_none();
        let is_usable = match url.scheme() {
            "https" => is_plain,
            "http" => is_plain && is_local,
            _ => false,
        };
        let text = url.origin().ascii_serialization();
        is_usable.then_some(()).ok_or(PublicUrlError)?;
        Ok(Self {
            host: text
                .split_once("://")
                .map_or("", |(_, host)| host)
                .to_owned(),
            is_secure: url.scheme() == "https",
            text,
        })
    }

    /// Returns the host, with the port unless it is the default one.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Returns `true` if browsers accept secure cookies from the origin.
    pub(crate) fn is_secure(&self) -> bool {
        self.is_secure
    }

    /// Returns the serialized origin (RFC 6454, section 6.2).
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns `true` if no header contradicts that a form was sent by a page of this origin.
    ///
    /// Pages have the referrer policy `no-referrer`, for which browsers send `Origin: null`. A page
    /// of another origin can cause the same value. The CSRF token of the form decides then.
    pub(crate) fn sent(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        let is_ours = match (origins.next(), origins.next()) {
            (None, _) => true,
            (Some(origin), None) => origin == "null" || origin == self.as_str(),
            (Some(_), Some(_)) => false,
        };
        let site = headers.get(SEC_FETCH_SITE);
        is_ours && site.is_none_or(|site| site == "same-origin")
    }
}

impl fmt::Debug for PublicOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Fetch metadata header with the relation of the origins.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_public_url_is_secure_or_on_this_machine() {
        let table = [
            ("https://gw.example.com", Ok("https://gw.example.com")),
            (
                "https://GW.example.com:443/base?x",
                Ok("https://gw.example.com"),
            ),
            (
                "https://gw.example.com:8443/",
                Ok("https://gw.example.com:8443"),
            ),
            ("http://localhost:8080", Ok("http://localhost:8080")),
            ("http://127.0.0.1", Ok("http://127.0.0.1")),
            ("http://[::1]:1", Ok("http://[::1]:1")),
            ("http://gw.example.com", Err(PublicUrlError)),
            ("http://localhost.example.com", Err(PublicUrlError)),
            ("http://192.168.0.1", Err(PublicUrlError)),
            ("https://a@gw.example.com", Err(PublicUrlError)),
            ("ftp://localhost", Err(PublicUrlError)),
            ("gw.example.com", Err(PublicUrlError)),
            ("", Err(PublicUrlError)),
        ];
        for (url, expected) in table {
            let origin = PublicOrigin::parse(url);
            let origin = origin
                .as_ref()
                .map(PublicOrigin::as_str)
                .map_err(|error| *error);
            assert_eq!(origin, expected, "{url}");
        }
    }

    #[test]
    fn o12_forms_of_other_sites_are_told_by_what_browsers_say() {
        let origin = PublicOrigin::parse("https://gw.example").unwrap();
        let sent = |origins: &[&'static str], site: Option<&'static str>| {
            let mut headers = HeaderMap::new();
            for text in origins {
                headers.append(ORIGIN, HeaderValue::from_static(text));
            }
            if let Some(site) = site {
                headers.insert(SEC_FETCH_SITE, HeaderValue::from_static(site));
            }
            origin.sent(&headers)
        };
        assert!(sent(&["https://gw.example"], Some("same-origin")));
        assert!(sent(&["https://gw.example"], None));
        assert!(sent(&["null"], Some("same-origin")));
        assert!(sent(&[], None));
        for site in ["cross-site", "same-site", "none"] {
            assert!(!sent(&["https://gw.example"], Some(site)));
            assert!(!sent(&["null"], Some(site)));
            assert!(!sent(&[], Some(site)));
        }
        for other in [
            "http://gw.example",
            "https://gw.example:444",
            "https://gw.example.evil",
        ] {
            assert!(
                !sent(&[other], None) && !sent(&[other], Some("same-origin")),
                "{other}"
            );
        }
        assert!(!sent(&["https://gw.example", "https://evil.example"], None));
    }
}
