//! Scope of a rule: the calls that it concerns, whatever its condition.

use std::sync::Arc;

use mcp_gateway_core::route::{Feature, Target};
use mcp_gateway_core::{Caller, glob};

use crate::candidates::Named;
use crate::hint::Hint;

/// Calls that a rule concerns, by gateway, server, tool and caller.
///
/// A call is in the scope if it matches everything that the scope names. An empty scope has all
/// calls.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::route::{Feature, Target};
/// use mcp_gateway_policy::Scope;
///
/// let scope = Scope::new().with_servers(["billing"]).with_tools(["refund_*"]);
/// let tool = |name: &str| Target::new("billing", Feature::Tool(name.into()));
/// assert!(scope.names("main", &tool("refund_order")));
/// assert!(!scope.names("main", &tool("list_orders")));
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[must_use]
pub struct Scope {
    gateways: Vec<Arc<str>>,
    servers: Vec<Arc<str>>,
    tools: Vec<Arc<str>>,
    teams: Vec<Arc<str>>,
    roles: Vec<Arc<str>>,
    clients: Vec<Arc<str>>,
    hints: Vec<(Hint, bool)>,
}

impl Scope {
    /// Creates the scope of all calls.
    pub fn new() -> Self {
        Self::default()
    }

    /// Restricts the scope to gateways that match one of `patterns`.
    pub fn with_gateways<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.gateways.extend(patterns.into_iter().map(Arc::from));
        self
    }

    /// Restricts the scope to servers that match one of `patterns`.
    pub fn with_servers<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.servers.extend(patterns.into_iter().map(Arc::from));
        self
    }

    /// Restricts the scope to tools that match one of `patterns`, by the names of their servers.
    pub fn with_tools<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.tools.extend(patterns.into_iter().map(Arc::from));
        self
    }

    /// Restricts the scope to members of one of `teams`.
    pub fn with_teams<'a>(mut self, teams: impl IntoIterator<Item = &'a str>) -> Self {
        self.teams.extend(teams.into_iter().map(Arc::from));
        self
    }

    /// Restricts the scope to callers with one of `roles`.
    pub fn with_roles<'a>(mut self, roles: impl IntoIterator<Item = &'a str>) -> Self {
        self.roles.extend(roles.into_iter().map(Arc::from));
        self
    }

    /// Restricts the scope to OAuth clients whose identifier matches one of `patterns`.
    pub fn with_clients<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.clients.extend(patterns.into_iter().map(Arc::from));
        self
    }

    /// Restricts the scope to tools whose annotation `hint` is `value`.
    pub fn with_hint(mut self, hint: Hint, value: bool) -> Self {
        self.hints.push((hint, value));
        self
    }

    /// Returns the patterns of gateways; all of them are in the scope without one.
    #[must_use]
    pub fn gateways(&self) -> &[Arc<str>] {
        &self.gateways
    }

    /// Returns the patterns of servers; all of them are in the scope without one.
    #[must_use]
    pub fn servers(&self) -> &[Arc<str>] {
        &self.servers
    }

    /// Returns the teams, of which a caller must have one; all callers are in the scope without one.
    #[must_use]
    pub fn teams(&self) -> &[Arc<str>] {
        &self.teams
    }

    /// Returns the annotations that the scope names.
    #[must_use]
    pub fn hints(&self) -> &[(Hint, bool)] {
        &self.hints
    }

    /// Returns `true` if the scope names tools or their annotations, so that it has nothing else.
    #[must_use]
    pub fn is_of_tools(&self) -> bool {
        !self.tools.is_empty() || !self.hints.is_empty()
    }

    /// Returns `true` if the scope has tools by their names.
    #[must_use]
    pub fn names_tools(&self) -> bool {
        !self.tools.is_empty()
    }

    /// Returns `true` if the scope does not differ between callers.
    #[must_use]
    pub fn is_uniform(&self) -> bool {
        self.teams.is_empty() && self.roles.is_empty() && self.clients.is_empty()
    }

    /// Returns `true` if the scope may have calls of `server`.
    #[must_use]
    pub fn names_server(&self, server: &str) -> bool {
        any(&self.servers, server)
    }

    /// Returns `true` if the scope may have calls at `gateway`.
    #[must_use]
    pub fn names_gateway(&self, gateway: &str) -> bool {
        any(&self.gateways, gateway)
    }

    /// Returns `true` if the scope may have calls of `target` at `gateway`, whoever calls.
    ///
    /// Annotations are not compared.
    #[must_use]
    pub fn names(&self, gateway: &str, target: &Target) -> bool {
        self.names_gateway(gateway)
            && self.names_server(&target.server)
            && match &target.feature {
                Feature::Tool(name) => any(&self.tools, name),
                _ => !self.is_of_tools(),
            }
    }

    /// Returns `true` if the scope may have calls of `caller`.
    #[must_use]
    pub fn has_caller(&self, caller: &Caller) -> bool {
        let principal = caller.principal();
        let has_any = |wanted: &[Arc<str>], has: &[Arc<str>]| {
            wanted.is_empty() || wanted.iter().any(|one| has.contains(one))
        };
        has_any(&self.teams, principal.teams())
            && has_any(&self.roles, principal.roles())
            && match principal.client() {
                Some(client) => any(&self.clients, client),
                None => self.clients.is_empty(),
            }
    }
}

impl Named for Scope {
    fn names(&self, gateway: &str, target: &Target) -> bool {
        Self::names(self, gateway, target)
    }
}

/// Returns `true` if `name` matches one of `patterns`, or there is none.
fn any(patterns: &[Arc<str>], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| glob::matches(pattern, name))
}
