//! Servers over HTTP.

use std::fmt;

use http::{HeaderName, HeaderValue, Uri};
use mcp_gateway_core::upstream::UpstreamProtocol;

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
    /// URL of its endpoint.
    pub url: Uri,
    /// Request headers, whose values are marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Protocol of the server; detected if `None`.
    pub protocol: Option<UpstreamProtocol>,
}

impl Remote {
    /// Creates a server at `url` without request headers.
    #[must_use]
    pub fn new(url: Uri) -> Self {
        Self {
            url,
            headers: Vec::new(),
            protocol: None,
        }
    }
}

impl fmt::Debug for Remote {
    /// Omits paths and queries, which may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("host", &self.url.host())
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}
