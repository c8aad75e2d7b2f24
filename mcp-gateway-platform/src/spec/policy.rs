//! Policy of all gateways.

use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_limits::Limit;
use mcp_gateway_policy::result::{ResultRule, ResultRules};
use mcp_gateway_policy::{Rule, Rules};

use super::{DynamicSpec, GatewaySpec, ServerSpec};

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
    /// Returns `true` if the filter of `server`, or a rule, a rule about results or a limit at `gateway`
    /// names tools of it.
    ///
    /// A server that ignores case or white space would run such a tool under another name, which the
    /// rule does not have. Only listed names of such a server can be called.
    pub(super) fn restricts_tools(&self, gateway: &GatewaySpec, server: &ServerSpec) -> bool {
        let rules = self.policy.rules.iter().filter(|rule| rule.names_tools());
        let results = self.policy.results.iter();
        let results = results.filter(|rule| rule.names_tools());
        let limits = self.call_limits.limits.iter().map(Limit::scope);
        let mut scopes = rules
            .map(Rule::scope)
            .chain(results.map(ResultRule::scope))
            .chain(limits.filter(|scope| scope.names_tools()));
        !server.tools.is_empty()
            || scopes
                .any(|scope| scope.names_gateway(&gateway.name) && scope.names_server(&server.name))
    }
}
