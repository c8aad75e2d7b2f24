//! Registry of servers in the store, beside those of the spec.
//!
//! The document `registry/servers/{name}` is an entry of a server, in the form that an
//! [`EntryReader`] reads. Its secrets are sealed, each for its place. Every replica watches the
//! documents, and applies each change without a restart. A document that cannot be used costs
//! itself alone.

mod merge;
mod sealing;
mod stored;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp_gateway_auth::Keyring;
use mcp_gateway_store::{
    Attachment, Batch, CommitOutcome, DocumentVersion, ListedDocument, Store, StoreError,
    WatchEvent, WatchStream,
};
use serde_json::Value;

pub use mcp_gateway_admin::Violation;

pub(crate) use self::merge::{Listed, Merged};
pub(crate) use self::sealing::SecretError;
pub(crate) use self::stored::StoredServer;
use crate::spec::{DynamicSpec, ServerSpec};

/// Reader of the entries of servers in a store.
///
/// # Example
///
/// See `mcp_gateway_config::stored::StoredEntries`.
pub trait EntryReader: fmt::Debug + Send + Sync + 'static {
    /// Reads `entry`, whose secrets are members `secret` of objects without other members.
    ///
    /// An entry must have no access to the environment and to the files of the gateway.
    ///
    /// # Errors
    ///
    /// All violations if the entry is invalid.
    fn read(&self, entry: &Value) -> Result<ServerSpec, Vec<Violation>>;
}

/// Servers in the store, as this replica has last seen them.
pub(crate) struct Registry {
    /// Store of the documents.
    store: Arc<dyn Store>,
    /// Keys of the seals of secrets.
    keyring: Keyring,
    /// Reader of opened entries.
    reader: Arc<dyn EntryReader>,
    /// Set if callers can log in, and servers can be called with their accounts.
    has_accounts: bool,
    /// Servers by name, valid or not.
    ///
    /// The lock is held for single accesses and for a merge, but neither while the store is awaited
    /// nor while an entry is read.
    entries: Mutex<BTreeMap<Arc<str>, Arc<StoredServer>>>,
}

impl Registry {
    /// Creates a registry without servers.
    pub(crate) fn new(
        store: Arc<dyn Store>,
        keyring: Keyring,
        reader: Arc<dyn EntryReader>,
    ) -> Self {
        Self {
            store,
            keyring,
            reader,
            has_accounts: false,
            entries: Mutex::default(),
        }
    }

    /// Allows servers that are called with the accounts of callers, if callers can log in.
    pub(crate) fn with_accounts(self, has_accounts: bool) -> Self {
        Self {
            has_accounts,
            ..self
        }
    }

    /// Returns the changes of the documents, by all replicas.
    pub(crate) fn watch(&self) -> WatchStream {
        self.store.watch(PREFIX)
    }

    /// Follows a change of the documents.
    ///
    /// After [`WatchEvent::Reset`], changes may have been missed: all documents are read.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable; the change must be followed again.
    pub(crate) async fn follow(&self, event: &WatchEvent) -> Result<(), StoreError> {
        match event {
            WatchEvent::Deleted(key) => {
                self.entries().remove(name_of(key));
            }
            WatchEvent::Put(document) => self.keep(document),
            _ => self.load().await?,
        }
        Ok(())
    }

    /// Reads all documents.
    ///
    /// The listing is complete before the first server is removed or replaced, so that an error
    /// leaves the servers as they were.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    pub(crate) async fn load(&self) -> Result<(), StoreError> {
        let mut listed: Vec<ListedDocument> = Vec::new();
        loop {
            let last = listed.last().map(|last| Arc::clone(&last.key));
            let page = self.store.list(PREFIX, last.as_deref(), PAGE).await?;
            if page.is_empty() {
                break;
            }
            listed.extend(page);
        }
        let names = listed.iter().map(|document| name_of(&document.key));
        let names: std::collections::HashSet<_> = names.collect();
        self.entries().retain(|name, _| names.contains(&**name));
        listed.iter().for_each(|document| self.keep(document));
        Ok(())
    }

    /// Keeps a document, and reads it unless it is known.
    ///
    /// A document of a known version is skipped: the watch also reports the writes of this replica,
    /// which [`reload`](Self::reload) has read already.
    fn keep(&self, ListedDocument { key, document }: &ListedDocument) {
        let name = name_of(key);
        let known = self.get(name);
        if known.is_some_and(|known| known.version == document.version) {
            return;
        }
        let server = StoredServer::read(name, document, &self.keyring, &*self.reader);
        self.entries().insert(name.into(), Arc::new(server));
    }

    /// Returns the server `name` of the store.
    pub(crate) fn get(&self, name: &str) -> Option<Arc<StoredServer>> {
        self.entries().get(name).cloned()
    }

    /// Adds the servers of the store to those of `spec`.
    ///
    /// Holds the lock of the servers. A caller may hold the lock of the running state, which is
    /// never acquired after this one.
    pub(crate) fn merge(&self, spec: &DynamicSpec) -> Merged {
        Merged::new(spec, &self.entries(), self.has_accounts)
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

    /// Writes `entry` under `name`, in one batch with `attachment`, if the document has `version`, or does not exist. Returns `None`
    /// if the condition does not hold.
    ///
    /// Also returns `None` if another replica deletes the document before it is read back.
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
        let key = key(name);
        let batch = match version {
            Some(version) => Batch::new().if_version(Arc::clone(&key), version),
            None => Batch::new().if_absent(Arc::clone(&key)),
        };
        let batch = batch.put(Arc::clone(&key), entry.to_string());
        let batch = attachment.add_to(batch, name);
        if self.store.commit(batch).await? == CommitOutcome::Conflict {
            return Ok(None);
        }
        self.reload(key).await
    }

    /// Deletes the document of `name`, in one batch with `attachment`, if it has `version`. Returns `false` otherwise.
    ///
    /// The document is read again in both cases, so that the next request compares its version with
    /// the current one.
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
        let key = key(name);
        let batch = Batch::new().if_version(Arc::clone(&key), version);
        let batch = attachment.add_to(batch.delete(Arc::clone(&key)), name);
        let outcome = self.store.commit(batch).await?;
        self.reload(key).await?;
        Ok(outcome == CommitOutcome::Committed)
    }

    /// Reads the document under `key`, before the watch reports it.
    ///
    /// The replica that has written a server can use it without waiting for the watch.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable. A preceding commit remains, and the watch
    /// reports it later.
    async fn reload(&self, key: Arc<str>) -> Result<Option<Arc<StoredServer>>, StoreError> {
        let found = self.store.get(&key).await?;
        match found {
            Some(document) => {
                let name = Arc::clone(&key);
                self.keep(&ListedDocument { key, document });
                Ok(self.get(name_of(&name)))
            }
            None => {
                self.entries().remove(name_of(&key));
                Ok(None)
            }
        }
    }

    fn entries(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<StoredServer>>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
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

/// Returns the key of the document of the server `name`.
fn key(name: &str) -> Arc<str> {
    format!("{PREFIX}{name}").into()
}

/// Returns the name of the server whose document is under `key`.
fn name_of(key: &str) -> &str {
    key.strip_prefix(PREFIX).unwrap_or(key)
}

/// Prefix of the keys of the documents.
const PREFIX: &str = "registry/servers/";

/// Number of documents of a page.
const PAGE: usize = 500;

#[cfg(test)]
mod tests;
