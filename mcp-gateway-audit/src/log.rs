//! The log: records are appended to the journal, and moved to the store in the background.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use futures_util::{FutureExt as _, StreamExt as _};
use mcp_gateway_core::observe::{CallReport, Observer};
use mcp_gateway_store::{Batch, Store, WatchEvent, WatchStream};
use tokio::time::MissedTickBehavior;

use crate::chain::{HEADS, extend};
use crate::error::AuditError;
use crate::journal::Journal;
use crate::mark::{mark, random_name};
use crate::outbox::{self, OUTBOX};
use crate::record::{Actor, AuditEvent, AuditRecord, Gap, milliseconds};
use crate::segment::{AuditKey, json};

/// An audit log in a store. Cheap to clone.
///
/// [`append`](Self::append) writes a record to the journal and does not wait. [`run`](Self::run)
/// moves records to the store, in segments; each process writes a hash chain of its own. The record
/// of a change in the same store is [attached](Self::attach) to the change instead: the store has both
/// or neither, and any process moves the record to a chain that all of them share.
///
/// While the store is unavailable, records stay in the journal. If that is full, or cannot be
/// written, records are lost; their number is logged and recorded as a [`Gap`].
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_audit::{Actor, AuditEvent, AuditKey, AuditLog, AuditQuery, AuditRecord, Change};
/// use mcp_gateway_store::MemoryStore;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let store = Arc::new(MemoryStore::new());
/// let log = AuditLog::builder(store.clone(), AuditKey::new(&[7; 32])).open().await?;
/// let event = AuditEvent::Change(Change::new("token.revoke", "token/t-1"));
/// log.append(&AuditRecord::new(Actor::new("alice"), event));
/// log.close().await?;
///
/// let found = AuditQuery::new().with_subject("alice").run(&*store).await?;
/// assert_eq!(found.records.len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct AuditLog(Arc<Shared>);

/// Parts of a log that its clones share.
struct Shared {
    store: Arc<dyn Store>,
    key: AuditKey,
    /// Identifier of this process in the log.
    chain: String,
    /// Number of attached records.
    attached: AtomicU64,
    journal: Mutex<Option<Journal>>,
    /// Held while records are moved to the store.
    moving: tokio::sync::Mutex<()>,
    lost: AtomicU64,
    retention: Option<Duration>,
}

/// Builder of an [`AuditLog`].
#[derive(Debug)]
#[must_use = "a log exists when it has been opened"]
pub struct AuditLogBuilder {
    store: Arc<dyn Store>,
    key: AuditKey,
    folder: Option<PathBuf>,
    journal_limit: u64,
    retention: Option<Duration>,
}

impl AuditLogBuilder {
    /// Keeps the journal in files in `folder`, which outlive the process. In memory otherwise.
    pub fn with_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Sets the maximum size of the journal in bytes. Default: 256 MiB in files, 64 MiB in memory.
    pub fn with_journal_limit(mut self, bytes: u64) -> Self {
        self.journal_limit = bytes;
        self
    }

    /// Deletes records of this age. They are kept forever otherwise.
    pub fn with_retention(mut self, age: Duration) -> Self {
        self.retention = Some(age);
        self
    }

    /// Opens the log, and moves the journals of ended processes to the store.
    ///
    /// Logs in several stores may share a folder: only journals of the same store are moved. A journal
    /// that cannot be moved stays in the folder for the next process.
    ///
    /// # Errors
    ///
    /// [`AuditError`] if the journal cannot be created, or the store is unavailable.
    pub async fn open(self) -> Result<AuditLog, AuditError> {
        let Self {
            store,
            key,
            folder,
            journal_limit,
            retention,
        } = self;
        let default = match &folder {
            Some(_) => FILES_LIMIT,
            None => MEMORY_LIMIT,
        };
        let limit = match journal_limit {
            0 => default,
            limit => limit,
        };
        let mut chain = random_name::<9>()?;
        if let Some(folder) = &folder {
            let mark = mark(&*store).await?;
            for orphan in Journal::orphans(folder, &mark)? {
                recover(orphan, &store, &key).await;
            }
            chain.insert_str(0, &mark);
        }
        let journal = Journal::create(&chain, folder.as_deref(), limit)?;
        Ok(AuditLog(Arc::new(Shared {
            moving: tokio::sync::Mutex::default(),
            store,
            key,
            chain,
            attached: AtomicU64::new(0),
            journal: Mutex::new(Some(journal)),
            lost: AtomicU64::new(0),
            retention,
        })))
    }
}

