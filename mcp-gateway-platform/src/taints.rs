//! Taints: callers whose context is untrusted, because they have received an untrusted result.
//!
//! A taint is a document of the store, so that all replicas agree. It is written before the result
//! is delivered. A call whose decision depends on taints is decided after those of its caller have
//! been read from the store; lists are filtered by what the replica has in memory, which follows the
//! store by its watch.
//!
//! The key of a document is that of its owner and of the context, so that those of one caller are one
//! range of the store. A caller has at most [`MAX_CONTEXTS`] of them; beyond, the caller as a whole is
//! untrusted, because contexts are claims of the client and cost memory.
//!
//! A replica changes its memory in three ways: by what it writes, by what the watch reports, and by
//! what it reads before a decision. A counter of changes keeps a slow read from undoing a newer one.

mod caller_key;
mod mark;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use futures_util::StreamExt as _;
use mcp_gateway_admin::{TAINTS, TaintDocument};
use mcp_gateway_core::{BoxError, Caller};
use mcp_gateway_policy::result::{Taint, TaintRecorder};
use mcp_gateway_store::{Batch, DocumentError, Documents, MemoryStore, Store, WatchEvent};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use self::caller_key::{CallerKey, EVERYTHING};
use self::mark::{Mark, add, differing, document, mark, millis, whole_second};

/// Taints of all gateways.
pub(crate) struct Taints {
    documents: Documents<TaintDocument>,
    /// Taints in memory, by the key of their owner.
    marks: ArcSwap<HashMap<Box<str>, Vec<Mark>>>,
    /// Number of changes of the taints in memory.
    changes: AtomicU64,
    /// Duration of the taint of a caller without a session, in milliseconds.
    duration: AtomicU64,
    /// Duration of the taint of a session.
    session: Duration,
    /// Signals upon which clients are notified of changed lists, by gateway.
    notifiers: Mutex<HashMap<Arc<str>, watch::Sender<()>>>,
}

impl Taints {
    /// Creates the taints in `store`, or in memory; those of a session last for `session`.
    pub(crate) fn new(store: Option<Arc<dyn Store>>, session: Duration) -> Arc<Self> {
        let store = store.unwrap_or_else(|| Arc::new(MemoryStore::new()));
        Arc::new(Self {
            documents: Documents::new(store, TAINTS),
            marks: ArcSwap::default(),
            changes: AtomicU64::new(0),
            duration: AtomicU64::new(millis(DEFAULT_DURATION)),
            session,
            notifiers: Mutex::default(),
        })
    }

    /// Sets the duration of the taint of a caller without a session.
    pub(crate) fn set_duration(&self, duration: Option<Duration>) {
        let duration = duration.unwrap_or(DEFAULT_DURATION);
        self.duration.store(millis(duration), Ordering::Relaxed);
    }

    /// Replaces the signals of the gateways whose lists depend on taints.
    pub(crate) fn replace_notifiers(
        &self,
        notifiers: impl Iterator<Item = (Arc<str>, watch::Sender<()>)>,
    ) {
        *self.notifiers() = notifiers.collect();
    }

    /// Returns `true` if the context of `caller` is untrusted, as far as this replica has heard.
    pub(crate) fn is_tainted(&self, caller: &Caller) -> bool {
        let marks = self.marks.load();
        if marks.is_empty() {
            return false;
        }
        let (key, now) = (CallerKey::of(caller), SystemTime::now());
        let marks = marks.get(&*key.owner);
        marks.is_some_and(|marks| {
            let covers = |mark: &Mark| mark.expires > now && key.is_covered_by(&mark.context);
            marks.iter().any(covers)
        })
    }

