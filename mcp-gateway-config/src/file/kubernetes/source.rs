//! Keys of `servers[].kubernetes` that the configuration file alone may have.
//!
//! Whoever writes a document of the store or an object of the cluster may run a pod, but must get
//! neither a node nor what belongs to other namespaces:
//!
//! | Key | Accepted elsewhere |
//! |---|---|
//! | `namespace`, `patch` | no |
//! | `securityContext` | what takes from the default one, `runAsUser` but for root, `runAsGroup` |
//! | `annotations` | no profiles of AppArmor or seccomp, system parameters and networks |
//! | `probes` | no `host`: the node would connect to any address for the server |

use serde_json::{Value, json};

use crate::document::Field;

/// Records errors of keys that are for the configuration file, unless `field` is in one.
pub(super) fn check(field: &Field<'_>) {
    if field.environment().has_references() {
        return;
    }
    for key in ["namespace", "patch"] {
        if let Some(field) = field.get(key) {
            field.error(FILE_ONLY);
        }
    }
    for (key, field) in members(field, "securityContext") {
        if !is_within_default(key, &field.json()) {
            field.error(FILE_ONLY);
        }
    }
    for (key, field) in members(field, "annotations") {
        let domain = key.split_once('/').map_or("", |(domain, _)| domain);
        if DOMAINS.iter().any(|own| domain.ends_with(own)) {
            field.error(FILE_ONLY);
        }
    }
    for (_, probe) in members(field, "probes") {
        for action in ["httpGet", "tcpSocket"] {
            let host = probe.get(action).and_then(|action| action.get("host"));
            if let Some(field) = host {
                field.error(FILE_ONLY);
            }
        }
    }
}

/// Returns the members of the map at `key`, if it is one.
fn members<'a>(field: &Field<'a>, key: &str) -> Vec<(&'a str, Field<'a>)> {
    let map = field.get(key).filter(Field::is_map);
    map.and_then(|map| map.entries()).unwrap_or_default()
}

/// Returns `true` if `key` of a security context gives no more with `value` than without it.
fn is_within_default(key: &str, value: &Value) -> bool {
    match key {
        "privileged" | "allowPrivilegeEscalation" => *value == Value::Bool(false),
        "runAsNonRoot" | "readOnlyRootFilesystem" => *value == Value::Bool(true),
        "runAsUser" => value.as_u64().is_some_and(|user| user > 0),
        "runAsGroup" => value.as_u64().is_some(),
        "seccompProfile" | "appArmorProfile" => *value == json!({"type": "RuntimeDefault"}),
        _ => false,
    }
}

/// Error of a key or value that the configuration file alone may have.
const FILE_ONLY: &str = "accepted in the configuration file only";

/// Ends of the domains of annotations that change what a node permits to a pod.
const DOMAINS: [&str; 3] = [
    "security.beta.kubernetes.io",
    "security.alpha.kubernetes.io",
    "cni.cncf.io",
];
