//! Keys of `servers[].kubernetes` that are settings of the pods.
//!
//! | Key | Type |
//! |---|---|
//! | `pullPolicy` | `Always`, `IfNotPresent` or `Never` |
//! | `pullSecrets` | list of names |
//! | `serviceAccount` | name |
//! | `resources` | `requests` and `limits`: maps of quantities |
//! | `nodeSelector`, `labels`, `annotations` | map of strings |
//! | `tolerations`, `affinity`, `securityContext` | as in the Kubernetes API |
//! | `probes` | `readiness`, `liveness` and `startup`: as in the Kubernetes API |
//!
//! A change of these settings alone does not interrupt the connections to a server: see
//! [`KubernetesServer::answers_like`](mcp_gateway_platform::spec::KubernetesServer::answers_like).

use std::collections::BTreeMap;

use mcp_gateway_platform::spec::PodSettings;
use serde_json::Value;

use super::{names, quantity, shape};
use crate::document::{Field, Table};

/// Reads the settings of the pods.
pub(super) fn settings(table: &mut Table<'_>) -> PodSettings {
    let mut pod = PodSettings::default();
    let policy = table.get_with("pullPolicy", |field| field.choice(&PULL_POLICIES));
    pod.pull_policy = policy.map(str::to_owned);
    pod.pull_secrets = table.get_with("pullSecrets", objects).unwrap_or_default();
    pod.service_account = table.get_with("serviceAccount", |field| {
        field.parse("the name of a service account", names::subdomain)
    });
    if let Some((requests, limits)) = table.get_with("resources", resources) {
        (pod.requests, pod.limits) = (requests, limits);
    }
    pod.node_selector = table
        .get_with("nodeSelector", |field| labels(field, false))
        .unwrap_or_default();
    let tolerations = table.get_with("tolerations", |field| shape::json(field, "tolerations"));
    if let Some(Value::Array(tolerations)) = tolerations {
        pod.tolerations = tolerations;
    }
    pod.affinity = table.get_with("affinity", |field| shape::json(field, "affinity"));
    let context = table.get_with("securityContext", |field| {
        shape::json(field, "securityContext")
    });
    pod.security_context = context;
    let probes = table.get_with("probes", probes).unwrap_or_default();
    [pod.readiness_probe, pod.liveness_probe, pod.startup_probe] = probes;
    pod.labels = table
        .get_with("labels", |field| labels(field, true))
        .unwrap_or_default();
    pod.annotations = table
        .get_with("annotations", annotations)
        .unwrap_or_default();
    pod
}

/// Reads a list of names of objects.
fn objects(field: &Field<'_>) -> Option<Vec<String>> {
    let read = |field: &Field<'_>| field.parse("the name of an object", names::subdomain);
    let read: Vec<_> = field.items()?.iter().map(read).collect();
    read.into_iter().collect()
}

/// Quantities of resources by their names.
type Quantities = BTreeMap<String, String>;

/// Reads the requested resources, and their limits.
fn resources(field: &Field<'_>) -> Option<(Quantities, Quantities)> {
    let mut table = field.table()?;
    let requests_field = table.field("requests");
    let requests = requests_field.as_ref().and_then(quantity::quantities);
    let limits = table.get_with("limits", quantity::quantities);
    table.finish();
    let (requests, limits) = (requests.unwrap_or_default(), limits.unwrap_or_default());
    if let Some(field) = &requests_field {
        quantity::check_requests((&requests, field), &limits);
    }
    Some((requests, limits))
}

/// Reads labels, which must not be reserved if they are set on the pods (`own`).
pub(in crate::file) fn labels(field: &Field<'_>, own: bool) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    for (key, field) in field.entries()? {
        check_key(key, &field, own);
        let value = names::label_value(&field);
        labels.insert(key.to_owned(), value.unwrap_or_default());
    }
    Some(labels)
}

/// Reads annotations.
fn annotations(field: &Field<'_>) -> Option<BTreeMap<String, String>> {
    let mut annotations = BTreeMap::new();
    for (key, field) in field.entries()? {
        check_key(key, &field, true);
        annotations.insert(key.to_owned(), field.text().unwrap_or_default().to_owned());
    }
    Some(annotations)
}

/// Records an error of the key of a label or annotation; `own` ones must not be reserved.
fn check_key(key: &str, field: &Field<'_>, own: bool) {
    if let Some(violation) = names::qualified(key) {
        field.error(violation);
    } else if own && names::is_reserved(key) {
        field.error("the gateway sets keys with this prefix itself");
    }
}

/// Reads the probes: readiness, liveness and startup.
fn probes(field: &Field<'_>) -> Option<[Option<Value>; 3]> {
    let mut table = field.table()?;
    let probes = ["readiness", "liveness", "startup"]
        .map(|name| table.get_with(name, |field| shape::json(field, "probe")));
    table.finish();
    Some(probes)
}

/// Values of `pullPolicy`.
const PULL_POLICIES: [(&str, &str); 3] = [
    ("Always", "Always"),
    ("IfNotPresent", "IfNotPresent"),
    ("Never", "Never"),
];
