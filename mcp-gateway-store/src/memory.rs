//! A store in the memory of the process.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;

use crate::{
    Batch, CommitOutcome, Condition, Document, DocumentVersion, ListedDocument, Store, StoreError,
    WatchEvent, WatchStream, WatcherRegistry, WriteOp,
};

/// A store whose documents live as long as the process. Cheap to clone; all clones share the
/// documents.
///
/// # Example
///
/// ```
/// use futures_util::StreamExt;
/// use mcp_gateway_store::{Batch, WatchEvent, MemoryStore, Store, StoreError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), StoreError> {
/// let store = MemoryStore::new();
/// let mut events = store.watch("auth/");
/// let _ = store.clone().commit(Batch::new().put("auth/1", "a")).await?;
/// assert_eq!(events.next().await, Some(WatchEvent::Reset));
/// assert!(matches!(events.next().await, Some(WatchEvent::Put(entry)) if &*entry.key == "auth/1"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct MemoryStore(Arc<Shared>);

/// The state that all clones share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    watchers: WatcherRegistry,
}

/// The documents.
#[derive(Debug)]
struct State {
    documents: BTreeMap<Arc<str>, Document>,
    writes: u64,
    /// Time of the last removal of expired documents.
    purged: SystemTime,
}

impl MemoryStore {
    /// Creates an empty store.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            state: Mutex::new(State {
                documents: BTreeMap::new(),
                writes: 0,
                purged: SystemTime::now(),
            }),
            watchers: WatcherRegistry::new(),
        }))
    }

    /// Locks the state. A panic in another thread cannot leave it inconsistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn get(&self, key: &str) -> Result<Option<Document>, StoreError> {
        Ok(self.state().get(key, SystemTime::now()).cloned())
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ListedDocument>, StoreError> {
        let now = SystemTime::now();
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        let state = self.state();
        let documents = state.documents.range::<str, _>((from, Bound::Unbounded));
        let documents = documents.take_while(|(key, _)| key.starts_with(prefix));
        let documents = documents.filter(|(_, document)| !is_over(document, now));
        let entry = |(key, document): (&Arc<str>, &Document)| ListedDocument {
            key: Arc::clone(key),
            document: document.clone(),
        };
        Ok(documents.take(limit).map(entry).collect())
    }

    async fn commit(&self, batch: Batch) -> Result<CommitOutcome, StoreError> {
        let now = SystemTime::now();
        let mut state = self.state();
        if !batch
            .conditions()
            .iter()
            .all(|condition| state.holds(condition, now))
        {
            return Ok(CommitOutcome::Conflict);
        }
        for write in batch.writes() {
            // Reported under the lock, so that all watchers receive writes in their order.
            self.0.watchers.notify(state.write(write));
        }
        state.purge(now);
        Ok(CommitOutcome::Committed)
    }

    fn watch(&self, prefix: &str) -> WatchStream {
        self.0.watchers.watch(prefix)
    }
}

impl State {
    /// Returns an unexpired document.
    fn get(&self, key: &str, now: SystemTime) -> Option<&Document> {
        self.documents
            .get(key)
            .filter(|document| !is_over(document, now))
    }

    /// Returns `true` if `condition` holds.
    fn holds(&self, condition: &Condition, now: SystemTime) -> bool {
        let found = self
            .get(condition.key(), now)
            .map(|document| document.version);
        match condition {
            Condition::Absent(_) => found.is_none(),
            Condition::Version(_, version) => found == Some(*version),
        }
    }

    /// Applies a write and returns its event.
    fn write(&mut self, write: &WriteOp) -> WatchEvent {
        self.writes += 1;
        match write {
            WriteOp::Delete(key) => {
                self.documents.remove(key);
                WatchEvent::Deleted(Arc::clone(key))
            }
            WriteOp::Put {
                key,
                value,
                expires,
            } => {
                let document = Document {
                    value: value.clone(),
                    version: DocumentVersion(self.writes),
                    expires: *expires,
                };
                self.documents.insert(Arc::clone(key), document.clone());
                let key = Arc::clone(key);
                WatchEvent::Put(ListedDocument { key, document })
            }
        }
    }

    /// Removes expired documents once a minute.
    fn purge(&mut self, now: SystemTime) {
        let due = self.purged.checked_add(PURGE_INTERVAL);
        if due.is_none_or(|due| now >= due) {
            self.purged = now;
            self.documents.retain(|_, document| !is_over(document, now));
        }
    }
}

/// Returns `true` if `document` is expired.
fn is_over(document: &Document, now: SystemTime) -> bool {
    document.expires.is_some_and(|expires| expires <= now)
}

/// Minimum interval between removals of expired documents.
const PURGE_INTERVAL: Duration = Duration::from_secs(60);
