//! Gateways.

use std::sync::Arc;

use http::HeaderName;
use mcp_gateway_core::endpoint::Compatibility;
use mcp_gateway_core::route::PrefixMode;

use super::ServerSpec;

/// Named MCP endpoint over some of the servers.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::{GatewaySpec, ServerSpec, ServerRuntime};
///
/// let servers = [ServerSpec::new("demo", ServerRuntime::Builtin("demo".into()))];
/// let gateway = GatewaySpec::over(&servers);
/// assert_eq!((&*gateway.name, gateway.has_all), ("default", true));
/// assert!(GatewaySpec::new("dev").servers.is_empty());
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct GatewaySpec {
    /// Last segment of its path, `/v1/mcp/{name}`.
    pub name: Arc<str>,
    /// Names of its servers, in the order of its lists.
    pub servers: Vec<Arc<str>>,
    /// Set if it has all servers, including those that are added later.
    pub has_all: bool,
    /// Client headers to forward to servers.
    pub forward_headers: Vec<HeaderName>,
    /// Maximum number of entries on a page of a list.
    pub page_size: Option<usize>,
    /// Maximum length of the name of a tool in bytes; the end of a longer one is replaced by a hash.
    pub max_tool_name: Option<usize>,
    /// Use of the prefixes of servers in the names of tools.
    pub tool_prefix: PrefixMode,
    /// Instructions for clients, instead of those of the servers.
    pub instructions: Option<Arc<str>>,
    /// Departures of clients from the specification that are accepted.
    pub compatibility: Compatibility,
    /// Teams that may see and use it; everybody if `None`.
    pub teams: Option<Vec<Arc<str>>>,
}

impl GatewaySpec {
    /// Creates a gateway without servers, for all principals.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            servers: Vec::new(),
            has_all: false,
            forward_headers: Vec::new(),
            page_size: None,
            max_tool_name: None,
            tool_prefix: PrefixMode::Always,
            instructions: None,
            compatibility: Compatibility::default(),
            teams: None,
        }
    }

    /// Creates the gateway `default` over all of `servers`.
    #[must_use]
    pub fn over(servers: &[ServerSpec]) -> Self {
        let servers = servers.iter().map(|server| Arc::clone(&server.name));
        Self {
            servers: servers.collect(),
            has_all: true,
            ..Self::new("default")
        }
    }
}
