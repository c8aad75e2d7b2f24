//! Redirect URIs: validation and comparison (RFC 9700, section 2.1; RFC 8252, section 7).
//!
//! URI parsers repair malformed input in different ways. A URI is therefore accepted only in the
//! form that all of them understand alike, and compared as text.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// A registered redirect URI.
///
/// A requested URI must be textually equal ([RFC 9700][exact]). Only the port of a loopback address
/// may differ ([RFC 8252][loopback]).
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::server::RedirectUri;
///
/// let registered: RedirectUri = "http://127.0.0.1/callback".parse()?;
/// assert!(registered.matches("http://127.0.0.1:51234/callback"));
/// assert!(!registered.matches("http://localhost:51234/callback"));
/// assert!("http://localhost.example.com/".parse::<RedirectUri>().is_err());
/// assert!("javascript:alert(1)".parse::<RedirectUri>().is_err());
/// # Ok::<(), mcp_gateway_auth::server::RedirectUriError>(())
/// ```
///
/// [exact]: https://www.rfc-editor.org/rfc/rfc9700#section-2.1
/// [loopback]: https://www.rfc-editor.org/rfc/rfc8252#section-7.3
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct RedirectUri {
    text: String,
    kind: Kind,
}

/// The kinds of redirect URIs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// Local application that listens on a port of the user's machine.
    Loopback,
    /// Local application that has registered a private-use scheme.
    Private,
    /// Web application.
    Web,
}

/// The reason for which a redirect URI is invalid.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectUriError {
    /// It is not an absolute URI in normalized form.
    #[error("not an absolute URI in normalized form")]
    Malformed,
    /// It contains user information, a fragment or a wildcard.
    #[error("user information, fragments and wildcards are not allowed")]
    Part,
    /// The scheme is not allowed: the code could be read in transit, or the URI could execute code.
    #[error("must be https, http on a loopback address, or a private-use scheme")]
    Scheme,
}

impl RedirectUri {
    /// Returns `true` if `wanted` may be used where this URI is registered.
    #[must_use]
    pub fn matches(&self, wanted: &str) -> bool {
        if self.text == wanted {
            return true;
        }
        let Ok(wanted) = wanted.parse::<Self>() else {
            return false;
        };
        self.kind == Kind::Loopback
            && wanted.kind == Kind::Loopback
            && without_port(&self.text) == without_port(&wanted.text)
    }

    /// Returns `true` if the URI leads to an application on the user's machine. Any local program
    /// may be that application.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.kind != Kind::Web
    }

    /// Returns the host or the private-use scheme, for display.
    #[must_use]
    pub fn host(&self) -> String {
        let url = Url::parse(&self.text).ok();
        let host = url.as_ref().and_then(Url::host_str);
        match (self.kind, host) {
            (Kind::Loopback | Kind::Web, Some(host)) => host.to_owned(),
            _ => {
                self.text
                    .split_once(':')
                    .map_or("", |(scheme, _)| scheme)
                    .to_owned()
                    + ":"
            }
        }
    }

    /// Returns the source expression for a content security policy: an origin or a scheme.
    #[must_use]
    pub fn source(&self) -> String {
        match Url::parse(&self.text) {
            Ok(url) if self.kind != Kind::Private => url.origin().ascii_serialization(),
            _ => self.host(),
        }
    }

    /// Returns the URI as it was registered.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the URI with `parameters` added to its query.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_auth::server::RedirectUri;
    ///
    /// let uri: RedirectUri = "https://app.example.com/callback?tenant=1".parse()?;
    /// let target = uri.with_parameters(&[("code", "a/b"), ("state", "1")]);
    /// assert_eq!(target, "https://app.example.com/callback?tenant=1&code=a%2Fb&state=1");
    /// # Ok::<(), mcp_gateway_auth::server::RedirectUriError>(())
    /// ```
    #[must_use]
    pub fn with_parameters(&self, parameters: &[(&str, &str)]) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(parameters);
        let separator = match self.text.contains('?') {
            true => '&',
            false => '?',
        };
        format!("{}{separator}{}", self.text, query.finish())
    }
}

impl std::str::FromStr for RedirectUri {
    type Err = RedirectUriError;

