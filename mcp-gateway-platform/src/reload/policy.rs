//! Policy of a gateway by the current spec: what it offers, and the rules.

use std::sync::{Arc, Weak};
use std::time::SystemTime;

use arc_swap::ArcSwap;
use mcp_gateway_core::Caller;
use mcp_gateway_core::catalog::ListKind;
use mcp_gateway_core::policy::{Decision, Policy, PolicyRequest};
use mcp_gateway_core::route::Target;
use mcp_gateway_core::upstream::ServerPool;
use mcp_gateway_policy::{Explanation, Rules, SampleCall};

use super::generations::Generations;
use super::grants::Grants;
use crate::spec::{DynamicSpec, GatewaySpec};
use crate::taints::Taints;

/// Policy of a gateway, replaceable while calls are in flight.
#[derive(Debug, Default)]
pub(crate) struct ReloadablePolicy {
    policy: ArcSwap<GatewayPolicy>,
    /// Generations of the running state, which refers to this policy.
    generations: Weak<Generations>,
    /// Taints of callers.
    taints: Option<Arc<Taints>>,
}

/// Policy of a gateway. The rules are those of all gateways, and shared by them.
#[derive(Debug, Default)]
struct GatewayPolicy {
    /// Name by which rules refer to the gateway.
    gateway: Arc<str>,
    grants: Grants,
    rules: Option<Arc<Rules>>,
    /// Set if the context of all calls is untrusted.
    is_untrusted: bool,
}

impl ReloadablePolicy {
    /// Creates a policy that permits everything until it is replaced with the running state of
    /// `generations`.
    pub(crate) fn new(generations: &Arc<Generations>) -> Self {
        Self {
            generations: Arc::downgrade(generations),
            ..Self::default()
        }
    }

    /// Replaces the policy by that of `gateway` in `spec`, with its `rules`.
    pub(crate) fn replace(
        &self,
        (spec, gateway): (&DynamicSpec, &GatewaySpec),
        rules: Option<Arc<Rules>>,
    ) {
        self.policy.store(Arc::new(GatewayPolicy {
            gateway: Arc::clone(&gateway.name),
            grants: Grants::of(spec, gateway),
            rules,
            is_untrusted: gateway.is_untrusted,
        }));
    }

    /// Returns the decision of the rules about `call`, and how they come to it; `None` if the gateway
    /// does not offer its target. The tool is looked up in the lists of `pool`, unless the call has
    /// it.
    pub(crate) fn explain(&self, call: &SampleCall, pool: &ServerPool) -> Option<Explanation> {
        let policy = self.policy.load();
        let request = call.request().with_pool(pool);
        if policy.grants.denial(request.target(), None).is_some() {
            return None;
        }
        let rules = policy.rules.as_ref().map(Arc::clone).unwrap_or_default();
        Some(rules.explain_at(&policy.gateway, &request, SystemTime::now()))
    }

    /// Sets the taints of callers.
    pub(crate) fn with_taints(mut self, taints: &Arc<Taints>) -> Self {
        self.taints = Some(Arc::clone(taints));
        self
    }

    /// Returns `true` if decisions may depend on taints.
    pub(crate) fn reads_any_taint(&self) -> bool {
        let policy = self.policy.load();
        let rules = policy.rules.as_ref();
        !policy.is_untrusted && rules.is_some_and(|rules| rules.reads_any_trust())
    }

    /// Returns `true` if the decision about a call of `target` depends on taints.
    pub(crate) fn reads_taints(&self, target: &Target) -> bool {
        let policy = self.policy.load();
        let rules = policy.rules.as_ref();
        !policy.is_untrusted
            && rules.is_some_and(|rules| rules.reads_trust(&policy.gateway, target))
    }

    /// Returns `true` if the context of `caller` is untrusted.
    fn is_untrusted(&self, policy: &GatewayPolicy, caller: &Caller) -> bool {
        let is_tainted = |taints: &Arc<Taints>| taints.is_tainted(caller);
        policy.is_untrusted || self.taints.as_ref().is_some_and(is_tainted)
    }

