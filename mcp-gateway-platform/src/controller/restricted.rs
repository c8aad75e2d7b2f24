//! Team-scoped gateways, and the servers that only they have.

use std::sync::Arc;

use hashbrown::HashMap;

use super::Controller;
use crate::reload::verifier::ReloadableVerifier;
use crate::spec::{DynamicSpec, ServerSpec};

impl Controller {
    /// Returns the verifiers of the team-scoped gateways.
    pub(super) fn restricted(
        &self,
        spec: &DynamicSpec,
    ) -> HashMap<Arc<str>, Arc<ReloadableVerifier>> {
        let gateways = spec
            .gateways
            .iter()
            .filter(|gateway| gateway.teams.is_some());
        let running = gateways.filter_map(|gateway| {
            let mut running = self.gateways.iter();
            let found = running.find(|running| running.traits.name == gateway.name)?;
            Some((Arc::clone(&gateway.name), Arc::clone(&found.access)))
        });
        running.collect()
    }
}

/// Returns the verifiers of the gateways of each server that only `restricted` gateways have.
pub(super) fn confined(
    spec: &DynamicSpec,
    restricted: &HashMap<Arc<str>, Arc<ReloadableVerifier>>,
) -> HashMap<Arc<str>, Vec<Arc<ReloadableVerifier>>> {
    let of_server = |server: &ServerSpec| {
        let gateways = spec.gateways.iter();
        let mut gateways = gateways.filter(|gateway| gateway.servers.contains(&server.name));
        let verifiers = gateways.try_fold(Vec::new(), |mut verifiers, gateway| {
            verifiers.push(Arc::clone(restricted.get(&gateway.name)?));
            Some(verifiers)
        })?;
        // Servers that no gateway has are nobody's secret.
        (!verifiers.is_empty()).then(|| (Arc::clone(&server.name), verifiers))
    };
    spec.servers.iter().filter_map(of_server).collect()
}
