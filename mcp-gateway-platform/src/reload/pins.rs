//! Connections that gateways of the current spec choose.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::spec::{AssignedConnection, DynamicSpec, GatewaySpec};

/// Connections that gateways have chosen, replaceable while calls are in flight.
#[derive(Debug, Default)]
pub(crate) struct ReloadablePins {
    /// Connections, by the identifier of the gateway.
    connections: ArcSwap<HashMap<Arc<str>, ChosenConnections>>,
}

/// Connections that one gateway has chosen, by server.
type ChosenConnections = HashMap<Arc<str>, AssignedConnection>;

impl ReloadablePins {
    /// Replaces all pins by those of `spec`.
    pub(crate) fn replace(&self, spec: &DynamicSpec) {
        let gateways = spec.gateways.iter().map(|gateway| {
            let chosen = chosen(gateway).collect();
            (Arc::clone(gateway.id()), chosen)
        });
        let chosen = gateways.filter(|(_, chosen): &(_, HashMap<_, _>)| !chosen.is_empty());
        self.connections.store(Arc::new(chosen.collect()));
    }

    /// Returns the connection with which the gateway `gateway` calls `server`.
    pub(crate) fn connection(&self, gateway: &str, server: &str) -> AssignedConnection {
        let connections = self.connections.load();
        let chosen = connections.get(gateway).and_then(|all| all.get(server));
        chosen.cloned().unwrap_or_default()
    }
}

/// Returns the servers that `gateway` does not call with connections of callers.
fn chosen(gateway: &GatewaySpec) -> impl Iterator<Item = (Arc<str>, AssignedConnection)> {
    let assignments = gateway.assignments.iter();
    assignments.filter_map(|assignment| match &assignment.connection {
        AssignedConnection::Caller => None,
        chosen => Some((Arc::clone(&assignment.server), chosen.clone())),
    })
}

#[cfg(test)]
mod tests {
    use mcp_gateway_auth::accounts::SharedOwner;

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
        assert_eq!(
            pins.connection("1", "notes"),
            AssignedConnection::Pinned(owner)
        );
        for (gateway, server) in [("1", "files"), ("team", "notes"), ("default", "notes")] {
            let found = pins.connection(gateway, server);
            assert_eq!(found, AssignedConnection::Caller, "{gateway} {server}");
        }
        pins.replace(&DynamicSpec::default());
        assert_eq!(pins.connection("1", "notes"), AssignedConnection::Caller);
    }
}
