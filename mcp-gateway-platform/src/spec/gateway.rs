//! The gateways.

use std::sync::Arc;

use http::HeaderName;

use super::Server;

/// A named endpoint over some of the servers.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Gateway {
    /// The last part of its path.
    pub name: Arc<str>,
    /// The names of its servers, in the order of its lists.
    pub servers: Vec<Arc<str>>,
    /// Whether those are all that there are.
    pub has_all: bool,
    /// The headers of callers that are passed on to servers.
    pub forward_headers: Vec<HeaderName>,
    /// Maximum number of entries on a page of a list.
    pub page_size: Option<usize>,
    /// The instructions for clients.
    pub instructions: Option<Arc<str>>,
    /// The teams that may know of it; everybody may if `None`.
    pub teams: Option<Vec<Arc<str>>>,
}

impl Gateway {
    /// A gateway over no servers, of which everybody may know.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            servers: Vec::new(),
            has_all: false,
            forward_headers: Vec::new(),
            page_size: None,
            instructions: None,
            teams: None,
        }
    }

    /// The gateway that there is when none is described.
    #[must_use]
    pub fn over(servers: &[Server]) -> Self {
        let servers = servers.iter().map(|server| Arc::clone(&server.name));
        Self {
            servers: servers.collect(),
            has_all: true,
            ..Self::new("default")
        }
    }
}
