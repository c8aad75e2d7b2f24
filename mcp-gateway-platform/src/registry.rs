//! Registry of servers, gateways and rules in the store, beside those of the spec.
//!
//! The document `registry/servers/{name}` is an entry of a server, `registry/gateways/{id}` one of a
//! gateway, and `policy/rules/{name}` one of a rule, in the forms that an [`EntryReader`] reads.
//! Secrets are sealed, each for its place. Every replica watches the documents, and applies each
//! change without a restart. A document that cannot be used costs itself alone; a rule also rejects
//! what it could have concerned.

mod documents;
mod gateways;
mod merge;
mod objects;
mod pins;
mod retired;
mod rules;
mod sealing;
mod stored;

use std::fmt;
use std::sync::Arc;

use futures_util::{Stream, stream};
use mcp_gateway_auth::Keyring;
use mcp_gateway_policy::Rule;
use mcp_gateway_store::{Attachment, Batch, DocumentVersion, Store, StoreError, WatchEvent};
use serde_json::Value;

pub use mcp_gateway_admin::Violation;

use self::documents::Documents;
pub(crate) use self::gateways::{ListedGateway, StoredGateway};
use self::merge::Abilities;
pub(crate) use self::merge::{Listed, Merged, Origin};
use self::pins::StoredPins;
pub use self::retired::{RetiredEntry, retired_entries};
pub(crate) use self::rules::{MAX_RULES, StoredRule};
pub(crate) use self::sealing::SecretError;
pub(crate) use self::stored::StoredServer;
use crate::spec::{DynamicSpec, GatewaySpec, ServerSpec};

/// Reader of the entries of servers, gateways and rules in a store.
///
/// # Example
///
/// See `mcp_gateway_config::stored::StoredEntries`.
pub trait EntryReader: fmt::Debug + Send + Sync + 'static {
    /// Reads the entry of a server, whose secrets are members `secret` of objects without other
    /// members.
    ///
    /// An entry must have no access to the environment and to the files of the gateway.
    ///
    /// # Errors
    ///
    /// All violations if the entry is invalid.
    fn read(&self, entry: &Value) -> Result<ServerSpec, Vec<Violation>>;

    /// Reads the entry of a gateway, which may refer to servers that do not exist.
    ///
    /// # Errors
    ///
    /// All violations if the entry is invalid.
    fn read_gateway(&self, entry: &Value) -> Result<GatewaySpec, Vec<Violation>>;

    /// Reads the entry of a rule, which may refer to servers and gateways that do not exist.
    ///
    /// # Errors
    ///
    /// All violations if the entry is invalid.
    fn read_rule(&self, entry: &Value) -> Result<Rule, Vec<Violation>>;
}

/// Servers, gateways and rules in the store, as this replica has last seen them.
pub(crate) struct Registry {
    /// Keys of the seals of secrets.
    keyring: Keyring,
    /// Reader of opened entries.
    reader: Arc<dyn EntryReader>,
    /// Parts of the platform that servers may need.
    abilities: Abilities,
    /// Servers by name.
    servers: Documents<StoredServer>,
    /// Gateways by identifier.
    gateways: Documents<StoredGateway>,
    /// Rules by name.
    rules: Documents<StoredRule>,
    /// Approved definitions by server.
    pins: Documents<StoredPins>,
}