impl AuditLog {
    /// Returns a builder of a log in `store`, whose segments are sealed with `key`.
    pub fn builder(store: Arc<dyn Store>, key: AuditKey) -> AuditLogBuilder {
        AuditLogBuilder {
            store,
            key,
            folder: None,
            journal_limit: 0,
            retention: None,
        }
    }

    /// Returns `true` if `store` has an audit log.
    ///
    /// # Errors
    ///
    /// [`AuditError::Store`] if the store is unavailable.
    pub async fn exists(store: &dyn Store) -> Result<bool, AuditError> {
        Ok(!store.list(HEADS, None, 1).await?.is_empty())
    }

    /// Appends a record to the journal.
    ///
    /// With a folder, the record is in a file when this returns, and outlives the process. Does not
    /// wait for the store. Records after [`close`](Self::close) are lost.
    pub fn append(&self, record: &AuditRecord) {
        let mut line = json(record);
        line.push('\n');
        let appended = match &mut *self.journal() {
            Some(journal) => journal.append(&line),
            None => return,
        };
        if let Err(error) = appended
            && self.0.lost.fetch_add(1, Ordering::Relaxed) == 0
        {
            let error = mcp_gateway_core::error_chain(&error);
            tracing::error!(error, "audit records are lost");
        }
    }

