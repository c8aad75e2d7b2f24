//! Outcomes of objects after an apply.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use mcp_gateway_k8s::{
    ClusterObject, GatewayOutcome, ObjectOutcomes, OperatedServer, Rejection, ServerOutcome,
};
use mcp_gateway_platform::registry::Violation;
use mcp_gateway_platform::spec::{DynamicSpec, ServerRuntime};
use mcp_gateway_platform::status::{ObjectReport, PlatformStatus, ServerStatus};

use super::read;

/// Objects that were read.
#[derive(Debug, Default)]
pub(super) struct ReadObjects {
    servers: Vec<ReadObject>,
    gateways: Vec<ReadObject>,
    /// Names of servers that have no pods.
    remote: HashSet<Arc<str>>,
    /// Mistakes of servers that an operator runs, by name, if there are any.
    operated: BTreeMap<Arc<str>, Option<String>>,
}

/// Object that was read.
#[derive(Debug)]
struct ReadObject {
    name: Arc<str>,
    generation: Option<i64>,
    /// Mistakes, if there are any.
    mistakes: Option<String>,
}

impl ReadObject {
    fn new<T>(object: &ClusterObject, read: Result<T, String>) -> (Self, Option<T>) {
        let (value, mistakes) = match read {
            Ok(value) => (Some(value), None),
            Err(mistakes) => (None, Some(mistakes)),
        };
        let object = Self {
            name: Arc::clone(&object.name),
            generation: object.generation,
            mistakes,
        };
        (object, value)
    }

    /// Returns the reason for which it has no effect, beyond its own mistakes for `violations`.
    fn rejection(&self, violations: Option<&Vec<Violation>>) -> Option<Rejection> {
        if let Some(mistakes) = &self.mistakes {
            return Some(Rejection::new(Rejection::INVALID, mistakes.clone()));
        }
        let violations = violations.filter(|found| !found.is_empty())?;
        let is_by_itself = |one: &Violation| !BESIDE_OTHERS.contains(&one.path.as_str());
        let reason = match violations.iter().any(is_by_itself) {
            true => Rejection::INVALID,
            false => Rejection::CONFLICT,
        };
        let message = read::described(violations.iter().cloned());
        Some(Rejection::new(reason, message))
    }
}

impl ReadObjects {
    /// Adds what objects define to `spec`: `servers` of our own kind and those of an operator, and
    /// `gateways`. An invalid object costs itself alone, and what runs of it stays.
    pub(super) fn add(
        spec: &mut DynamicSpec,
        (servers, operated): (&[ClusterObject], &[OperatedServer]),
        gateways: &[ClusterObject],
    ) -> Self {
        let mut objects = Self::default();
        for object in servers {
            let (read, server) = ReadObject::new(object, read::server(object));
            match server {
                Some(server) => {
                    if matches!(server.transport, ServerRuntime::Remote(_)) {
                        objects.remote.insert(Arc::clone(&server.name));
                    }
                    spec.objects.servers.push(server);
                }
                // The pods of a server of the configuration are its own.
                None if spec.server(&object.name).is_some() => {}
                None => spec.unreadable.push(Arc::clone(&object.name)),
            }
            objects.servers.push(read);
        }
        for server in operated {
            let mut own = servers.iter();
            let read = match own.any(|object| object.name == server.name) {
                true => Err("an object of the kind MCPServer has its name".to_owned()),
                false => read::operated(server),
            };
            match read {
                Ok(server) => {
                    objects.operated.insert(Arc::clone(&server.name), None);
                    spec.objects.servers.push(server);
                }
                Err(mistakes) => {
                    let name = Arc::clone(&server.name);
                    objects.operated.insert(name, Some(mistakes));
                }
            }
        }
        for object in gateways {
            let (read, gateway) = ReadObject::new(object, read::gateway(object));
            spec.objects.gateways.extend(gateway);
            objects.gateways.push(read);
        }
        objects
    }

    /// Returns the reasons for which servers that an operator runs are left out.
    pub(super) fn left_out(&self, report: &ObjectReport) -> BTreeMap<Arc<str>, String> {
        let servers = self.operated.iter().filter_map(|(name, mistakes)| {
            let violations = || Some(read::described(report.servers.get(name)?.iter().cloned()));
            Some((Arc::clone(name), mistakes.clone().or_else(violations)?))
        });
        servers.collect()
    }

    /// Returns the outcomes of all objects, after an apply that has led to `report` and `status`.
    pub(super) fn outcomes(
        &self,
        report: &ObjectReport,
        status: &PlatformStatus,
    ) -> ObjectOutcomes {
        let running = status.servers.iter().map(|one| (&*one.name, one));
        let running: HashMap<_, _> = running.collect();
        let servers = self.servers.iter().map(|object| {
            let running = running.get(&*object.name).copied();
            let running = running.filter(|_| self.remote.contains(&object.name));
            let rejection = object.rejection(report.servers.get(&object.name));
            let outcome = server(object.generation, rejection, running);
            (Arc::clone(&object.name), outcome)
        });
        let gateways = self.gateways.iter().map(|object| {
            let applied = report.gateways.get(&object.name).cloned();
            let applied = applied.unwrap_or_default();
            let mut outcome = GatewayOutcome::default();
            outcome.generation = object.generation;
            outcome.rejection = object.rejection(Some(&applied.violations));
            outcome.path = format!("/v1/mcp/{}", object.name);
            outcome.servers = applied.servers;
            outcome.missing = applied.missing;
            (Arc::clone(&object.name), outcome)
        });
        let mut outcomes = ObjectOutcomes::default();
        outcomes.servers = servers.collect();
        outcomes.gateways = gateways.collect();
        outcomes
    }
}

