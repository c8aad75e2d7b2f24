//! Policy of all gateways.

use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_limits::Limit;
use mcp_gateway_policy::result::{ResultRule, ResultRules};
use mcp_gateway_policy::{Rule, Rules, Scope};

use super::{DynamicSpec, GatewaySpec};

/// Ordered rules about the calls of all gateways.
///
/// They apply to what a gateway offers: a rule cannot permit a tool that is not assigned.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::PolicySpec;
/// use mcp_gateway_policy::{Effect, Rule};
///
/// let mut policy = PolicySpec::default();
/// policy.rules = vec![Rule::new("no deletion", Effect::Deny { reason: None }).with_tools(["delete_*"])];
/// assert!(policy.rules().is_some());
/// assert!(PolicySpec::default().rules().is_none());
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct PolicySpec {
    /// Rules, of which the first that concerns a call decides.
    pub rules: Vec<Rule>,
    /// Set to reject the calls that no rule concerns.
    pub denies_by_default: bool,
    /// Rules about results, all of which apply.
    pub results: Vec<ResultRule>,
    /// Duration of the taint of a caller without a session; 30 minutes if `None`.
    pub taint_duration: Option<Duration>,
}

impl PolicySpec {
    /// Returns the rules about results; `None` without any.
    #[must_use]
    pub fn result_rules(&self) -> Option<Arc<ResultRules>> {
        let rules = self.results.iter().cloned();
        (!self.results.is_empty()).then(|| Arc::new(ResultRules::new(rules)))
    }

    /// Returns the rules as a policy; `None` if they permit everything.
    #[must_use]
    pub fn rules(&self) -> Option<Arc<Rules>> {
        if self.rules.is_empty() && !self.denies_by_default {
            return None;
        }
        let rules = Rules::new(self.rules.iter().cloned());
        Some(Arc::new(match self.denies_by_default {
            true => rules.denying_by_default(),
            false => rules,
        }))
    }
}

impl DynamicSpec {
    /// Returns the scopes of the rules, rules about results and limits at `gateway` that name tools.
    ///
    /// A server that ignores case or white space would run such a tool under another name, which the
    /// rule does not have. Only listed names of a server in such a scope can be called.
    pub(super) fn tool_scopes(&self, gateway: &GatewaySpec) -> Vec<&Scope> {
        let rules = self.policy.rules.iter().filter(|rule| rule.names_tools());
        let results = self.policy.results.iter();
        let results = results.filter(|rule| rule.names_tools());
        let limits = self.call_limits.limits.iter().map(Limit::scope);
        rules
            .map(Rule::scope)
            .chain(results.map(ResultRule::scope))
            .chain(limits.filter(|scope| scope.names_tools()))
            .filter(|scope| scope.names_gateway(&gateway.name))
            .collect()
    }
}
