use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time;

use crate::error::UpstreamError;

/// How many calls a server gets at once.
#[derive(Debug)]
pub(crate) struct Concurrency {
    running: Arc<Semaphore>,
    waiting: AtomicUsize,
    max_waiting: usize,
    patience: Duration,
}

impl Concurrency {
    pub(super) fn new(concurrent: usize, max_waiting: usize, patience: Duration) -> Self {
        Self {
            running: Arc::new(Semaphore::new(concurrent.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            max_waiting,
            patience,
        }
    }

    /// Waits for a turn, which lasts until the permit is dropped.
    pub(crate) async fn admit(&self) -> Result<OwnedSemaphorePermit, UpstreamError> {
        if let Ok(permit) = Arc::clone(&self.running).try_acquire_owned() {
            return Ok(permit);
        }
        let overloaded = UpstreamError::Overloaded {
            retry_after: RETRY_AFTER,
        };
        let Some(_waiting) = Waiting::enter(self) else {
            return Err(overloaded);
        };
        match time::timeout(self.patience, Arc::clone(&self.running).acquire_owned()).await {
            Ok(Ok(permit)) => Ok(permit),
            Ok(Err(_)) | Err(_) => Err(overloaded),
        }
    }
}

/// A place in the queue.
struct Waiting<'a>(&'a Concurrency);

impl<'a> Waiting<'a> {
    fn enter(concurrency: &'a Concurrency) -> Option<Self> {
        let before = concurrency.waiting.fetch_add(1, Ordering::AcqRel);
        let place = Self(concurrency);
        (before < concurrency.max_waiting).then_some(place)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Most calls take less than a second, so there is room again by then.
const RETRY_AFTER: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_does_not_fit_waits_and_then_is_refused() {
        let concurrency = Arc::new(Concurrency::new(1, 1, Duration::from_secs(10)));
        let first = concurrency.admit().await.unwrap();
        let waiting = {
            let concurrency = Arc::clone(&concurrency);
            async move { concurrency.admit().await }
        };
        let (second, third) = tokio::join!(waiting, async {
            tokio::task::yield_now().await;
            let third = concurrency.admit().await;
            drop(first);
            third
        });
        assert!(matches!(third, Err(UpstreamError::Overloaded { .. })));
        let _second = second.unwrap();
        let late = concurrency.admit().await;
        assert!(matches!(late, Err(UpstreamError::Overloaded { .. })));
        assert_eq!(concurrency.waiting.load(Ordering::Acquire), 0);
    }
}
