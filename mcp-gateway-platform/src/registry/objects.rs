//! Servers and gateways of objects of a cluster, beside those of the spec and of the store.
//!
//! Whoever may create objects is no administrator of the gateway: neither a server nor a gateway of
//! an object takes the place of another one, and gateways of objects have the servers of objects, and
//! others only if they are offered.

use std::collections::HashSet;
use std::sync::Arc;

use uuid::Uuid;

use super::gateways::{admit, taken};
use super::merge::{AdmissionRules, Origin};
use super::{Listed, Merged, Violation};
use crate::spec::{AssignedConnection, ClusterObjects, GatewaySpec, ServerSpec};
use crate::status::{ObjectGateway, ObjectReport};

impl Merged {
    /// Adds the servers of objects. Those of the spec and of the store hide those of the same name.
    pub(super) fn with_object_servers(mut self) -> Self {
        let servers = std::mem::take(&mut self.spec.objects.servers);
        let mut report = ObjectReport::default();
        let mut rules = AdmissionRules::new(&self.spec, self.abilities);
        let mut names = HashSet::new();
        let (mut admitted, mut unused) = (Vec::new(), Vec::new());
        for server in &servers {
            // The first of two objects has the name, and the report.
            if !names.insert(&*server.name) {
                continue;
            }
            let is_taken = self.listing.contains_key(&server.name);
            let checked = check_server(server, is_taken);
            match checked.and_then(|()| rules.take_prefix(server)) {
                Ok(()) => admitted.push(server.clone()),
                Err(violations) => {
                    if !is_taken {
                        unused.push(Arc::clone(&server.name));
                    }
                    report.servers.insert(Arc::clone(&server.name), violations);
                }
            }
        }
        for server in &admitted {
            let listed = Listed {
                stored: None,
                origin: Origin::Object,
                violations: Vec::new(),
                entry: server.entry.clone(),
            };
            self.listing.insert(Arc::clone(&server.name), listed);
        }
        self.spec.add_servers(admitted.iter().cloned());
        // What runs of the others is not deleted.
        self.spec.unreadable.extend(unused);
        self.spec.objects.servers = admitted;
        self.objects = Arc::new(report);
        self
    }

    /// Adds the gateways of objects. Those of the spec and of the store hide those of the same name.
    pub(super) fn with_object_gateways(mut self) -> Self {
        let objects = std::mem::take(&mut self.spec.objects);
        let mut report = (*self.objects).clone();
        let mut taken = taken(&self.spec);
        for (id, listed) in &self.gateways {
            taken.extend([id.to_string(), listed.stored.name().to_owned()]);
        }
        for definition in &objects.gateways {
            let (gateway, missing) = self.restricted(definition, &objects);
            let checked = check_gateway(definition);
            let mut outcome = ObjectGateway {
                servers: gateway.servers.len(),
                missing,
                violations: Vec::new(),
            };
            match checked.and_then(|()| admit(&gateway, &self.spec, &taken)) {
                Ok(gateway) => {
                    taken.insert(gateway.name.to_string());
                    self.spec.gateways.push(gateway);
                }
                Err(violations) => outcome.violations = violations,
            }
            // The first of two has the name.
            let name = Arc::clone(&definition.name);
            report.gateways.entry(name).or_insert(outcome);
        }
        self.objects = Arc::new(report);
        self
    }

    /// Returns `gateway` with the servers that it may have, and the names of the others.
    ///
    /// A server that is not offered is missing as one that does not exist, so that objects do not
    /// tell which servers there are.
    fn restricted(
        &self,
        gateway: &GatewaySpec,
        objects: &ClusterObjects,
    ) -> (GatewaySpec, Vec<Arc<str>>) {
        let own = objects.servers.iter().map(|server| &server.name);
        let mut gateway = gateway.clone();
        if gateway.has_all {
            gateway.has_all = false;
            gateway.servers = own.cloned().collect();
            return (gateway, Vec::new());
        }
        let own: HashSet<_> = own.collect();
        let is_offered =
            |name: &Arc<str>| objects.offered.contains(name) && self.spec.server(name).is_some();
        let wanted = std::mem::take(&mut gateway.servers);
        let (servers, missing): (Vec<_>, Vec<_>) = wanted
            .into_iter()
            .partition(|name| own.contains(name) || is_offered(name));
        gateway.servers = servers;
        let kept = &gateway.servers;
        let assignments = &mut gateway.assignments;
        assignments.retain(|assignment| kept.contains(&assignment.server));
        (gateway, missing)
    }
}

/// Rejects a server whose name is taken, or that is called with what belongs to its callers.
fn check_server(server: &ServerSpec, is_taken: bool) -> Result<(), Vec<Violation>> {
    let (path, message) = if is_taken {
        (
            "name",
            "a server of the configuration or of the store has this name",
        )
    } else if !server.inputs.is_empty() {
        ("inputs", "values of callers are not accepted in objects")
    } else if server.transport.auth().is_some() || server.transport.exchange().is_some() {
        (
            "remote.auth",
            "accounts and identities of callers are not accepted in objects",
        )
    } else {
        return Ok(());
    };
    Err(vec![Violation::new(path, message)])
}

/// Rejects a gateway that uses what belongs to others than its callers.
fn check_gateway(gateway: &GatewaySpec) -> Result<(), Vec<Violation>> {
    let is_own = |connection: &AssignedConnection| *connection == AssignedConnection::Caller;
    let mut assignments = gateway.assignments.iter();
    if assignments.any(|assignment| !is_own(&assignment.connection)) {
        let message = "connections of others than the caller are not accepted in objects";
        return Err(vec![Violation::new("assignments", message)]);
    }
    if !gateway.forward_headers.is_empty() {
        let message = "headers are not forwarded by gateways of objects";
        return Err(vec![Violation::new("forwardHeaders", message)]);
    }
    if Uuid::try_parse(&gateway.name).is_ok() {
        let message = "a UUID is the identifier of a gateway, and no name";
        return Err(vec![Violation::new("name", message)]);
    }
    Ok(())
}