    /// Adds a record to the batch of the change that it describes, in the store of the log.
    ///
    /// The record is in the log once the batch has been committed: [`run`](Self::run) or
    /// [`flush`](Self::flush) of any process moves it to a chain, once.
    ///
    /// # Example
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use mcp_gateway_audit::{Actor, AuditEvent, AuditKey, AuditLog, AuditQuery, AuditRecord, Change};
    /// use mcp_gateway_store::{Batch, CommitOutcome, MemoryStore, Store};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let store = Arc::new(MemoryStore::new());
    /// let log = AuditLog::builder(store.clone(), AuditKey::new(&[7; 32])).open().await?;
    /// let create = |name: &str| {
    ///     let event = AuditEvent::Change(Change::new("note.create", format!("note/{name}")));
    ///     let batch = Batch::new().if_absent("note").put("note", name.to_owned());
    ///     log.attach(batch, &AuditRecord::new(Actor::new("alice"), event))
    /// };
    /// assert_eq!(store.commit(create("a")).await?, CommitOutcome::Committed);
    /// assert_eq!(store.commit(create("b")).await?, CommitOutcome::Conflict);
    /// log.flush().await?;
    /// assert_eq!(AuditQuery::new().run(&*store).await?.records.len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    pub fn attach(&self, batch: Batch, record: &AuditRecord) -> Batch {
        let Shared { chain, key, .. } = &*self.0;
        let number = self.0.attached.fetch_add(1, Ordering::Relaxed);
        outbox::attach(batch, record, &format!("{chain}/{number:010}"), key)
    }

    /// Moves records to a chain five times a second, and deletes expired ones. Never completes.
    ///
    /// # Cancel safety
    ///
    /// Records stay in the journal or the outbox if the future is dropped.
    pub async fn run(&self) {
        let mut attached = self.0.store.watch(OUTBOX);
        let mut is_attached = false;
        let mut ticks = tokio::time::interval(FLUSH_INTERVAL);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let (mut failed, mut pruned) = (false, None::<SystemTime>);
        loop {
            ticks.tick().await;
            is_attached |= has_writes(&mut attached);
            let flushed = match is_attached {
                true => self.flush().await,
                false => self.move_journal().await,
            };
            is_attached &= flushed.is_err();
            if let Err(error) = &flushed
                && !failed
            {
                let error = mcp_gateway_core::error_chain(error);
                tracing::warn!(error, "audit records wait for the store");
            }
            failed = flushed.is_err();
            let is_due =
                pruned.is_none_or(|last| last.elapsed().is_ok_and(|age| age > PRUNE_INTERVAL));
            if let Some(age) = self.0.retention
                && is_due
            {
                pruned = Some(SystemTime::now());
                let before = SystemTime::now().checked_sub(age).map_or(0, milliseconds);
                if let Err(error) =
                    crate::retention::prune(&*self.0.store, &self.0.key, before).await
                {
                    let error = mcp_gateway_core::error_chain(&error);
                    tracing::warn!(error, "expired audit records not deleted");
                }
            }
        }
    }

    /// Moves all records to a chain in the store.
    ///
    /// # Errors
    ///
    /// [`AuditError`] if the store is unavailable; the records stay in the journal and the outbox.
    ///
    /// # Cancel safety
    ///
    /// Records stay in the journal or the outbox if the future is dropped.
    pub async fn flush(&self) -> Result<(), AuditError> {
        self.move_journal().await?;
        outbox::empty(&*self.0.store, &self.0.key).await
    }

    /// Moves the records of the journal to the store.
    async fn move_journal(&self) -> Result<(), AuditError> {
        let _moving = self.0.moving.lock().await;
        self.record_gap();
        if let Some(journal) = &mut *self.journal() {
            journal.rotate()?;
        }
        let Shared { store, key, .. } = &*self.0;
        loop {
            let oldest = match &*self.journal() {
                Some(journal) => journal.oldest()?.map(|oldest| (journal.chain(), oldest)),
                None => None,
            };
            let Some((chain, (number, lines))) = oldest else {
                return Ok(());
            };
            extend(&**store, key, (&chain, number), lines).await?;
            if let Some(journal) = &mut *self.journal() {
                journal.remove_oldest();
            }
        }
    }

    /// Moves all records to the store and ends the log.
    ///
    /// # Errors
    ///
    /// [`AuditError`] if the store is unavailable; a journal in files stays for the next process.
    pub async fn close(&self) -> Result<(), AuditError> {
        let flushed = self.flush().await;
        if let Some(journal) = self.journal().take() {
            journal.close();
        }
        flushed
    }

    /// Records the number of lost records, if the journal accepts records again.
    fn record_gap(&self) {
        let lost = self.0.lost.load(Ordering::Relaxed);
        if lost == 0 {
            return;
        }
        let record = AuditRecord::new(Actor::gateway(), AuditEvent::Gap(Gap { lost }));
        let line = json(&record) + "\n";
        if let Some(journal) = &mut *self.journal()
            && journal.append(&line).is_ok()
        {
            self.0.lost.fetch_sub(lost, Ordering::Relaxed);
        }
    }

    fn journal(&self) -> MutexGuard<'_, Option<Journal>> {
        self.0
            .journal
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for AuditLog {
    fn on_call_end(&self, call: &CallReport<'_>) {
        self.append(&AuditRecord::of_call(call));
    }
}

impl fmt::Debug for AuditLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuditLog")
            .field("retention", &self.0.retention)
            .finish_non_exhaustive()
    }
}

/// Returns `true` if documents were written since the last call.
fn has_writes(events: &mut WatchStream) -> bool {
    let mut has_writes = false;
    while let Some(Some(event)) = events.next().now_or_never() {
        has_writes |= !matches!(event, WatchEvent::Deleted(_));
    }
    has_writes
}

/// Moves the journal of an ended process to the store.
async fn recover(mut journal: Journal, store: &Arc<dyn Store>, key: &AuditKey) {
    let chain = journal.chain();
    let moved = async {
        while let Some((number, lines)) = journal.oldest()? {
            extend(&**store, key, (&chain, number), lines).await?;
            journal.remove_oldest();
        }
        Ok::<_, AuditError>(())
    };
    match moved.await {
        Ok(()) => journal.close(),
        Err(error) => error.log_orphan(),
    }
}

/// Time between two moves of records to the store.
const FLUSH_INTERVAL: Duration = Duration::from_millis(200);

/// Time between two deletions of expired records.
const PRUNE_INTERVAL: Duration = Duration::from_secs(600);

/// Default maximum size of a journal in files.
const FILES_LIMIT: u64 = 256 * 1024 * 1024;

/// Default maximum size of a journal in memory.
const MEMORY_LIMIT: u64 = 64 * 1024 * 1024;
