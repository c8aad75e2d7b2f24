//! Pinned connections of the current spec.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mcp_gateway_auth::accounts::SharedOwner;

use crate::spec::{AssignedConnection, DynamicSpec, GatewaySpec};

/// Owners of the connections that gateways have pinned, replaceable while calls are in flight.
#[derive(Debug, Default)]
pub(crate) struct ReloadablePins {
    /// Owners, by the identifier of the gateway.
    owners: ArcSwap<HashMap<Arc<str>, PinnedOwners>>,
}

/// Owners of the pinned connections of one gateway, by server.
type PinnedOwners = HashMap<Arc<str>, SharedOwner>;

impl ReloadablePins {
    /// Replaces all pins by those of `spec`.
    pub(crate) fn replace(&self, spec: &DynamicSpec) {
        let gateways = spec.gateways.iter().map(|gateway| {
            let pinned = pinned(gateway).collect();
            (Arc::clone(gateway.id()), pinned)
        });
        let pinned = gateways.filter(|(_, pinned): &(_, HashMap<_, _>)| !pinned.is_empty());
        self.owners.store(Arc::new(pinned.collect()));
    }

    /// Returns the owner with whose connection the gateway `gateway` calls `server`; `None` for that
    /// of the caller.
    pub(crate) fn owner(&self, gateway: &str, server: &str) -> Option<SharedOwner> {
        self.owners.load().get(gateway)?.get(server).cloned()
    }
}

/// Returns the servers with pinned connections of `gateway`, with their owners.
fn pinned(gateway: &GatewaySpec) -> impl Iterator<Item = (Arc<str>, SharedOwner)> {
    let assignments = gateway.assignments.iter();
    assignments.filter_map(|assignment| match &assignment.connection {
        AssignedConnection::Caller => None,
        AssignedConnection::Pinned(owner) => Some((Arc::clone(&assignment.server), owner.clone())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec::Assignment;

    #[test]
    fn a_pin_is_that_of_its_gateway() {
        let owner = SharedOwner::Organization;
        let pinned = Assignment::new("notes").pinned_to(owner.clone());
        let mut gateway = GatewaySpec::new("team").with_assignment(pinned);
        gateway.id = Some("1".into());
        let mut spec = DynamicSpec::default();
        spec.gateways
            .push(gateway.with_assignment(Assignment::new("files")));
        let pins = ReloadablePins::default();
        pins.replace(&spec);
        assert_eq!(pins.owner("1", "notes"), Some(owner));
        for (gateway, server) in [("1", "files"), ("team", "notes"), ("default", "notes")] {
            assert_eq!(pins.owner(gateway, server), None, "{gateway} {server}");
        }
        pins.replace(&DynamicSpec::default());
        assert_eq!(pins.owner("1", "notes"), None);
    }
}
