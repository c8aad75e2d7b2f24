//! One-shot event with any number of waiters; below [`Drain`](crate::Drain) and
//! [`Cancellation`](crate::Cancellation).

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// An event that occurs once and can be awaited.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    /// `true` after the event.
    set: AtomicBool,
    /// Wakes the waiters.
    notify: Notify,
}

impl Signal {
    /// Creates an event that has not occurred.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Triggers the event; returns `true` if it had not occurred before.
    pub(crate) fn set(&self) -> bool {
        let first = !self.set.swap(true, Ordering::AcqRel);
        self.notify.notify_waiters();
        first
    }

    /// Returns `true` if the event has occurred.
    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    /// Waits for the event. Cancel safe.
    pub(crate) async fn wait(&self) {
        let mut notified = std::pin::pin!(self.notify.notified());
        // Registers before the flag is read, so that no event is missed.
        notified.as_mut().enable();
        if !self.is_set() {
            notified.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn those_who_wait_hear_of_it() {
        let signal = Signal::new();
        let ((), first) = tokio::join!(signal.wait(), async { signal.set() });
        assert!(first && !signal.set() && signal.is_set());
        signal.wait().await;
    }
}
