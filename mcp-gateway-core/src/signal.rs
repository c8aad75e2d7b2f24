use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::Notify;

/// Something that happens once, and that can be waited for.
#[derive(Debug, Default)]
pub(crate) struct Signal {
    set: AtomicBool,
    notify: Notify,
}

impl Signal {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Makes it happen; whether it had not happened before.
    pub(crate) fn set(&self) -> bool {
        let first = !self.set.swap(true, Ordering::AcqRel);
        self.notify.notify_waiters();
        first
    }

    pub(crate) fn is_set(&self) -> bool {
        self.set.load(Ordering::Acquire)
    }

    /// Waits until it has happened.
    pub(crate) async fn wait(&self) {
        let mut notified = std::pin::pin!(self.notify.notified());
        // Registers for the notification before the flag is looked at, so that none is missed.
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