impl Registry {
    /// Creates a registry without entries.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        keyring: Keyring,
        reader: Arc<dyn EntryReader>,
    ) -> Self {
        let (keys, entries) = (keyring.clone(), Arc::clone(&reader));
        let servers = Documents::new(Arc::clone(&store), SERVERS, move |name, document| {
            StoredServer::read(name, document, &keys, &*entries)
        });
        let entries = Arc::clone(&reader);
        let pins = Documents::new(Arc::clone(&store), pins::PREFIX, StoredPins::read);
        let gateways = Documents::new(Arc::clone(&store), gateways::PREFIX, move |id, document| {
            StoredGateway::read(id, document, &*entries)
        });
        let entries = Arc::clone(&reader);
        let rules = Documents::new(store, rules::PREFIX, move |name, document| {
            StoredRule::read(name, document, &*entries)
        });
        Self {
            keyring,
            reader,
            abilities: Abilities::default(),
            servers,
            gateways,
            rules,
            pins,
        }
    }

    /// Allows servers that are called with the accounts of callers, if callers can log in.
    pub(crate) fn with_accounts(mut self, has_accounts: bool) -> Self {
        self.abilities.has_accounts = has_accounts;
        self
    }

    /// Allows servers that are pods, if there is a cluster to run them on.
    pub(crate) fn with_cluster(mut self, has_cluster: bool) -> Self {
        self.abilities.has_cluster = has_cluster;
        self
    }

    /// Returns the changes of the documents, by all replicas.
    pub(crate) fn watch(&self) -> impl Stream<Item = WatchEvent> + Send + Unpin + use<> {
        let entries = stream::select(self.servers.watch(), self.gateways.watch());
        let others = stream::select(self.rules.watch(), self.pins.watch());
        stream::select(entries, others)
    }

    /// Follows a change of the documents.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable; the change must be followed again.
    pub(crate) async fn follow(&self, event: &WatchEvent) -> Result<(), StoreError> {
        self.servers.follow(event).await?;
        self.gateways.follow(event).await?;
        self.rules.follow(event).await?;
        self.pins.follow(event).await
    }

    /// Reads all documents.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    pub(crate) async fn load(&self) -> Result<(), StoreError> {
        self.servers.load().await?;
        self.gateways.load().await?;
        self.rules.load().await?;
        self.pins.load().await
    }

    /// Returns `true` if an entry of any kind has changed since the last call. All entries must be
    /// merged afterwards.
    ///
    /// A watch begins with a reset, and reports the writes of its own replica, too. Neither is a change
    /// if the documents are known, so that nothing is applied twice.
    pub(crate) fn take_changes(&self) -> bool {
        let servers = self.servers.take_changes();
        let gateways = self.gateways.take_changes();
        let rules = self.rules.take_changes();
        self.pins.take_changes() || rules || gateways || servers
    }

    /// Makes the next [`take_changes`](Self::take_changes) return `true`, because the entries could not
    /// be applied.
    pub(crate) fn mark_changed(&self) {
        self.servers.mark_changed();
    }

    /// Returns the server `name` of the store.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<StoredServer>> {
        self.servers.get(name)
    }

    /// Adds the servers, gateways and rules of the store to those of `spec`, and then those of
    /// objects.
    ///
    /// Holds the locks of each. A caller may hold the lock of the running state, which is never
    /// acquired after these.
    pub(crate) fn merge(&self, spec: &DynamicSpec) -> Merged {
        let merged = Merged::new(spec, &self.servers.entries(), self.abilities);
        let merged = merged.with_object_servers();
        let merged = merged.with_gateways(&self.gateways.entries());
        let merged = merged.with_object_gateways();
        let merged = merged.with_rules(&self.rules.entries());
        merged.with_pins(&self.pins.entries())
    }

    /// Returns the violations of the configuration `entry`, whose secrets are in the clear.
    pub(crate) fn check(&self, entry: &Value) -> Vec<Violation> {
        self.reader.read(entry).err().unwrap_or_default()
    }

    /// Reads `entry`, which may keep secrets of the stored server `before`. Returns the server, and
    /// the entry with sealed secrets.
    ///
    /// Nothing is written. The reader receives the secrets in the clear, and the store only the
    /// returned entry.
    ///
    /// # Errors
    ///
    /// All violations if the entry is invalid.
    pub(crate) fn prepare(
        &self,
        name: &str,
        mut entry: Value,
        before: Option<&StoredServer>,
    ) -> Result<(ServerSpec, Value), SecretError> {
        let before = before.map(|before| &before.entry);
        sealing::restore(&mut entry, before, name, &self.keyring)?;
        let spec = self.reader.read(&entry).map_err(SecretError::Invalid)?;
        sealing::seal(&mut entry, name, &self.keyring)?;
        Ok((spec, entry))
    }

    /// Writes the server `name`, in one batch with `attachment`, if its document has `version`, or
    /// does not exist. Returns `None` if the condition does not hold.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    pub(crate) async fn put(
        &self,
        name: &str,
        entry: &Value,
        version: Option<DocumentVersion>,
        attachment: &Attachment,
    ) -> Result<Option<Arc<StoredServer>>, StoreError> {
        let batch = attachment.add_to(Batch::new(), name);
        self.servers.put(name, entry, version, batch).await
    }

    /// Deletes the server `name`, in one batch with `attachment`, if its document has `version`.
    /// Returns `false` otherwise.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    pub(crate) async fn delete(
        &self,
        name: &str,
        version: DocumentVersion,
        attachment: &Attachment,
    ) -> Result<bool, StoreError> {
        let batch = attachment.add_to(Batch::new(), name);
        self.servers.delete(name, version, batch).await
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reader = &self.reader;
        f.debug_struct("Registry")
            .field("reader", reader)
            .finish_non_exhaustive()
    }
}

/// Prefix of the keys of the documents of servers.
const SERVERS: &str = "registry/servers/";

#[cfg(test)]
mod tests;