    /// Reads the taints of `caller` from the store.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] if they cannot be read, also after [`READ_TIMEOUT`].
    pub(crate) async fn refresh(&self, caller: &Caller) -> Result<(), DocumentError> {
        let key = CallerKey::of(caller);
        let before = self.changes.load(Ordering::Acquire);
        let listing = self.documents.list(&key.owner, None, MAX_CONTEXTS * 2);
        let found = timeout(READ_TIMEOUT, listing).await;
        let found = found.unwrap_or_else(|elapsed| Err(DocumentError::Invalid(elapsed.into())))?;
        let found = found
            .iter()
            .filter_map(|(id, found)| mark(id, &found.value));
        let found: Vec<_> = found.map(|(_, mark)| mark).collect();
        if found.is_empty() && !self.marks.load().contains_key(&*key.owner) {
            return Ok(());
        }
        // A change in the meantime may not be in what was read. That of this read is one.
        let is_current = || self.changes.load(Ordering::Acquire) == before + 1;
        self.change(&key.owner, |marks| {
            if is_current() {
                marks.clear();
            }
            found.iter().for_each(|mark| add(marks, mark.clone()));
        });
        Ok(())
    }

    /// Follows the taints in the store, and notifies clients when one ends. Never completes while the
    /// store is open.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub(crate) async fn follow(&self) {
        let mut events = self.documents.store().watch(TAINTS);
        loop {
            let expiry = self.next_expiry();
            tokio::select! {
                event = events.next() => match event {
                    Some(event) => self.process(&event).await,
                    None => return,
                },
                () = sleep(expiry) => self.expire(),
            }
        }
    }

    /// Applies a change in the store. After a reset, everything is read again until that succeeds,
    /// because a missed taint would let a call through.
    async fn process(&self, event: &WatchEvent) {
        match event {
            WatchEvent::Put(listed) => {
                let id = listed.key.strip_prefix(TAINTS).unwrap_or_default();
                let document = serde_json::from_slice(&listed.document.value);
                if let Some((owner, mark)) = document.ok().and_then(|found| mark(id, &found)) {
                    self.change(&owner, |marks| add(marks, mark.clone()));
                }
            }
            WatchEvent::Deleted(key) => {
                let id = key.strip_prefix(TAINTS).unwrap_or_default();
                if let Some((owner, context)) = id.split_once('-') {
                    self.change(owner, |marks| {
                        marks.retain(|mark| *mark.context != *context)
                    });
                }
            }
            WatchEvent::Reset => {
                while let Err(error) = self.load().await {
                    let error = mcp_gateway_core::error_chain(&error);
                    tracing::warn!(error, "taints unavailable");
                    sleep(RETRY).await;
                }
            }
            _ => {}
        }
    }

    /// Replaces the taints in memory by those in the store, page by page.
    ///
    /// Owners that are not in the store any more are removed only if nothing has changed in the
    /// meantime: a taint that was written during the read may not be in it.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] if the store is unavailable.
    async fn load(&self) -> Result<(), DocumentError> {
        let (mut all, mut after) = (HashMap::<Box<str>, Vec<Mark>>::new(), None::<String>);
        let before = self.changes.load(Ordering::Acquire);
        loop {
            let page = self.documents.list("", after.as_deref(), PAGE).await?;
            for (id, found) in &page {
                if let Some((owner, mark)) = mark(id, &found.value) {
                    add(all.entry(owner).or_default(), mark);
                }
            }
            match page.last() {
                Some((last, _)) if page.len() == PAGE => after = Some(last.clone()),
                _ => break,
            }
        }
        if self.changes.load(Ordering::Acquire) == before {
            let owners: Vec<_> = self.marks.load().keys().cloned().collect();
            owners
                .iter()
                .filter(|owner| !all.contains_key(*owner))
                .for_each(|owner| {
                    self.change(owner, Vec::clear);
                });
        }
        for (owner, found) in all {
            self.change(&owner, |marks| {
                found.iter().for_each(|mark| add(marks, mark.clone()))
            });
        }
        Ok(())
    }

    /// Changes the taints of `owner` in memory, and notifies the clients of the gateways concerned.
    fn change(&self, owner: &str, change: impl Fn(&mut Vec<Mark>)) {
        // A concurrent read of the store that began before must not undo the change.
        self.changes.fetch_add(1, Ordering::AcqRel);
        let mut notified = Vec::new();
        self.marks.rcu(|marks| {
            let before = marks.get(owner).cloned().unwrap_or_default();
            let mut after = before.clone();
            change(&mut after);
            notified = differing(&before, &after);
            let mut marks = HashMap::clone(marks);
            match after.is_empty() {
                true => drop(marks.remove(owner)),
                false => drop(marks.insert(owner.into(), after)),
            }
            marks
        });
        self.notify(&notified);
    }

    /// Removes the taints that have ended. The store removes their documents by itself.
    fn expire(&self) {
        let now = SystemTime::now();
        let marks = self.marks.load_full();
        let ended = marks
            .iter()
            .filter(|(_, marks)| marks.iter().any(|mark| mark.expires <= now));
        for (owner, _) in ended {
            self.change(owner, |marks| marks.retain(|mark| mark.expires > now));
        }
    }

    /// Returns the time until the next taint ends, at most a minute.
    fn next_expiry(&self) -> Duration {
        let marks = self.marks.load();
        let next = marks.values().flatten().map(|mark| mark.expires).min();
        let left = next.map(|next| next.duration_since(SystemTime::now()).unwrap_or_default());
        left.unwrap_or(MAX_SLEEP).clamp(MIN_SLEEP, MAX_SLEEP)
    }

    /// Notifies the clients of `gateways` that their lists have changed.
    fn notify(&self, gateways: &[Arc<str>]) {
        let notifiers = self.notifiers();
        for notifier in gateways.iter().filter_map(|gateway| notifiers.get(gateway)) {
            notifier.send_replace(());
        }
    }

    /// Returns the signals of gateways. A panic elsewhere leaves them as they were.
    fn notifiers(&self) -> MutexGuard<'_, HashMap<Arc<str>, watch::Sender<()>>> {
        self.notifiers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl TaintRecorder for Taints {
    /// Writes the document of the taint, and then the taint in memory.
    ///
    /// A caller with too many contexts is untrusted as a whole.
    async fn record(&self, taint: Taint<'_>) -> Result<(), BoxError> {
        let mut key = CallerKey::of(taint.caller);
        let known = self.marks.load().get(&*key.owner).map_or(0, Vec::len);
        if known >= MAX_CONTEXTS {
            key.context = EVERYTHING.into();
        }
        let duration = match taint.caller.client().session() {
            Some(_) => self.session,
            None => Duration::from_millis(self.duration.load(Ordering::Relaxed)),
        };
        let now = SystemTime::now();
        let expires = whole_second(now + duration);
        let document = document(&key, taint, (now, expires));
        let id = document.id.clone();
        let batch = self
            .documents
            .put(Batch::new(), &id, &document, Some(expires))?;
        let written = timeout(READ_TIMEOUT, self.documents.store().commit(batch)).await?;
        // There is no condition that could fail.
        let _ = written?;
        if let Some((owner, mark)) = mark(&id, &document) {
            self.change(&owner, |marks| add(marks, mark.clone()));
        }
        Ok(())
    }

    /// Returns `true` if a taint of the caller is known, without a read of the store.
    fn is_untrusted(&self, caller: &Caller) -> bool {
        self.is_tainted(caller)
    }
}

impl fmt::Debug for Taints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Taints").finish_non_exhaustive()
    }
}

/// Default duration of the taint of a caller without a session.
const DEFAULT_DURATION: Duration = Duration::from_secs(30 * 60);

/// Maximum number of contexts of an owner that are distinguished.
const MAX_CONTEXTS: usize = 64;

/// Maximum time to read or write taints before a call fails.
const READ_TIMEOUT: Duration = Duration::from_secs(5);

/// Pause before taints that could not be read are read again.
const RETRY: Duration = Duration::from_secs(1);

/// Shortest time between two checks for taints that have ended.
const MIN_SLEEP: Duration = Duration::from_millis(200);

/// Longest time between two checks for taints that have ended.
const MAX_SLEEP: Duration = Duration::from_secs(60);

/// Number of documents that are read at once.
const PAGE: usize = 500;

#[cfg(test)]
mod tests;
