//! Restricted gateways, and the servers that only they have.

use std::sync::Arc;

use hashbrown::HashMap;

use super::Controller;
use crate::reload::verifier::ReloadableVerifier;
use crate::spec::{DynamicSpec, ServerSpec};

impl Controller {
    /// Returns the verifiers of the gateways that do not exist for some callers, by the segments of
    /// their paths.
    pub(super) fn restricted(
        &self,
        spec: &DynamicSpec,
    ) -> HashMap<Arc<str>, Arc<ReloadableVerifier>> {
        let gateways = spec.gateways.iter().zip(&self.gateways);
        let restricted = gateways.filter(|(gateway, _)| gateway.visibility.is_restricted());
        let verifiers = restricted.flat_map(|(gateway, running)| {
            let segments = gateway.segments();
            segments.map(|segment| (Arc::clone(segment), Arc::clone(&running.parts.access)))
        });
        verifiers.collect()
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
