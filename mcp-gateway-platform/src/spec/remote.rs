//! Servers that run elsewhere.

use std::fmt;

use http::{HeaderName, HeaderValue, Uri};
use mcp_gateway_core::upstream::Protocol;

/// A server that runs elsewhere.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct Remote {
    /// The URL of its endpoint.
    pub url: Uri,
    /// What is presented to it. The values are marked as sensitive.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// How it is talked to; found out if not said.
    pub protocol: Option<Protocol>,
}

impl Remote {
    /// A server that is found at `url`, without anything to present.
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
    /// Leaves out paths and queries, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("host", &self.url.host())
            .field("protocol", &self.protocol)
            .finish_non_exhaustive()
    }
}