    fn from_str(text: &str) -> Result<Self, RedirectUriError> {
        // Parsers drop or repair some characters. A browser must not see another URI than this
        // server.
        let is_plain =
            |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'"' | b'<' | b'>');
        if text.len() > MAX_LEN || !text.bytes().all(is_plain) {
            return Err(RedirectUriError::Malformed);
        }
        let url = Url::parse(text).map_err(|_| RedirectUriError::Malformed)?;
        let (scheme, rest) = text.split_once(':').ok_or(RedirectUriError::Malformed)?;
        if scheme != url.scheme() {
            return Err(RedirectUriError::Malformed);
        }
        if text.contains(['#', '*']) || !url.username().is_empty() || url.password().is_some() {
            return Err(RedirectUriError::Part);
        }
        let kind = match scheme {
            "http" if is_loopback(&url) => Kind::Loopback,
            "https" => Kind::Web,
            _ if is_private(scheme) => Kind::Private,
            _ => return Err(RedirectUriError::Scheme),
        };
        // The text is compared: its authority must be exactly the parsed one.
        let authority = rest.strip_prefix("//").unwrap_or("");
        let authority = authority.split(['/', '?']).next().unwrap_or("");
        if kind != Kind::Private && !is_canonical(authority, &url) {
            return Err(RedirectUriError::Malformed);
        }
        Ok(Self {
            text: text.to_owned(),
            kind,
        })
    }
}

/// Returns `true` if `authority` is the host and port of `url` without any repair.
fn is_canonical(authority: &str, url: &Url) -> bool {
    let Some(host) = url.host_str() else {
        return false;
    };
    let port = authority.strip_prefix(host);
    port.is_some_and(|port| match port.strip_prefix(':') {
        None => port.is_empty(),
        Some(digits) => digits
            .parse()
            .is_ok_and(|port: u16| port > 0 && port.to_string() == digits),
    })
}

/// Returns `true` if `url` leads to this machine.
pub(in crate::server) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(host)) => host == "localhost",
        Some(Host::Ipv4(address)) => address == Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        None => false,
    }
}

/// Returns `true` for private-use schemes: reverse domain names ([RFC 8252, section 7.1][RFC
/// 8252]), and a few well-known exceptions.
///
/// [RFC 8252]: https://www.rfc-editor.org/rfc/rfc8252#section-7.1
fn is_private(scheme: &str) -> bool {
    scheme.contains('.') || KNOWN_SCHEMES.contains(&scheme)
}

/// Returns host and path of a loopback URI, without its port.
fn without_port(text: &str) -> Option<(String, String)> {
    let url = Url::parse(text).ok()?;
    let host = url.host_str()?.to_owned();
    let rest = text.strip_prefix("http://")?;
    let path = rest.find(['/', '?']).map_or("", |at| &rest[at..]);
    // An empty path is the path "/".
    let path = match path {
        "" => "/".to_owned(),
        path if path.starts_with('?') => format!("/{path}"),
        path => path.to_owned(),
    };
    Some((host, path))
}

impl TryFrom<String> for RedirectUri {
    type Error = RedirectUriError;

    fn try_from(text: String) -> Result<Self, RedirectUriError> {
        text.parse()
    }
}

