//! Calls as they end, for those who watch.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::stream::{self, Stream};
use mcp_gateway_audit::AuditRecord;
use mcp_gateway_core::observe::{CallReport, Observer};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

/// Observer that passes each completed call to those who watch. Cheap to clone.
///
/// A call costs one relaxed load of a counter while nobody does. Who reads too slowly misses calls,
/// and learns how many.
///
/// # Example
///
/// ```
/// use mcp_gateway_admin::CallFeed;
///
/// let feed = CallFeed::new();
/// assert!(!feed.is_watched());
/// ```
#[derive(Clone, Debug)]
pub struct CallFeed(Arc<Feed>);

#[derive(Debug)]
struct Feed {
    sender: Sender<Arc<AuditRecord>>,
    watchers: AtomicUsize,
}

/// Event of a feed.
#[derive(Clone, Debug)]
pub(crate) enum CallEvent {
    /// A call has ended. Arguments and results are not part of it.
    Ended(Arc<AuditRecord>),
    /// This number of calls was missed.
    Missed(u64),
}

/// Watcher, who is counted until it is dropped.
struct Watcher {
    feed: Arc<Feed>,
    receiver: Receiver<Arc<AuditRecord>>,
}

impl CallFeed {
    /// Creates a feed that nobody watches.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Feed {
            sender: Sender::new(CAPACITY),
            watchers: AtomicUsize::new(0),
        }))
    }

    /// Returns `true` while somebody watches.
    #[must_use]
    pub fn is_watched(&self) -> bool {
        self.0.watchers.load(Ordering::Relaxed) > 0
    }

    /// Returns the calls that end from now on.
    pub(crate) fn watch(&self) -> impl Stream<Item = CallEvent> + Send + use<> {
        self.0.watchers.fetch_add(1, Ordering::Relaxed);
        let watcher = Watcher {
            feed: Arc::clone(&self.0),
            receiver: self.0.sender.subscribe(),
        };
        stream::unfold(watcher, |mut watcher| async move {
            let event = match watcher.receiver.recv().await {
                Ok(record) => CallEvent::Ended(record),
                Err(RecvError::Lagged(missed)) => CallEvent::Missed(missed),
                Err(RecvError::Closed) => return None,
            };
            Some((event, watcher))
        })
    }
}

impl Default for CallFeed {
    fn default() -> Self {
        Self::new()
    }
}

impl Observer for CallFeed {
    fn on_call_end(&self, call: &CallReport<'_>) {
        if self.is_watched() {
            // Nobody receives it if the last watcher goes at the same time.
            let _ = self.0.sender.send(Arc::new(AuditRecord::of_call(call)));
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.feed.watchers.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Number of calls that a watcher may lag behind.
const CAPACITY: usize = 1024;
