//! Gateways in the store.
//!
//! A gateway has two documents: its entry below its identifier, and a reservation of its name. Both
//! are written together, so that no two gateways of a store have the same name, and a gateway that is
//! renamed keeps its identifier.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use mcp_gateway_store::{Attachment, Batch, Document, DocumentVersion, StoreError};
use serde_json::Value;
use uuid::Uuid;

use super::documents::{Entries, StoredEntry};
use super::{EntryReader, Merged, Registry, Violation};
use crate::spec::{DynamicSpec, GatewaySpec};

/// Gateway in the store, as its document has it.
#[derive(Debug)]
pub(crate) struct StoredGateway {
    /// Identifier.
    pub(crate) id: Arc<str>,
    /// Version of the document.
    pub(crate) version: DocumentVersion,
    /// Entry; [`Value::Null`] if the document is not JSON.
    pub(crate) entry: Value,
    /// Gateway of the entry, unless it is invalid.
    spec: Result<GatewaySpec, Vec<Violation>>,
}

/// Gateway of the store in the list of all gateways.
#[derive(Debug)]
pub(crate) struct ListedGateway {
    /// Gateway of the store.
    pub(crate) stored: Arc<StoredGateway>,
    /// Violations for which it is not used.
    pub(crate) violations: Vec<Violation>,
}

impl StoredGateway {
    /// Reads the document of the gateway `id`.
    pub(super) fn read(id: &str, document: &Document, reader: &dyn EntryReader) -> Self {
        let (entry, spec) = match serde_json::from_slice::<Value>(&document.value) {
            Ok(entry) => {
                let spec = read_gateway(id, &entry, reader);
                (entry, spec)
            }
            Err(error) => {
                let violation = Violation::new("", format!("invalid document: {error}"));
                (Value::Null, Err(vec![violation]))
            }
        };
        Self {
            id: id.into(),
            version: document.version,
            entry,
            spec,
        }
    }

    /// Returns the name in the entry.
    pub(crate) fn name(&self) -> &str {
        self.entry["name"].as_str().unwrap_or_default()
    }
}

impl StoredEntry for StoredGateway {
    fn version(&self) -> DocumentVersion {
        self.version
    }
}

impl Registry {
    /// Returns the gateway of the store with the identifier or name `key`.
    pub(crate) fn gateway(&self, key: &str) -> Option<Arc<StoredGateway>> {
        let entries = self.gateways.entries();
        let named = || entries.values().find(|stored| stored.name() == key);
        entries.get(key).or_else(named).cloned()
    }

    /// Reads `entry` as that of the gateway `id`.
    ///
    /// # Errors
    ///
    /// All violations if the entry is invalid.
    pub(crate) fn read_gateway(
        &self,
        id: &str,
        entry: &Value,
    ) -> Result<GatewaySpec, Vec<Violation>> {
        read_gateway(id, entry, &*self.reader)
    }

    /// Writes the gateway `id`, in one batch with `attachment`, if it is still `before`, or does not
    /// exist, and its name is free. Returns `None` if a condition does not hold.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    pub(crate) async fn put_gateway(
        &self,
        id: &str,
        entry: &Value,
        before: Option<&StoredGateway>,
        attachment: &Attachment,
    ) -> Result<Option<Arc<StoredGateway>>, StoreError> {
        let name = entry["name"].as_str().unwrap_or_default();
        let mut batch = attachment.add_to(Batch::new(), id);
        if before.is_none_or(|before| before.name() != name) {
            let reservation = reservation(name);
            batch = batch
                .if_absent(Arc::clone(&reservation))
                .put(reservation, id.to_owned());
            if let Some(before) = before {
                batch = batch.delete(self::reservation(before.name()));
            }
        }
        let version = before.map(|before| before.version);
        self.gateways.put(id, entry, version, batch).await
    }

    /// Deletes the gateway `stored`, in one batch with `attachment`, and frees its name. Returns
    /// `false` if it has changed.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    pub(crate) async fn delete_gateway(
        &self,
        stored: &StoredGateway,
        attachment: &Attachment,
    ) -> Result<bool, StoreError> {
        let StoredGateway { id, version, .. } = stored;
        let batch = attachment.add_to(Batch::new(), id);
        let batch = batch.delete(reservation(stored.name()));
        self.gateways.delete(id, *version, batch).await
    }
}

