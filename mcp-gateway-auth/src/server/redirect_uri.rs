use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

/// Where a browser is sent back to, as a client has registered it.
///
/// What a client asks for has to be the same text ([RFC 9700][exact]); only the port of a loopback
/// address may be another one ([RFC 8252][loopback]).
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::server::RedirectUri;
///
/// let registered: RedirectUri = "http://127.0.0.1/callback".parse()?;
/// assert!(registered.admits("http://127.0.0.1:51234/callback"));
/// assert!(!registered.admits("http://localhost:51234/callback"));
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

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    /// An application on the machine of the person, which listens at some port.
    Loopback,
    /// An application on the machine of the person, which the system knows by the scheme.
    Private,
    Web,
}

/// Why a client may not have a browser sent there.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectUriError {
    /// It is not an absolute URI, or not written as one.
    #[error("it is not an absolute URI")]
    Malformed,
    /// It has user information, a fragment or a wildcard.
    #[error("it may not have user information, a fragment or a wildcard")]
    Part,
    /// What is sent there could be read on the way, or could be run.
    #[error("it has to be https, http to this machine, or a scheme of an application")]
    Scheme,
}

impl RedirectUri {
    /// Whether a browser may be sent to `wanted` where this is registered.
    #[must_use]
    pub fn admits(&self, wanted: &str) -> bool {
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

    /// Whether it leads to an application on the machine of the person, which may be any that runs
    /// there.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.kind != Kind::Web
    }

    /// The host, or the scheme of an application, for people to see.
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

    /// What a policy of the browser for forms calls it: an origin, or a scheme.
    #[must_use]
    pub fn source(&self) -> String {
        match Url::parse(&self.text) {
            Ok(url) if self.kind != Kind::Private => url.origin().ascii_serialization(),
            _ => self.host(),
        }
    }

    /// The text, as it was registered.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Where a browser is sent with `parameters` added.
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
        // Parsers drop or repair some of what is written; a browser must not see more than we do.
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
        // What is compared is what was written: it has to be the same as what is understood.
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

/// Whether `authority` is the host and port of `url`, and nothing that is repaired to it.
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

/// Whether `url` leads to this machine.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(host)) => host == "localhost",
        Some(Host::Ipv4(address)) => address == Ipv4Addr::LOCALHOST,
        Some(Host::Ipv6(address)) => address == Ipv6Addr::LOCALHOST,
        None => false,
    }
}

/// Schemes of applications are domains in reverse ([RFC 8252]), save for a few that are well known.
///
/// [RFC 8252]: https://www.rfc-editor.org/rfc/rfc8252#section-7.1
fn is_private(scheme: &str) -> bool {
    scheme.contains('.') || KNOWN_SCHEMES.contains(&scheme)
}

/// A loopback address without the port, which has another form than one with it.
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

/// Long enough for every client that is known.
const MAX_LEN: usize = 2048;

/// Applications that were there before they could have known better.
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
    fn only_the_port_of_a_loopback_address_varies() {
        let admits =
            |registered: &str, wanted| registered.parse::<RedirectUri>().unwrap().admits(wanted);
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
        /// Nothing is admitted that leads to another host, path or scheme.
        #[test]
        fn what_is_admitted_leads_to_the_same_place(
            registered in uri(), wanted in uri()
        ) {
            let Ok(registered) = registered.parse::<RedirectUri>() else { return Ok(()) };
            if !registered.admits(&wanted) {
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
