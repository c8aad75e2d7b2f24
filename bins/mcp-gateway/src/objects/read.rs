//! Objects as entries of servers and gateways.
//!
//! They are read as entries of a store, which have no access to what the gateway can read. More is
//! refused in objects, because whoever writes one is no administrator of the gateway.

use mcp_gateway_config::stored::StoredEntries;
use mcp_gateway_k8s::{ClusterObject, OperatedServer};
use mcp_gateway_platform::registry::{EntryReader as _, Violation};
use mcp_gateway_platform::spec::{GatewaySpec, ServerRuntime, ServerSpec};
use serde_json::{Value, json};

use crate::builtins::NAMES;

/// Reads an object of the kind `MCPServer`.
///
/// # Errors
///
/// All mistakes with their paths.
pub(super) fn server(object: &ClusterObject) -> Result<ServerSpec, String> {
    let places = ["kubernetes", "remote"].map(|key| object.spec.get(key));
    if places.iter().flatten().count() != 1 {
        return Err("spec: exactly one of kubernetes and remote is required".to_owned());
    }
    let entry = named(object)?;
    let mut server = StoredEntries::new(NAMES).read(&entry).map_err(described)?;
    match &mut server.transport {
        ServerRuntime::Kubernetes(_) => {}
        ServerRuntime::Remote(remote) => {
            if remote.url.scheme_str() != Some("https") {
                return Err("spec.remote.url: must have the scheme https".to_owned());
            }
            // An object does not decide what the gateway reaches in its own network.
            remote.is_guarded = true;
        }
        _ => return Err("spec: one of kubernetes and remote is required".to_owned()),
    }
    Ok(server)
}

/// Reads an object of the kind `MCPGateway`.
///
/// # Errors
///
/// All mistakes with their paths.
pub(super) fn gateway(object: &ClusterObject) -> Result<GatewaySpec, String> {
    let entry = named(object)?;
    StoredEntries::new(NAMES)
        .read_gateway(&entry)
        .map_err(described)
}

/// Reads a server that an operator runs.
///
/// # Errors
///
/// All mistakes.
pub(super) fn operated(server: &OperatedServer) -> Result<ServerSpec, String> {
    let entry = json!({ "name": &*server.name, "remote": { "url": &*server.url } });
    StoredEntries::new(NAMES).read(&entry).map_err(described)
}

/// Returns the specification of an object as an entry with its name.
fn named(object: &ClusterObject) -> Result<Value, String> {
    let mut entry = match &object.spec {
        Value::Null => json!({}),
        spec => spec.clone(),
    };
    let members = entry.as_object_mut();
    let members = members.ok_or_else(|| "spec: must be an object".to_owned())?;
    if members.contains_key("name") {
        return Err("spec.name: the name is that of the object".to_owned());
    }
    members.insert("name".to_owned(), Value::from(&*object.name));
    Ok(entry)
}

/// Returns all `violations` with their paths in an object.
pub(super) fn described(violations: impl IntoIterator<Item = Violation>) -> String {
    let texts = violations.into_iter().map(|one| match one.path.as_str() {
        "" => format!("spec: {}", one.message),
        "name" => format!("metadata.name: {}", one.message),
        path => format!("spec.{path}: {}", one.message),
    });
    texts.collect::<Vec<_>>().join("; ")
}
