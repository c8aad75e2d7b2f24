//! Concurrency limit of a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time;

use crate::error::UpstreamError;

/// Limiter of the concurrent calls of a server, with a bounded queue.
#[derive(Debug)]
pub(crate) struct Concurrency {
    /// Permits of running calls.
    running: Arc<Semaphore>,
    /// Number of queued calls.
    waiting: AtomicUsize,
    /// Maximum number of queued calls.
    max_waiting: usize,
    /// Maximum time in the queue.
    patience: Duration,
}

impl Concurrency {
    /// Creates a limiter without running calls.
    pub(super) fn new(concurrent: usize, max_waiting: usize, patience: Duration) -> Self {
        Self {
            running: Arc::new(Semaphore::new(concurrent.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            max_waiting,
            patience,
        }
    }

    /// Waits for a permit, which must be held for the duration of the call.
    ///
    /// Fails with [`UpstreamError::Overloaded`] if the queue is full or the wait exceeds the
    /// timeout of the server. Cancel safe: a dropped call leaves the queue.
    pub(crate) async fn acquire(&self) -> Result<OwnedSemaphorePermit, UpstreamError> {
        if let Ok(permit) = Arc::clone(&self.running).try_acquire_owned() {
            return Ok(permit);
        }
        let overloaded = UpstreamError::Overloaded {
            retry_after: RETRY_AFTER,
        };
        let Some(_waiting) = QueueSlot::new(self) else {
            return Err(overloaded);
        };
        let permit = Arc::clone(&self.running).acquire_owned();
        match Box::pin(time::timeout(self.patience, permit)).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(overloaded),
        }
    }
}

/// A position in the queue; dropping it leaves the queue.
struct QueueSlot<'a>(&'a Concurrency);

impl<'a> QueueSlot<'a> {
    /// Enters the queue, unless it is full.
    fn new(concurrency: &'a Concurrency) -> Option<Self> {
        let before = concurrency.waiting.fetch_add(1, Ordering::AcqRel);
        let place = Self(concurrency);
        (before < concurrency.max_waiting).then_some(place)
    }
}

impl Drop for QueueSlot<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Delay after which a rejected client should retry. Most calls take less than a second.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_waits_and_then_is_refused() {
        let concurrency = Arc::new(Concurrency::new(1, 1, Duration::from_secs(10)));
        let first = concurrency.acquire().await.unwrap();
        let waiting = {
            let concurrency = Arc::clone(&concurrency);
            async move { concurrency.acquire().await }
        };
        let (second, third) = tokio::join!(waiting, async {
            tokio::task::yield_now().await;
            let third = concurrency.acquire().await;
            drop(first);
            third
        });
        assert!(matches!(third, Err(UpstreamError::Overloaded { .. })));
        let _second = second.unwrap();
        let late = concurrency.acquire().await;
        assert!(matches!(late, Err(UpstreamError::Overloaded { .. })));
        assert_eq!(concurrency.waiting.load(Ordering::Acquire), 0);
    }
}
