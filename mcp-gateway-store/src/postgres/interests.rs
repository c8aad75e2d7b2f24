use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use tokio::sync::{Notify, watch};

/// What those who watch want to hear of.
#[derive(Debug, Default)]
pub(super) struct Interests(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    added: Notify,
    /// Interests with a lesser number are known to the listener.
    known: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    prefixes: BTreeMap<u64, Arc<str>>,
    next: u64,
}

/// What one of them wants to hear of, until it is dropped.
#[derive(Debug)]
pub(super) struct Interest {
    number: u64,
    known: watch::Receiver<u64>,
    shared: Weak<Shared>,
}

impl Interests {
    pub(super) fn add(&self, prefix: &str) -> Interest {
        let mut state = self.0.state();
        let number = state.next;
        state.next += 1;
        state.prefixes.insert(number, prefix.into());
        self.0.added.notify_one();
        Interest {
            number,
            known: self.0.known.subscribe(),
            shared: Arc::downgrade(&self.0),
        }
    }

    /// Waits until there are some that the listener does not know.
    pub(super) async fn added(&self) {
        self.0.added.notified().await;
    }

    /// The prefixes, and the number of the next interest: to be [known](Self::known) next.
    pub(super) fn prefixes(&self) -> (Vec<Arc<str>>, u64) {
        let state = self.0.state();
        (state.prefixes.values().cloned().collect(), state.next)
    }

    /// From now on, everything is told of that has a number less than `next`.
    pub(super) fn known(&self, next: u64) {
        self.0.known.send_replace(next);
    }

    /// Whether there is or was anybody whom something was told.
    pub(super) fn were_known(&self) -> bool {
        *self.0.known.borrow() > 0
    }
}

impl Interest {
    /// Waits until the listener tells of it. If there is no listener any more, that is at once.
    pub(super) async fn known(&self) {
        let mut known = self.known.clone();
        // It fails if the store is no more, and so will the stream end.
        let _ = known.wait_for(|next| self.number < *next).await;
    }
}

impl Drop for Interest {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.state().prefixes.remove(&self.number);
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