    /// Returns `true` if `caller` may send requests of any method to `target`.
    ///
    /// Arguments are not considered, as in lists.
    pub(crate) fn permits(&self, caller: &Caller, target: &Target) -> bool {
        self.decide(&PolicyRequest::listing(caller, target))
            .is_listed()
    }
}

impl Policy for ReloadablePolicy {
    fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
        let policy = self.policy.load();
        let denial = policy.grants.denial(request.target(), request.method());
        if let Some(rule) = denial.filter(|_| !request.is_placeholder()) {
            return Decision::deny(rule);
        }
        match &policy.rules {
            Some(rules) => {
                let is_untrusted = || self.is_untrusted(&policy, request.caller());
                rules.decide_in((&policy.gateway, Some(&is_untrusted)), request)
            }
            None => Decision::Allow,
        }
    }

    fn lacks_entry(&self, request: &PolicyRequest<'_>) -> bool {
        let policy = self.policy.load();
        let denial = policy.grants.denial(request.target(), request.method());
        let rules = policy.rules.as_ref().filter(|_| denial.is_none());
        let is_untrusted = || self.is_untrusted(&policy, request.caller());
        rules.is_some_and(|rules| {
            rules.lacks_entry_in((&policy.gateway, Some(&is_untrusted)), request)
        })
    }

    /// Returns `true` unless a rule depends on the caller: grants do not.
    fn is_uniform(&self) -> bool {
        let policy = self.policy.load();
        policy.rules.as_ref().is_none_or(|rules| rules.is_uniform())
    }

    fn revision(&self) -> Option<u64> {
        match self.generations.upgrade() {
            Some(generations) => generations.current(),
            None => Some(0),
        }
    }

    /// Returns `true` if the gateway offers all entries of the list that `server` has, to all.
    fn permits_all(&self, server: &str, kind: ListKind) -> bool {
        let policy = self.policy.load();
        let rules = policy.rules.as_ref();
        policy.grants.permits_all(server, kind)
            && rules.is_none_or(|rules| rules.permits_all(server, kind))
    }
}

#[cfg(test)]
mod tests {
    use mcp_gateway_core::ClientInfo;
    use mcp_gateway_core::auth::Principal;
    use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
    use mcp_gateway_core::route::Feature;
    use mcp_gateway_policy::{Effect, Rule};

    use super::*;
    use crate::reload::generations::AppliedState;
    use crate::spec::{PolicySpec, ServerRuntime, ServerSpec, ToolFilter};

    #[test]
    fn category_overtaken_decisions_have_no_revision_during_an_apply() {
        let generations = Arc::new(Generations::default());
        let policy = ReloadablePolicy::new(&generations);
        assert_eq!(policy.revision(), Some(0));
        generations.begin(1);
        assert_eq!(policy.revision(), None);
        let applied = AppliedState {
            generation: 1,
            ..AppliedState::default()
        };
        generations.complete(applied);
        assert_eq!(policy.revision(), Some(1));
    }

    #[test]
    fn a_rule_cannot_permit_what_a_gateway_does_not_offer() {
        let mut spec = DynamicSpec::default();
        let mut server = ServerSpec::new("a", ServerRuntime::Builtin("demo".into()));
        server.tools = ToolFilter::default().with_denied(["hidden".into()]);
        spec.add_servers([server]);
        spec.gateways[0].name = "team".into();
        let all = Rule::new("all", Effect::Allow)
            .with_gateways(["team"])
            .with_tools(["hidden", "read"]);
        let rules = PolicySpec {
            rules: vec![all],
            denies_by_default: true,
            ..PolicySpec::default()
        };
        let policy = ReloadablePolicy::default();
        policy.replace((&spec, &spec.gateways[0]), rules.rules());
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        // The identifier of a gateway differs from its name.
        let caller = Caller::new(Principal::new("alice"), "0190-id", client);
        let permits =
            |tool: &str| policy.permits(&caller, &Target::new("a", Feature::Tool(tool.into())));
        assert!(permits("read") && !permits("hidden") && !permits("write"));
        assert!(policy.is_uniform() && !policy.permits_all("a", ListKind::Prompts));
        policy.replace((&spec, &spec.gateways[0]), None);
        assert!(permits("write") && !permits("hidden"));
        assert!(policy.permits_all("a", ListKind::Prompts));
    }
}
