//! Servers that objects of a cluster define.

#[cfg(feature = "kubernetes")]
use std::collections::HashMap;
#[cfg(feature = "kubernetes")]
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
#[cfg(feature = "kubernetes")]
use mcp_gateway_config::stored::StoredEntries;
#[cfg(feature = "kubernetes")]
use mcp_gateway_k8s::{ServerObject, ServerObjects};
#[cfg(feature = "kubernetes")]
use mcp_gateway_platform::registry::EntryReader as _;
use mcp_gateway_platform::spec::PlatformSpec;
#[cfg(feature = "kubernetes")]
use mcp_gateway_platform::spec::{DynamicSpec, ServerRuntime, ServerSpec};
#[cfg(feature = "kubernetes")]
use serde_json::Value;
use tokio::time::timeout;

#[cfg(feature = "kubernetes")]
use crate::builtins::NAMES;

/// Objects of the kind `MCPServer` as a source of servers.
#[cfg(feature = "kubernetes")]
pub(crate) struct Objects(pub(crate) ServerObjects);

/// Objects of a program that knows no cluster: there are none.
#[cfg(not(feature = "kubernetes"))]
pub(crate) enum Objects {}

impl Objects {
    /// Waits until all objects are known, without which servers would be taken for deleted.
    ///
    /// # Errors
    ///
    /// Fails if the cluster does not list them in time.
    pub(crate) async fn listed(&mut self) -> anyhow::Result<()> {
        let listed = timeout(PATIENCE, self.wait()).await;
        listed.context(
            "kubernetes.source.objects: the cluster does not list objects of the kind MCPServer; \
             install its definition, and permit the gateway to list them",
        )
    }
}

#[cfg(feature = "kubernetes")]
impl Objects {
    async fn wait(&mut self) {
        self.0.listed().await;
    }

    /// Waits until they have changed.
    pub(crate) async fn changed(&mut self) {
        self.0.changed().await;
    }

    /// Returns `spec` with their servers.
    pub(crate) async fn add_to(&mut self, spec: &PlatformSpec) -> PlatformSpec {
        let mut spec = spec.clone();
        let rejected = merge(&mut spec.dynamic, &self.0.listed().await);
        self.0.report(rejected);
        spec
    }
}

#[cfg(not(feature = "kubernetes"))]
impl Objects {
    async fn wait(&mut self) {
        match *self {}
    }

    pub(crate) async fn changed(&mut self) {
        match *self {}
    }

    pub(crate) async fn add_to(&mut self, _: &PlatformSpec) -> PlatformSpec {
        match *self {}
    }
}

/// Adds the servers of `objects` to `spec`. Returns the reasons for which some are not added.
///
/// The pods of a server whose object is invalid stay as they are.
#[cfg(feature = "kubernetes")]
fn merge(spec: &mut DynamicSpec, objects: &[ServerObject]) -> HashMap<Arc<str>, String> {
    let mut rejected = HashMap::new();
    for object in objects {
        match read(spec, object) {
            Ok(server) => spec.add_servers([server]),
            Err(reason) => {
                if spec.server(&object.name).is_none() {
                    spec.unreadable.push(Arc::clone(&object.name));
                }
                rejected.insert(Arc::clone(&object.name), reason);
            }
        }
    }
    rejected
}

#[cfg(feature = "kubernetes")]
fn read(spec: &DynamicSpec, object: &ServerObject) -> Result<ServerSpec, String> {
    let mut entry = object.spec.clone();
    let Some(members) = entry
        .as_object_mut()
        .filter(|spec| spec.contains_key("kubernetes"))
    else {
        return Err("spec.kubernetes: is required".to_owned());
    };
    members.insert("name".to_owned(), Value::from(&*object.name));
    let server = StoredEntries::new(NAMES)
        .read(&entry)
        .map_err(|violations| {
            let violations = violations.iter();
            let texts = violations.map(|one| match one.path.as_str() {
                "" => format!("spec: {}", one.message),
                path => format!("spec.{path}: {}", one.message),
            });
            texts.collect::<Vec<_>>().join("; ")
        })?;
    if !matches!(server.transport, ServerRuntime::Kubernetes(_)) {
        return Err("spec.kubernetes: is required, and excludes other places".to_owned());
    }
    if spec.server(&server.name).is_some() {
        return Err("metadata.name: a server of the configuration has this name".to_owned());
    }
    if let Some(other) = spec.servers.iter().find(|one| one.prefix == server.prefix) {
        return Err(format!(
            "spec.prefix: the server {:?} has the same one",
            other.name
        ));
    }
    Ok(server)
}

/// Time in which the objects must have been listed.
const PATIENCE: Duration = Duration::from_secs(30);

#[cfg(all(test, feature = "kubernetes"))]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn invalid_objects_cost_themselves_alone() {
        let mut spec = DynamicSpec::default();
        let builtin = ServerSpec::new("demo", ServerRuntime::Builtin("demo".into()));
        spec.add_servers([builtin]);
        let pods = json!({ "kubernetes": { "image": "a", "command": "a" } });
        let objects = [
            ("demo", pods.clone()),
            ("time", pods),
            (
                "notes",
                json!({ "prefix": "time", "kubernetes": { "image": "a", "command": "a" } }),
            ),
            ("program", json!({ "process": { "command": "a" } })),
            (
                "both",
                json!({ "process": { "command": "a" }, "kubernetes": { "image": "a" } }),
            ),
            (
                "patched",
                json!({ "kubernetes": { "image": "a", "command": "a", "patch": {} } }),
            ),
        ];
        let objects = objects.map(|(name, spec)| ServerObject::new(name, spec));
        let rejected = merge(&mut spec, &objects);
        let names: Vec<_> = spec.servers.iter().map(|server| &*server.name).collect();
        assert_eq!(names, ["demo", "time"], "{rejected:?}");
        for (name, reason) in [
            ("demo", "metadata.name"),
            ("notes", "spec.prefix"),
            ("program", "spec.kubernetes"),
            ("both", "spec"),
            ("patched", "spec.kubernetes.patch"),
        ] {
            assert!(
                rejected[name].starts_with(reason),
                "{name}: {}",
                rejected[name]
            );
        }
        // What runs of it is not deleted.
        assert!(spec.unreadable.contains(&"patched".into()));
        assert!(!spec.unreadable.contains(&"demo".into()));
    }
}
