//! Servers over HTTP.

use std::convert::Infallible;
use std::fmt;

use http::{HeaderName, HeaderValue, Uri};
use mcp_gateway_core::upstream::UpstreamProtocol;

use super::{RemoteClientCredentials, RemoteTokenExchange, Secret, Template, UrlTemplate};

/// Server over HTTP.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::Remote;
///
/// let remote = Remote::new("https://mcp.example.com/mcp?key=BJ3x0WcQ".parse().unwrap());
/// assert_eq!(remote.protocol, None);
/// // Queries may contain secrets, and do not reach logs.
/// assert!(!format!("{remote:?}").contains("BJ3x0WcQ"));
/// ```
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct Remote {
    /// URL of its endpoint, with samples in the place of inputs.
    pub url: Uri,
    /// URL with the values of inputs; `None` if it is the same for all callers.
    pub url_template: Option<UrlTemplate>,
    /// Request headers, whose values are marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Request headers with the values of inputs.
    pub templates: Vec<(HeaderName, Template)>,
    /// Protocol of the server; detected if `None`.
    pub protocol: Option<UpstreamProtocol>,
    /// Authentication at the server; the request headers alone if `None`.
    pub auth: Option<RemoteAuth>,
    /// Exchange of the identities of callers for tokens, instead of `auth` or beside accounts; see
    /// [`AssignedConnection::Enterprise`](super::AssignedConnection::Enterprise).
    pub exchange: Option<Box<RemoteTokenExchange>>,
    /// Set if it is reached as hosts that callers choose are, because no administrator has chosen it:
    /// over `https`, at public addresses and those that
    /// [`allowed_networks`](super::StaticAuth::allowed_networks) permit.
    pub is_guarded: bool,
}

/// Authentication at a server.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum RemoteAuth {
    /// Token that the gateway obtains for itself, for all callers.
    ClientCredentials(RemoteClientCredentials),
    /// Token of an identity provider with which the caller has authenticated at the gateway.
    Forward(RemoteForward),
    /// Account that the caller has connected with OAuth.
    OAuth(RemoteOAuth),
}

/// Forwarding of the token of an identity provider with which a caller has authenticated at the
/// gateway.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RemoteForward {
    /// Audiences of the server, one of which a token must have.
    pub audiences: Vec<String>,
    /// Issuers of the tokens; all that the gateway accepts if empty.
    pub issuers: Vec<String>,
}

impl RemoteForward {
    /// Forwards tokens of all issuers with one of `audiences`.
    #[must_use]
    pub fn new(audiences: Vec<String>) -> Self {
        Self {
            audiences,
            issuers: Vec::new(),
        }
    }
}

/// Gateway as an OAuth client of a server.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::{Remote, RemoteAuth, RemoteOAuth};
///
/// let mut remote = Remote::new("https://mcp.example.com/mcp".parse().unwrap());
/// // The gateway registers as a client, and requests the scopes that the server names.
/// remote.auth = Some(RemoteAuth::OAuth(RemoteOAuth::default()));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RemoteOAuth {
    /// Identifier of the registered client; the gateway registers one if `None`.
    pub client_id: Option<String>,
    /// Secret of the registered client.
    pub client_secret: Option<Secret>,
    /// Resource indicator (RFC 8707) in requests to the authorization server.
    pub resource_indicator: bool,
    /// Scopes to request; those that the server names if empty.
    pub scopes: Vec<String>,
}

impl Default for RemoteOAuth {
    fn default() -> Self {
        Self {
            client_id: None,
            client_secret: None,
            resource_indicator: true,
            scopes: Vec::new(),
        }
    }
}

impl Remote {
    /// Creates a server at `url` without request headers.
    #[must_use]
    pub fn new(url: Uri) -> Self {
        Self {
            url,
            url_template: None,
            headers: Vec::new(),
            templates: Vec::new(),
            protocol: None,
            auth: None,
            exchange: None,
            is_guarded: false,
        }
    }

    /// Returns the URL, with the names of inputs in the place of values.
    #[must_use]
    pub fn address(&self) -> String {
        let Some(template) = &self.url_template else {
            return self.url.to_string();
        };
        let named = |name: &str, _| Ok::<_, Infallible>(format!("${{input:{name}}}"));
        template.expand(named).unwrap_or_default()
    }
}

impl fmt::Debug for Remote {
    /// Omits paths and queries, which may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("host", &self.url.host())
            .field("protocol", &self.protocol)
            .field("auth", &self.auth)
            .field("exchange", &self.exchange)
            .finish_non_exhaustive()
    }
}