impl Merged {
    /// Adds the gateways `stored`. Those of the spec come first, and hide those of the same name.
    pub(super) fn with_gateways(mut self, stored: &Entries<StoredGateway>) -> Self {
        let mut taken = taken(&self.spec);
        let mut listing = BTreeMap::new();
        for (id, stored) in stored {
            let admitted = match &stored.spec {
                Ok(gateway) => admit(gateway, &self.spec, &taken),
                Err(violations) => Err(violations.clone()),
            };
            let violations = match admitted {
                Ok(gateway) => {
                    taken.extend(gateway.segments().map(|segment| segment.to_string()));
                    self.spec.gateways.push(gateway);
                    Vec::new()
                }
                Err(violations) => violations,
            };
            let stored = Arc::clone(stored);
            listing.insert(Arc::clone(id), ListedGateway { stored, violations });
        }
        self.gateways = listing;
        self
    }

    /// Returns the violations for which `gateway` cannot join the others, or replace the one with
    /// its identifier.
    pub(crate) fn gateway_violations(&self, gateway: &GatewaySpec) -> Vec<Violation> {
        let mut others = self.spec.clone();
        others.gateways.retain(|other| other.id != gateway.id);
        let taken = taken(&others);
        admit(gateway, &others, &taken).err().unwrap_or_default()
    }
}

/// Reads `entry` as that of the gateway `id`.
fn read_gateway(
    id: &str,
    entry: &Value,
    reader: &dyn EntryReader,
) -> Result<GatewaySpec, Vec<Violation>> {
    let mut gateway = reader.read_gateway(entry)?;
    if Uuid::try_parse(&gateway.name).is_ok() {
        let message = "a UUID is the identifier of a gateway, and no name";
        return Err(vec![Violation::new("name", message)]);
    }
    gateway.id = Some(id.into());
    Ok(gateway)
}

/// Returns the names of `spec` that no gateway of a store or of an object may have.
pub(super) fn taken(spec: &DynamicSpec) -> HashSet<String> {
    let gateways = spec.gateways.iter().flat_map(GatewaySpec::segments);
    let forward = spec.auth.forward.iter().map(|forward| &forward.name);
    let paths = spec.auth.forward.iter();
    let paths = paths.filter_map(|forward| forward.url.path().strip_prefix("/v1/mcp/"));
    let names = gateways.chain(forward).map(|name| &**name);
    names.chain(paths).map(str::to_owned).collect()
}

/// Returns `gateway` with its servers, unless it must not join those of `spec`, whose names are
/// `taken`.
///
/// # Errors
///
/// The violation of the first rule that rejects it.
pub(super) fn admit(
    gateway: &GatewaySpec,
    spec: &DynamicSpec,
    taken: &HashSet<String>,
) -> Result<GatewaySpec, Vec<Violation>> {
    let mut gateway = gateway.clone();
    if gateway.segments().any(|segment| taken.contains(&**segment)) {
        let message = format!("another gateway or resource is named {:?}", gateway.name);
        return Err(vec![Violation::new("name", message)]);
    }
    if gateway.has_all {
        let servers = spec.servers.iter().filter(|server| server.is_for_all());
        gateway.servers = servers.map(|server| Arc::clone(&server.name)).collect();
    }
    match spec.router(&gateway) {
        Ok(_) => Ok(gateway),
        Err(error) => Err(vec![Violation::new("servers", error.to_string())]),
    }
}

/// Returns the key of the reservation of `name`, which is not among those of gateways.
fn reservation(name: &str) -> Arc<str> {
    format!("registry/gateway-names/{name}").into()
}

/// Prefix of the keys of the documents.
pub(super) const PREFIX: &str = "registry/gateways/";
