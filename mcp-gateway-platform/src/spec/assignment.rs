//! Assignments of tools to gateways.

use std::collections::BTreeSet;
use std::sync::Arc;

use mcp_gateway_auth::accounts::SharedOwner;

/// Tools of a server that a gateway has, and the connection with which they are called.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::{AssignedConnection, Assignment};
///
/// let assignment = Assignment::new("github").with_tools(["search".into()]);
/// assert!(assignment.has_tool("search") && !assignment.has_tool("delete"));
/// assert_eq!(assignment.connection, AssignedConnection::Caller);
/// assert!(Assignment::new("github").has_tool("delete"));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Assignment {
    /// Name of the server.
    pub server: Arc<str>,
    /// Tools, by the names that the server uses; all features of the server if `None`.
    ///
    /// With a list of tools, prompts and resources of the server are not part of the gateway.
    pub tools: Option<BTreeSet<Arc<str>>>,
    /// Connection with which the server is called.
    pub connection: AssignedConnection,
}

/// Connection with which a gateway calls a server.
///
/// The connection of a user can be neither assigned nor borrowed: there is no variant for it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum AssignedConnection {
    /// Connection of the caller, resolved for each call: own, of a team, of the organization.
    #[default]
    Caller,
    /// Token for which the identity of the caller is exchanged, managed by an enterprise; see
    /// [`RemoteTokenExchange`](super::RemoteTokenExchange).
    Enterprise,
    /// Connection of this owner, whoever calls.
    Pinned(SharedOwner),
}

impl Assignment {
    /// Creates an assignment of all features of `server`, called with the connections of callers.
    #[must_use]
    pub fn new(server: impl Into<Arc<str>>) -> Self {
        Self {
            server: server.into(),
            tools: None,
            connection: AssignedConnection::default(),
        }
    }

    /// Restricts the assignment to `tools`.
    #[must_use]
    pub fn with_tools(self, tools: impl IntoIterator<Item = Arc<str>>) -> Self {
        Self {
            tools: Some(tools.into_iter().collect()),
            ..self
        }
    }

    /// Pins the assignment to the connection of `owner`.
    #[must_use]
    pub fn pinned_to(self, owner: SharedOwner) -> Self {
        Self {
            connection: AssignedConnection::Pinned(owner),
            ..self
        }
    }

    /// Returns `true` if the gateway has the tool `name` of the server.
    #[must_use]
    pub fn has_tool(&self, name: &str) -> bool {
        let tools = self.tools.as_ref();
        tools.is_none_or(|tools| tools.contains(name))
    }
}
