//! Installation of entries of the registry as servers.

use std::collections::BTreeMap;

use mcp_gateway_registry::{EntryReference, EntryStatus};
use serde_json::Value;

use super::AdminApi;
use super::problem::ApiError;
use crate::catalog::ServerDocument;

/// Returns the configuration of a server: `body` itself, or the entry of the registry that it names,
/// with its values and the further keys of `body`.
pub(super) async fn resolve(api: &AdminApi, mut body: Value) -> Result<Value, ApiError> {
    let is_whole = TRANSPORTS.iter().any(|key| body.get(key).is_some());
    let Some(members) = body.as_object_mut().filter(|_| !is_whole) else {
        return Ok(body);
    };
    let Some(entry) = members.remove("entry") else {
        return Ok(body);
    };
    let name = members.remove("name").unwrap_or_default();
    let values = match members.remove("values") {
        Some(values) => serde_json::from_value::<BTreeMap<String, String>>(values)
            .map_err(|_| ApiError::invalid("values", "expected texts by the names of inputs"))?,
        None => BTreeMap::new(),
    };
    let name = name.as_str().unwrap_or_default();
    let entry = entry.as_str().unwrap_or_default();
    let mut server = install(api, entry, name, &values).await?;
    if let Some(server) = server.as_object_mut() {
        server.extend(std::mem::take(members));
    }
    Ok(server)
}

/// Returns the configuration of a server `name`, made of the entry `reference` and `values`.
async fn install(
    api: &AdminApi,
    reference: &str,
    name: &str,
    values: &BTreeMap<String, String>,
) -> Result<Value, ApiError> {
    let entry: EntryReference = reference
        .parse()
        .map_err(|message: String| ApiError::invalid("entry", message))?;
    let entries = &api.registry()?.entries;
    let found = entries.get(&entry.name, entry.version.as_deref()).await?;
    let found = found.ok_or_else(|| ApiError::invalid("entry", "no such entry"))?;
    let entry = found.document.entry;
    if entry.status == EntryStatus::Deprecated {
        let entry = entry.id();
        tracing::warn!(entry, server = name, "deprecated entry installed");
    }
    entry.install(name, values).map_err(ApiError::Invalid)
}

/// Returns `server` with the status of the entry from which it has been installed.
pub(super) async fn shown(
    api: &AdminApi,
    server: ServerDocument,
) -> Result<ServerDocument, ApiError> {
    let mut servers = [server];
    show(api, &mut servers).await?;
    let [server] = servers;
    Ok(server)
}

/// Adds the status of the entries from which `servers` have been installed.
pub(super) async fn show(api: &AdminApi, servers: &mut [ServerDocument]) -> Result<(), ApiError> {
    let Some(registry) = &api.0.registry else {
        return Ok(());
    };
    for installed in servers
        .iter_mut()
        .filter_map(|server| server.installed.as_mut())
    {
        let Some((name, version)) = installed.entry.split_once('@') else {
            continue;
        };
        if let Some(found) = registry.entries.get(name, Some(version)).await? {
            let entry = found.document.entry;
            installed.status = Some(entry.status);
            installed.status_message = entry.status_message;
        }
    }
    Ok(())
}

/// Logs that the status of `entry` has changed, with the servers that have been installed from it.
///
/// They keep running.
pub(super) fn warn(api: &AdminApi, entry: &str, status: EntryStatus) {
    let Ok(catalog) = api.catalog() else {
        return;
    };
    let mut servers = catalog.servers(None, usize::MAX);
    servers.retain(|it| it.installed.as_ref().is_some_and(|it| it.entry == entry));
    if status != EntryStatus::Active && !servers.is_empty() {
        let names: Vec<_> = servers.iter().map(|server| &*server.name).collect();
        let (status, servers) = (status.as_str(), names.join(", "));
        tracing::warn!(
            entry,
            status,
            servers,
            "entry of installed servers not active"
        );
    }
}

/// Keys of a configuration that is no installation.
const TRANSPORTS: [&str; 4] = ["builtin", "kubernetes", "process", "remote"];
