//! Signals of changed approvals, for calls that wait for one.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::watch;

/// Senders of the changes of approvals that somebody waits for. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Signals(Arc<Mutex<HashMap<Arc<str>, watch::Sender<()>>>>);

/// Receiver of the changes of one approval. The sender is removed with the last one.
struct Waiter {
    id: Arc<str>,
    // An option, so that it can be dropped before the others are counted.
    changes: Option<watch::Receiver<()>>,
    signals: Signals,
}

impl Signals {
    /// Returns the changes of the approval `id`, by any replica, from now on.
    pub(crate) fn of(&self, id: &str) -> BoxStream<'static, ()> {
        let id: Arc<str> = id.into();
        let mut senders = self.senders();
        let sender = senders.entry(Arc::clone(&id)).or_default();
        let waiter = Waiter {
            changes: Some(sender.subscribe()),
            id,
            signals: self.clone(),
        };
        drop(senders);
        let changes = stream::unfold(waiter, |mut waiter| async {
            waiter.changes.as_mut()?.changed().await.ok()?;
            Some(((), waiter))
        });
        changes.boxed()
    }

    /// Reports that the approval `id` has changed.
    pub(crate) fn report(&self, id: &str) {
        if let Some(sender) = self.senders().get(id) {
            sender.send_replace(());
        }
    }

    /// Reports that any approval may have changed.
    pub(crate) fn report_all(&self) {
        for sender in self.senders().values() {
            sender.send_replace(());
        }
    }

    /// Locks the senders. A panic in another thread cannot leave them inconsistent.
    fn senders(&self) -> MutexGuard<'_, HashMap<Arc<str>, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut senders = self.signals.senders();
        self.changes = None;
        let is_unused = |sender: &watch::Sender<()>| sender.receiver_count() == 0;
        if senders.get(&self.id).is_some_and(is_unused) {
            senders.remove(&self.id);
        }
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signals")
            .field(&self.senders().len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_waiter_is_notified_of_its_own_approval() {
        let signals = Signals::default();
        let (mut first, mut second) = (signals.of("a"), signals.of("a"));
        let mut other = signals.of("b");
        signals.report("a");
        assert_eq!(first.next().await, Some(()));
        assert_eq!(second.next().await, Some(()));
        assert_eq!(other.next().now_or_never(), None);
        signals.report_all();
        assert_eq!(other.next().await, Some(()));
        drop(first);
        assert_eq!(signals.senders().len(), 2);
        drop((second, other));
        assert!(signals.senders().is_empty());
        signals.report("a");
    }
}