impl From<RedirectUri> for String {
    fn from(uri: RedirectUri) -> Self {
        uri.text
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Maximum length, in bytes.
const MAX_LEN: usize = 2048;

/// Schemes of applications that predate the recommendation.
const KNOWN_SCHEMES: [&str; 6] = [
    "cursor",
    "vscode",
    "vscode-insiders",
    "windsurf",
    "zed",
    "claude",
];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn clients_that_are_known_may_register() {
        for text in [
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "https://www.cursor.com/agents/mcp/oauth/callback",
            "http://localhost:8787/callback",
            "https://vscode.dev/redirect",
            "http://127.0.0.1/",
            "http://127.0.0.1:33418/",
            "http://127.0.0.1:33418",
            "http://[::1]:8080/callback",
            "https://claude.ai/api/mcp/auth_callback",
            "https://global.consent.azure-apim.net/redirect/tool",
            "com.example.app:/oauth",
            "http://localhost/callback?a=b",
        ] {
            assert!(text.parse::<RedirectUri>().is_ok(), "{text}");
        }
    }

    #[test]
    fn a_user_or_a_password_is_rejected_for_every_scheme() {
        for text in [
            "cursor://alice@callback",
            "cursor://:secret@callback",
            "cursor://alice:secret@callback",
            "https://alice@a.example/cb",
            "https://:secret@a.example/cb",
        ] {
            let error = text.parse::<RedirectUri>().unwrap_err();
            assert!(matches!(error, RedirectUriError::Part), "{text}: {error}");
        }
    }

    #[test]
    fn the_maximum_length_is_accepted() {
        let longest = format!("https://a.example/{:c<1$}", "", MAX_LEN - 18);
        assert_eq!(longest.len(), MAX_LEN);
        assert!(longest.parse::<RedirectUri>().is_ok());
        let error = format!("{longest}c").parse::<RedirectUri>().unwrap_err();
        assert!(matches!(error, RedirectUriError::Malformed), "{error}");
    }

    #[test]
    fn only_the_port_of_a_loopback_address_varies() {
        let admits =
            |registered: &str, wanted| registered.parse::<RedirectUri>().unwrap().matches(wanted);
        assert!(admits(
            "http://localhost/callback",
            "http://localhost:1/callback"
        ));
        assert!(admits("http://127.0.0.1:33418", "http://127.0.0.1:5/"));
        assert!(admits("http://[::1]/c?x=1", "http://[::1]:9/c?x=1"));
        for wanted in [
            "http://127.0.0.1:1/callback",
            "http://[::1]:1/callback",
            "http://localhost:1/Callback",
            "http://localhost:1/callback/",
            "http://localhost:1/callback?x",
            "http://localhost:1/callback#x",
            "http://a@localhost:1/callback",
            "http://localhost.:1/callback",
            "http://LOCALHOST:1/callback",
            "http://localhost:0/callback",
            "http://localhost:01/callback",
            "http://localhost:/callback",
            "https://localhost:1/callback",
            "http://localhost:1/x/../callback",
            "http://127.0.0.2:1/callback",
            "http://0.0.0.0:1/callback",
        ] {
            assert!(!admits("http://localhost/callback", wanted), "{wanted}");
        }
        assert!(!admits("https://a.example/cb", "https://a.example:8443/cb"));
        assert!(!admits("https://a.example/cb", "https://a.example/cb/"));
    }

    #[test]
    fn a_policy_for_forms_knows_where_it_leads() {
        let source = |text: &str| text.parse::<RedirectUri>().unwrap().source();
        assert_eq!(source("https://a.example/cb"), "https://a.example");
        assert_eq!(source("http://127.0.0.1:5/"), "http://127.0.0.1:5");
        assert_eq!(source("cursor://x/cb"), "cursor:");
    }

    proptest! {
        /// No URI with another host, path or scheme is admitted.
        #[test]
        fn what_is_admitted_leads_to_the_same_place(
            registered in uri(), wanted in uri()
        ) {
            let Ok(registered) = registered.parse::<RedirectUri>() else { return Ok(()) };
            if !registered.matches(&wanted) {
                return Ok(());
            }
            let (one, other) = (Url::parse(registered.as_str()).unwrap(), Url::parse(&wanted).unwrap());
            prop_assert_eq!(one.scheme(), other.scheme());
            prop_assert_eq!(one.host(), other.host());
            prop_assert_eq!(one.path(), other.path());
            prop_assert_eq!(one.query(), other.query());
            prop_assert!(one.port() == other.port() || is_loopback(&one) && one.scheme() == "http");
        }
    }

    fn uri() -> impl Strategy<Value = String> {
        let scheme = prop::sample::select(vec!["http", "https", "cursor", "HTTP", "javascript"]);
        let host = prop::sample::select(vec![
            "localhost",
            "127.0.0.1",
            "[::1]",
            "a.example",
            "localhost.a.example",
            "127.1",
            "a@localhost",
        ]);
        let port = prop::sample::select(vec!["", ":80", ":1", ":443", ":", ":00"]);
        let path = prop::sample::select(vec![
            "", "/", "/cb", "/CB", "/cb/", "/a/../cb", "?x", "/cb?x", "\\cb", "/cb#f",
        ]);
        (scheme, host, port, path)
            .prop_map(|(scheme, host, port, path)| format!("{scheme}://{host}{port}{path}"))
    }
}
