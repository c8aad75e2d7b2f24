//! Rules: calls that they concern, and their effects.

use std::sync::Arc;

use mcp_gateway_core::approval::ApprovalTerms;
use mcp_gateway_core::route::{Feature, Target};

use crate::candidates::Named;
use crate::condition::Condition;
use crate::hint::Hint;
use crate::scope::Scope;

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
/// let rule = Rule::new("large refunds", Effect::approve())
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
    scope: Scope,
    untrusted: Option<bool>,
    condition: Option<Condition>,
}

/// Effect of a rule on the calls that it concerns.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// The call is permitted, whatever later rules say.
    Allow,
    /// The call of a tool requires approval under these terms, whose version is set by
    /// [`Rules`](crate::Rules). Other features are left to later rules.
    Approve(Arc<ApprovalTerms>),
    /// The call is rejected.
    Deny {
        /// Reason that the client receives. Without one, the target looks as if it did not exist.
        reason: Option<Arc<str>>,
    },
}

impl Effect {
    /// Requires that the caller confirms each call.
    #[must_use]
    pub fn approve() -> Self {
        Self::Approve(Arc::default())
    }
}

impl Rule {
    /// Creates a rule that concerns every call.
    pub fn new(name: impl Into<Arc<str>>, effect: Effect) -> Self {
        Self {
            name: name.into(),
            effect,
            is_dry_run: false,
            scope: Scope::new(),
            untrusted: None,
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
        self.scope = self.scope.with_gateways(patterns);
        self
    }

    /// Restricts the rule to servers that match one of `patterns`.
    pub fn with_servers<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.scope = self.scope.with_servers(patterns);
        self
    }

    /// Restricts the rule to tools that match one of `patterns`, by the names of their servers.
    pub fn with_tools<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.scope = self.scope.with_tools(patterns);
        self
    }

    /// Restricts the rule to members of one of `teams`.
    pub fn with_teams<'a>(mut self, teams: impl IntoIterator<Item = &'a str>) -> Self {
        self.scope = self.scope.with_teams(teams);
        self
    }

    /// Restricts the rule to callers with one of `roles`.
    pub fn with_roles<'a>(mut self, roles: impl IntoIterator<Item = &'a str>) -> Self {
        self.scope = self.scope.with_roles(roles);
        self
    }

    /// Restricts the rule to OAuth clients whose identifier matches one of `patterns`.
    pub fn with_clients<'a>(mut self, patterns: impl IntoIterator<Item = &'a str>) -> Self {
        self.scope = self.scope.with_clients(patterns);
        self
    }

    /// Restricts the rule to tools whose annotation `hint` is `value`.
    pub fn with_hint(mut self, hint: Hint, value: bool) -> Self {
        self.scope = self.scope.with_hint(hint, value);
        self
    }

    /// Restricts the rule to calls in an untrusted context, or in a trusted one.
    pub fn with_untrusted(mut self, untrusted: bool) -> Self {
        self.untrusted = Some(untrusted);
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

    /// Restricts the rule to the calls in `scope`, instead of those that it names so far.
    pub fn with_scope(mut self, scope: Scope) -> Self {
        self.scope = scope;
        self
    }

    /// Returns the scope: gateways, servers, tools, callers and annotations.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Returns the trust in the context that the rule requires: `true` for an untrusted one.
    #[must_use]
    pub fn untrusted(&self) -> Option<bool> {
        self.untrusted
    }

    /// Returns `true` if the rule depends on the trust in the context.
    pub(crate) fn reads_trust(&self) -> bool {
        let condition = self.condition.as_ref();
        self.untrusted.is_some() || condition.is_some_and(Condition::reads_trust)
    }

    /// Returns `true` if the rule depends on names of tools.
    #[must_use]
    pub fn names_tools(&self) -> bool {
        let condition = self.condition.as_ref();
        self.scope.names_tools() || condition.is_some_and(Condition::reads_tool_name)
    }

    /// Returns `true` if the rule concerns tools alone.
    pub(crate) fn is_of_tools(&self) -> bool {
        let reads_tool = |condition: &Condition| condition.reads_tool();
        self.scope.is_of_tools()
            || matches!(self.effect, Effect::Approve(_))
            || self.condition.as_ref().is_some_and(reads_tool)
    }

    /// Returns `true` if the rule does not differ between callers, and not with the time.
    pub(crate) fn is_uniform(&self) -> bool {
        let condition = self.condition.as_ref();
        self.scope.is_uniform()
            && self.untrusted.is_none()
            && !condition.is_some_and(Condition::is_personal)
    }

    /// Returns `true` if the rule rejects what it concerns.
    pub(crate) fn denies(&self) -> bool {
        matches!(self.effect, Effect::Deny { .. })
    }

    /// Returns `true` if the rule may permit tools of the server of `target`, and nothing else.
    pub(crate) fn permits_tools(&self, gateway: &str, target: &Target) -> bool {
        self.is_of_tools()
            && !self.is_dry_run
            && !self.denies()
            && self.scope.names_gateway(gateway)
            && self.scope.names_server(&target.server)
    }
}

impl Named for Rule {
    fn names(&self, gateway: &str, target: &Target) -> bool {
        let is_tool = matches!(target.feature, Feature::Tool(_));
        (is_tool || !self.is_of_tools()) && self.scope.names(gateway, target)
    }
}
