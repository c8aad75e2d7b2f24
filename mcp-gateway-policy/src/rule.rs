//! Rules: calls that they concern, and their effects.

use std::sync::Arc;

use mcp_gateway_core::route::{Feature, Target};
use mcp_gateway_core::{Caller, glob};

use crate::condition::Condition;

/// A rule of a policy.
///
/// It concerns a call that matches everything it names. A rule that names tools, hints or a
/// condition on them concerns tools alone; any other one concerns whatever a server has.
///
/// # Example
///
/// ```
/// use mcp_gateway_policy::condition::{Condition, ConditionError};
/// use mcp_gateway_policy::{Effect, Hint, Rule};
///
/// let rule = Rule::new("large refunds", Effect::Approve)
///     .with_servers(["billing"])
///     .with_tools(["refund_*"])
///     .with_condition(Condition::parse("arguments.amount > 100")?);
/// assert_eq!(&**rule.name(), "large refunds");
///
/// let read_only = Rule::new("reading", Effect::Allow).with_hint(Hint::ReadOnly, true);
/// assert!(read_only.condition().is_none());
/// # Ok::<(), ConditionError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[must_use]
pub struct Rule {
    name: Arc<str>,
    effect: Effect,
    is_dry_run: bool,
    gateways: Vec<Arc<str>>,
    servers: Vec<Arc<str>>,
    tools: Vec<Arc<str>>,
    teams: Vec<Arc<str>>,
    roles: Vec<Arc<str>>,
    clients: Vec<Arc<str>>,
    hints: Vec<(Hint, bool)>,
    condition: Option<Condition>,
}

/// Effect of a rule on the calls that it concerns.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// The call is permitted, whatever later rules say.
    Allow,
    /// The call of a tool requires approval. Other features are left to later rules.
    Approve,
    /// The call is rejected.
    Deny {
        /// Reason that the client receives. Without one, the target looks as if it did not exist.
        reason: Option<Arc<str>>,
    },
}

/// Annotation of a tool: a claim of its server, with the default of the specification.
///
/// See [MCP 2026-07-28, tool
/// annotations](https://modelcontextprotocol.io/specification/2026-07-28/schema#toolannotations).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Hint {
    /// `destructiveHint`, `true` by default unless the tool is read-only.
    Destructive,
    /// `idempotentHint`, `false` by default.
    Idempotent,
    /// `openWorldHint`, `true` by default.
    OpenWorld,
    /// `readOnlyHint`, `false` by default.
    ReadOnly,
}

impl Rule {
    /// Creates a rule that concerns every call.
    pub fn new(name: impl Into<Arc<str>>, effect: Effect) -> Self {
        Self {
            name: name.into(),
            effect,
            is_dry_run: false,
            gateways: Vec::new(),
            servers: Vec::new(),
            tools: Vec::new(),
            teams: Vec::new(),
            roles: Vec::new(),
            clients: Vec::new(),
            hints: Vec::new(),
            condition: None,
        }
    }

    /// Logs the effect instead of applying it: later rules decide.
    pub fn dry_run(mut self) -> Self {
        self.is_dry_run = true;
        self
    }

    /// Restricts the rule to gateways that match one of `patterns`.
    pub fn with_gateways<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.gateways.extend(patterns.into_iter().map(Arc::from));
        self
    }

    /// Restricts the rule to servers that match one of `patterns`.
    pub fn with_servers<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.servers.extend(patterns.into_iter().map(Arc::from));
        self
    }

    /// Restricts the rule to tools that match one of `patterns`, by the names of their servers.
    pub fn with_tools<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.tools.extend(patterns.into_iter().map(Arc::from));
        self
    }

    /// Restricts the rule to members of one of `teams`.
    pub fn with_teams<'a>(mut self, teams: impl IntoIterator<Item = &'a str>) -> Self {
        self.teams.extend(teams.into_iter().map(Arc::from));
        self
    }

    /// Restricts the rule to callers with one of `roles`.
    pub fn with_roles<'a>(mut self, roles: impl IntoIterator<Item = &'a str>) -> Self {
        self.roles.extend(roles.into_iter().map(Arc::from));
        self
    }

    /// Restricts the rule to OAuth clients whose identifier matches one of `patterns`.
    pub fn with_clients<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.clients.extend(patterns.into_iter().map(Arc::from));
        self
    }

    /// Restricts the rule to tools whose annotation `hint` is `value`.
    pub fn with_hint(mut self, hint: Hint, value: bool) -> Self {
        self.hints.push((hint, value));
        self
    }

    /// Restricts the rule to calls for which `condition` holds.
    pub fn with_condition(mut self, condition: Condition) -> Self {
        self.condition = Some(condition);
        self
    }

    /// Returns the name of the rule.
    #[must_use]
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Returns the effect.
    #[must_use]
    pub fn effect(&self) -> &Effect {
        &self.effect
    }

    /// Returns `true` if the effect is only logged.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.is_dry_run
    }

    /// Returns the condition.
    #[must_use]
    pub fn condition(&self) -> Option<&Condition> {
        self.condition.as_ref()
    }

    /// Returns the patterns of gateways; the rule concerns all of them without one.
    #[must_use]
    pub fn gateways(&self) -> &[Arc<str>] {
        &self.gateways
    }

    /// Returns the annotations that the rule names.
    pub(crate) fn hints(&self) -> &[(Hint, bool)] {
        &self.hints
    }

    /// Returns `true` if the rule concerns tools alone.
    pub(crate) fn is_of_tools(&self) -> bool {
        let reads_tool = |condition: &Condition| condition.reads_tool();
        !self.tools.is_empty()
            || !self.hints.is_empty()
            || self.effect == Effect::Approve
            || self.condition.as_ref().is_some_and(reads_tool)
    }

    /// Returns `true` if the rule does not differ between callers, and not with the time.
    pub(crate) fn is_uniform(&self) -> bool {
        let condition = self.condition.as_ref();
        self.teams.is_empty()
            && self.roles.is_empty()
            && self.clients.is_empty()
            && !condition.is_some_and(Condition::is_personal)
    }

    /// Returns `true` if the rule may concern `server`.
    pub(crate) fn names_server(&self, server: &str) -> bool {
        any(&self.servers, server)
    }

    /// Returns `true` if the rule may concern `target` at `gateway`, whoever calls.
    pub(crate) fn names(&self, gateway: &str, target: &Target) -> bool {
        any(&self.gateways, gateway)
            && self.names_server(&target.server)
            && match &target.feature {
                Feature::Tool(name) => any(&self.tools, name),
                _ => !self.is_of_tools(),
            }
    }

    /// Returns `true` if the rule may concern calls of `caller`.
    pub(crate) fn concerns(&self, caller: &Caller) -> bool {
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

/// Returns `true` if `name` matches one of `patterns`, or there is none.
fn any(patterns: &[Arc<str>], name: &str) -> bool {
    patterns.is_empty() || patterns.iter().any(|pattern| glob::matches(pattern, name))
}

impl Hint {
    /// Returns the annotation as MCP names it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Destructive => "destructiveHint",
            Self::Idempotent => "idempotentHint",
            Self::OpenWorld => "openWorldHint",
            Self::ReadOnly => "readOnlyHint",
        }
    }
}
