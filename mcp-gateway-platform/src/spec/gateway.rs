//! Gateways.

use std::sync::Arc;

use http::HeaderName;
use mcp_gateway_core::endpoint::Compatibility;
use mcp_gateway_core::layer::dispatch::ToolSearch;
use mcp_gateway_core::route::PrefixMode;

use super::{AssignedConnection, Assignment, ServerSpec, Visibility};

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
    /// Stable identifier, which outlives changes of the name and is a segment of its path, too;
    /// `None` if the name is the identifier.
    pub id: Option<Arc<str>>,
    /// Title for people.
    pub title: Option<Arc<str>>,
    /// Description for people.
    pub description: Option<Arc<str>>,
    /// Names of its servers, in the order of its lists.
    ///
    /// Without an [assignment](Self::assignments), it has all features of a server.
    pub servers: Vec<Arc<str>>,
    /// Set if it has all servers, including those that are added later.
    pub has_all: bool,
    /// Restrictions of some of its servers to tools and connections, at most one for each.
    pub assignments: Vec<Assignment>,
    /// Client headers to forward to servers.
    pub forward_headers: Vec<HeaderName>,
    /// Maximum number of entries on a page of a list.
    pub page_size: Option<usize>,
    /// Search instead of a long list of tools.
    pub tool_search: Option<ToolSearch>,
    /// Maximum length of the name of a tool in bytes; the end of a longer one is replaced by a hash.
    pub max_tool_name: Option<usize>,
    /// Use of the prefixes of servers in the names of tools.
    pub tool_prefix: PrefixMode,
    /// Instructions for clients, instead of those of the servers.
    pub instructions: Option<Arc<str>>,
    /// Departures of clients from the specification that are accepted.
    pub compatibility: Compatibility,
    /// Callers for whom it exists.
    pub visibility: Visibility,
    /// Set if tokens that are not bound to a key (RFC 9449) are rejected.
    pub requires_bound_tokens: bool,
    /// Set if the context of all its callers is untrusted.
    pub is_untrusted: bool,
}

impl GatewaySpec {
    /// Creates a gateway without servers, for all principals.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            id: None,
            title: None,
            description: None,
            servers: Vec::new(),
            has_all: false,
            assignments: Vec::new(),
            forward_headers: Vec::new(),
            page_size: None,
            tool_search: None,
            max_tool_name: None,
            tool_prefix: PrefixMode::Always,
            instructions: None,
            compatibility: Compatibility::default(),
            visibility: Visibility::default(),
            requires_bound_tokens: false,
            is_untrusted: false,
        }
    }

    /// Adds `assignment`, and its server.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_platform::spec::{Assignment, GatewaySpec};
    ///
    /// let assignment = Assignment::new("notes").with_tools(["search".into()]);
    /// let gateway = GatewaySpec::new("team").with_assignment(assignment);
    /// assert_eq!(gateway.servers, ["notes".into()]);
    /// assert!(gateway.has_tool("notes", "search") && !gateway.has_tool("notes", "delete"));
    /// ```
    #[must_use]
    pub fn with_assignment(mut self, assignment: Assignment) -> Self {
        self.servers.push(Arc::clone(&assignment.server));
        self.assignments.push(assignment);
        self
    }

    /// Returns the stable identifier.
    #[must_use]
    pub fn id(&self) -> &Arc<str> {
        self.id.as_ref().unwrap_or(&self.name)
    }

    /// Returns the last segments of its paths.
    pub fn segments(&self) -> impl Iterator<Item = &Arc<str>> {
        std::iter::once(&self.name).chain(&self.id)
    }

    /// Returns the assignment of `server`, if there is one.
    #[must_use]
    pub fn assignment(&self, server: &str) -> Option<&Assignment> {
        let mut assignments = self.assignments.iter();
        assignments.find(|assignment| *assignment.server == *server)
    }

    /// Returns `true` if the tool `name` of `server` is assigned to it, or all tools are.
    #[must_use]
    pub fn has_tool(&self, server: &str, name: &str) -> bool {
        let assignment = self.assignment(server);
        assignment.is_none_or(|assignment| assignment.has_tool(name))
    }

    /// Returns the reason for which it cannot call its server `name`, which is `server` if there is
    /// one; `None` if it can.
    #[must_use]
    pub fn unusable(&self, name: &str, server: Option<&ServerSpec>) -> Option<&'static str> {
        let assigned = self.assignment(name).map(|one| &one.connection);
        match (server, assigned) {
            (None, _) => Some("no server has this name"),
            (Some(server), Some(AssignedConnection::Pinned(_)))
                if !server.is_connected_by_callers() =>
            {
                Some("the server is called without connections, so that none can be pinned")
            }
            (Some(server), Some(AssignedConnection::Enterprise))
                if server.transport.exchange().is_none() =>
            {
                Some("the server has no tokenExchange for the identities of callers")
            }
            (Some(_), _) => None,
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
