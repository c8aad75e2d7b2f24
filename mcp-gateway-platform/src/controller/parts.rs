//! Parts of a controller that others use, and its signals to the taints of callers.

use std::sync::Arc;

use mcp_gateway_admin::CallFeed;
use mcp_gateway_core::upstream::ServerPool;

use super::Controller;
use crate::orchestrator::Orchestrator;
use crate::reload::policy::ReloadablePolicy;
use crate::spec::PolicySpec;
use crate::taints::Taints;

impl Controller {
    /// Returns the pool of the running servers.
    pub(crate) fn pool(&self) -> &ServerPool {
        self.servers.pool()
    }

    /// Returns the program that runs the server `name`; `None` if it is not on a cluster.
    pub(crate) fn orchestrator_of(&self, name: &str) -> Option<Arc<dyn Orchestrator>> {
        let mut members = self.servers.members().iter();
        let found = members.find(|member| **member.name() == *name)?;
        found.orchestrator()
    }

    /// Returns the policy of the gateway with the identifier `id`.
    pub(crate) fn policy_of(&self, id: &str) -> Option<&ReloadablePolicy> {
        let mut gateways = self.gateways.iter();
        let running = gateways.find(|running| *running.traits.id == *id)?;
        Some(&running.parts.policy)
    }

    /// Returns the calls for those who watch them.
    pub(crate) fn feed(&self) -> &CallFeed {
        self.observer.feed()
    }

    /// Returns the taints of callers.
    pub(crate) fn taints(&self) -> &Arc<Taints> {
        &self.taints
    }

    /// Notifies the clients of all gateways whose lists depend on taints.
    pub(super) fn follow_taints(&self, policy: &PolicySpec) {
        self.taints.set_duration(policy.taint_duration);
        let gateways = self.gateways.iter();
        let dependent = gateways.filter(|running| running.parts.policy.reads_any_taint());
        self.taints.replace_notifiers(dependent.map(|running| {
            let notifier = running.parts.routing.notifier();
            (Arc::clone(&running.traits.id), notifier)
        }));
    }
}
