//! The prefixes of the current watchers, by which the listener filters changes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Notify, watch};

/// The prefixes of all watchers.
#[derive(Debug, Default)]
pub(super) struct WatchedPrefixes(Arc<Shared>);

/// The state that is shared with the interests.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    added: Notify,
    /// Interests with a smaller number are active in the listener.
    known: watch::Sender<u64>,
}

/// The registered prefixes.
#[derive(Debug, Default)]
struct State {
    prefixes: BTreeMap<u64, Arc<str>>,
    next: u64,
}

/// The prefix of one watcher, until it is dropped.
#[derive(Debug)]
pub(super) struct WatchedPrefix {
    number: u64,
    known: watch::Receiver<u64>,
    shared: Weak<Shared>,
}

impl WatchedPrefixes {
    /// Registers a prefix.
    pub(super) fn add(&self, prefix: &str) -> WatchedPrefix {
        let mut state = self.0.state();
        let number = state.next;
        state.next += 1;
        state.prefixes.insert(number, prefix.into());
        self.0.added.notify_one();
        WatchedPrefix {
            number,
            known: self.0.known.subscribe(),
            shared: Arc::downgrade(&self.0),
        }
    }

    /// Waits for new interests.
    pub(super) async fn wait_for_new(&self) {
        self.0.added.notified().await;
    }

    /// Returns the prefixes, and the number of the next interest, to be passed to
    /// [`mark_active`](Self::mark_active).
    pub(super) fn prefixes(&self) -> (Vec<Arc<str>>, u64) {
        let state = self.0.state();
        (state.prefixes.values().cloned().collect(), state.next)
    }

    /// Activates all interests with a number less than `next`.
    pub(super) fn mark_active(&self, next: u64) {
        self.0.known.send_replace(next);
    }

    /// Returns `true` if any interest has ever been active.
    pub(super) fn were_known(&self) -> bool {
        *self.0.known.borrow() > 0
    }
}

impl WatchedPrefix {
    /// Waits until the interest is active. Without a listener, it returns at once.
    pub(super) async fn active(&self) {
        let mut known = self.known.clone();
        // Waiting fails if the store has been dropped, which also ends the stream.
        let _ = known.wait_for(|next| self.number < *next).await;
    }
}

impl Drop for WatchedPrefix {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.state().prefixes.remove(&self.number);
        }
    }
}

impl Shared {
    /// Locks the state. A panic in another thread cannot leave it inconsistent.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