fn server(
    generation: Option<i64>,
    rejection: Option<Rejection>,
    running: Option<&ServerStatus>,
) -> ServerOutcome {
    let running = running.filter(|_| rejection.is_none());
    let mut outcome = ServerOutcome::default();
    outcome.generation = generation;
    outcome.rejection = rejection;
    outcome.state = running.map(ServerStatus::state);
    outcome.failure = running.and_then(|running| running.failure.clone());
    outcome
}

/// Paths of mistakes that an object has beside others only.
const BESIDE_OTHERS: [&str; 3] = ["name", "prefix", "servers"];

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn objects<const N: usize>(specs: [(&str, Value); N]) -> Vec<ClusterObject> {
        let objects = specs.into_iter();
        objects
            .map(|(name, spec)| ClusterObject::new(name, spec))
            .collect()
    }

    /// Returns the mistakes of objects by name.
    fn mistakes(objects: &[ReadObject]) -> HashMap<&str, &str> {
        let wrong = objects.iter();
        wrong
            .filter_map(|object| Some((&*object.name, object.mistakes.as_deref()?)))
            .collect()
    }

    #[test]
    fn invalid_servers_cost_themselves_alone() {
        let pods = json!({ "image": "a", "command": "a" });
        let remote = json!({ "url": "https://notes.example.com/mcp" });
        let objects = objects([
            ("time", json!({ "kubernetes": pods })),
            ("notes", json!({ "remote": remote })),
            ("program", json!({ "process": { "command": "a" } })),
            ("both", json!({ "remote": remote, "kubernetes": pods })),
            (
                "patched",
                json!({ "kubernetes": { "image": "a", "command": "a", "patch": {} } }),
            ),
            (
                "plain",
                json!({ "remote": { "url": "http://notes.example.com/mcp" } }),
            ),
            (
                "secret",
                json!({ "remote": { "url": "https://a", "bearer": { "env": "HOME" } } }),
            ),
            ("named", json!({ "name": "time", "kubernetes": pods })),
            ("none", Value::Null),
        ]);
        let operated = [
            OperatedServer::new("wiki", "http://10.0.0.7:8080/mcp"),
            OperatedServer::new("not a name", "http://10.0.0.7:8080/mcp"),
            OperatedServer::new("time", "http://10.0.0.7:8080/mcp"),
        ];
        let mut spec = DynamicSpec::default();
        let read = ReadObjects::add(&mut spec, (&objects, &operated), &[]);
        let names: Vec<_> = spec.objects.servers.iter().map(|one| &*one.name).collect();
        assert_eq!(names, ["time", "notes", "wiki"], "{read:?}");
        let mistakes = mistakes(&read.servers);
        for (name, path) in [
            ("program", "spec: exactly one of"),
            ("both", "spec: exactly one of"),
            ("patched", "spec.kubernetes.patch: "),
            ("plain", "spec.remote.url: "),
            ("secret", "spec.remote.bearer: "),
            ("named", "spec.name: "),
            ("none", "spec: "),
        ] {
            assert!(mistakes[name].starts_with(path), "{name}: {mistakes:?}");
        }
        // What runs of them is not deleted.
        assert!(spec.unreadable.contains(&"patched".into()));
        let left_out = read.left_out(&ObjectReport::default());
        let left_out: Vec<_> = left_out.keys().map(|name| &**name).collect();
        assert_eq!(left_out, ["not a name", "time"]);
    }

    #[test]
    fn category_cluster_objects_reach_no_private_addresses() {
        let objects = objects([(
            "notes",
            json!({ "remote": { "url": "https://10.0.0.1/mcp" } }),
        )]);
        let operated = [OperatedServer::new("wiki", "http://10.0.0.7:8080/mcp")];
        let mut spec = DynamicSpec::default();
        ReadObjects::add(&mut spec, (&objects, &operated), &[]);
        let guarded = spec.objects.servers.iter().map(|one| match &one.transport {
            ServerRuntime::Remote(remote) => remote.is_guarded,
            _ => false,
        });
        // The address of an operated server is that of a Service of the namespace.
        assert_eq!(guarded.collect::<Vec<_>>(), [true, false]);
    }

    #[test]
    fn gateways_have_the_keys_of_the_configuration() {
        let objects = objects([
            (
                "team",
                json!({ "servers": ["notes"], "exposure": "search", "teams": ["ops"] }),
            ),
            ("all", json!({})),
            ("typo", json!({ "teems": ["ops"] })),
            ("Upper", json!({})),
            ("pages", json!({ "pageSize": 0 })),
        ]);
        let mut spec = DynamicSpec::default();
        let read = ReadObjects::add(&mut spec, (&[], &[]), &objects);
        let names: Vec<_> = spec.objects.gateways.iter().map(|one| &*one.name).collect();
        assert_eq!(names, ["team", "all"]);
        let mistakes = mistakes(&read.gateways);
        for (name, path) in [
            ("typo", "spec: unknown key \"teems\""),
            ("Upper", "metadata.name: "),
            ("pages", "spec.pageSize: "),
        ] {
            assert!(mistakes[name].starts_with(path), "{name}: {mistakes:?}");
        }
    }
}
