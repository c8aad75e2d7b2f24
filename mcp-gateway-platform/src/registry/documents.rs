//! Documents below a prefix of the store, as this replica has last seen them.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mcp_gateway_store::{
    Batch, CommitOutcome, Document, DocumentVersion, ListedDocument, Store, StoreError, WatchEvent,
    WatchStream,
};
use serde_json::Value;

/// Content of a document.
pub(super) trait StoredEntry {
    /// Returns the version of the document.
    fn version(&self) -> DocumentVersion;
}

/// Reader of the documents with their names, the keys without the prefix.
///
/// An invalid document also has a content, so that it can be listed, replaced and deleted.
type ReadDocument<T> = Box<dyn Fn(&str, &Document) -> T + Send + Sync>;

/// Entries by name, valid or not.
pub(super) type Entries<T> = BTreeMap<Arc<str>, Arc<T>>;

/// Documents below a prefix, as this replica has last seen them.
pub(super) struct Documents<T> {
    /// Store of the documents.
    store: Arc<dyn Store>,
    /// Prefix of their keys.
    prefix: &'static str,
    /// Reader of their contents.
    read: ReadDocument<T>,
    /// Entries of the documents.
    ///
    /// The lock is held for single accesses and for a merge, but neither while the store is awaited
    /// nor while a document is read.
    entries: Mutex<Entries<T>>,
    /// Set if the entries have changed since [`take_changes`](Self::take_changes).
    has_changed: AtomicBool,
}

impl<T: StoredEntry> Documents<T> {
    /// Creates the view of no documents.
    pub(super) fn new(
        store: Arc<dyn Store>,
        prefix: &'static str,
        read: impl Fn(&str, &Document) -> T + Send + Sync + 'static,
    ) -> Self {
        Self {
            store,
            prefix,
            read: Box::new(read),
            entries: Mutex::default(),
            has_changed: AtomicBool::default(),
        }
    }

    /// Returns the changes of the documents, by all replicas.
    pub(super) fn watch(&self) -> WatchStream {
        self.store.watch(self.prefix)
    }

    /// Follows a change of the documents; changes of others have no effect.
    ///
    /// After [`WatchEvent::Reset`], changes may have been missed: all documents are read.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable; the change must be followed again.
    pub(super) async fn follow(&self, event: &WatchEvent) -> Result<(), StoreError> {
        match event {
            WatchEvent::Deleted(key) => {
                if let Some(name) = key.strip_prefix(self.prefix) {
                    self.forget(name);
                }
            }
            WatchEvent::Put(document) => self.keep(document),
            _ => self.load().await?,
        }
        Ok(())
    }

    /// Reads all documents.
    ///
    /// The listing is complete before the first entry is removed or replaced, so that an error
    /// leaves the entries as they were.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    pub(super) async fn load(&self) -> Result<(), StoreError> {
        let mut listed: Vec<ListedDocument> = Vec::new();
        loop {
            let last = listed.last().map(|last| Arc::clone(&last.key));
            let page = self.store.list(self.prefix, last.as_deref(), PAGE).await?;
            if page.is_empty() {
                break;
            }
            listed.extend(page);
        }
        let names = listed.iter();
        let names = names.filter_map(|document| document.key.strip_prefix(self.prefix));
        let names: HashSet<_> = names.collect();
        let mut entries = self.entries();
        let before = entries.len();
        entries.retain(|name, _| names.contains(&**name));
        let is_removed = entries.len() < before;
        drop(entries);
        if is_removed {
            self.mark_changed();
        }
        listed.iter().for_each(|document| self.keep(document));
        Ok(())
    }

    /// Keeps a document, and reads it unless it is known.
    ///
    /// A document of a known version is skipped: the watch also reports the writes of this replica,
    /// which [`reload`](Self::reload) has read already.
    fn keep(&self, ListedDocument { key, document }: &ListedDocument) {
        let Some(name) = key.strip_prefix(self.prefix) else {
            return;
        };
        let known = self.get(name);
        if known.is_some_and(|known| known.version() == document.version) {
            return;
        }
        let entry = (self.read)(name, document);
        self.entries().insert(name.into(), Arc::new(entry));
        self.mark_changed();
    }

    /// Removes the entry `name`. An unknown one is no change: this replica may have deleted it itself.
    fn forget(&self, name: &str) {
        if self.entries().remove(name).is_some() {
            self.mark_changed();
        }
    }

    /// Records that the entries differ from those that were applied last.
    pub(super) fn mark_changed(&self) {
        self.has_changed.store(true, Ordering::Release);
    }

    /// Returns `true` if the entries have changed since the last call. They must be read afterwards.
    pub(super) fn take_changes(&self) -> bool {
        self.has_changed.swap(false, Ordering::AcqRel)
    }

    /// Returns the entry `name`.
    pub(super) fn get(&self, name: &str) -> Option<Arc<T>> {
        self.entries().get(name).cloned()
    }

    /// Writes `value` under `name` if the document has `version`, or does not exist, together with
    /// `batch`. Returns `None` if a condition does not hold.
    ///
    /// Also returns `None` if another replica deletes the document before it is read back.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    pub(super) async fn put(
        &self,
        name: &str,
        value: &Value,
        version: Option<DocumentVersion>,
        batch: Batch,
    ) -> Result<Option<Arc<T>>, StoreError> {
        let key = self.key(name);
        let batch = match version {
            Some(version) => batch.if_version(Arc::clone(&key), version),
            None => batch.if_absent(Arc::clone(&key)),
        };
        let batch = batch.put(Arc::clone(&key), value.to_string());
        if self.store.commit(batch).await? == CommitOutcome::Conflict {
            return Ok(None);
        }
        self.reload(name).await
    }

    /// Deletes the document of `name` if it has `version`, together with `batch`. Returns `false` if
    /// a condition does not hold.
    ///
    /// The document is read again in both cases, so that the next request compares its version with
    /// the current one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    pub(super) async fn delete(
        &self,
        name: &str,
        version: DocumentVersion,
        batch: Batch,
    ) -> Result<bool, StoreError> {
        let key = self.key(name);
        let batch = batch.if_version(Arc::clone(&key), version);
        let outcome = self.store.commit(batch.delete(key)).await?;
        self.reload(name).await?;
        Ok(outcome == CommitOutcome::Committed)
    }

    /// Reads the document of `name`, before the watch reports it.
    ///
    /// The replica that has written an entry can use it without waiting for the watch.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable. A preceding commit remains, and the watch
    /// reports it later.
    async fn reload(&self, name: &str) -> Result<Option<Arc<T>>, StoreError> {
        let key = self.key(name);
        let found = self.store.get(&key).await?;
        match found {
            Some(document) => {
                self.keep(&ListedDocument { key, document });
                Ok(self.get(name))
            }
            None => {
                self.forget(name);
                Ok(None)
            }
        }
    }

    /// Locks the entries.
    pub(super) fn entries(&self) -> MutexGuard<'_, Entries<T>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes `batch`, and returns `false` if a condition does not hold. Its documents are not read
    /// back.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    pub(super) async fn commit(&self, batch: Batch) -> Result<bool, StoreError> {
        let outcome = self.store.commit(batch).await?;
        Ok(outcome == CommitOutcome::Committed)
    }

    /// Returns the key of the document of `name`.
    pub(super) fn key(&self, name: &str) -> Arc<str> {
        format!("{}{name}", self.prefix).into()
    }
}

impl<T> fmt::Debug for Documents<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Documents")
            .field("prefix", &self.prefix)
            .finish_non_exhaustive()
    }
}

/// Number of documents of a page.
const PAGE: usize = 500;
