//! Operation whose result any number of callers wait for.

use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::time::{Duration, Instant};

use super::lock;
use crate::error::UpstreamError;
use crate::task::BackgroundTask;

/// An operation in a background task, which continues when its callers have gone.
///
/// At most one is in progress; concurrent callers share it. Dropping the value aborts it.
#[derive(Debug)]
pub(super) struct Attempt<T>(Arc<Mutex<Option<InProgress<T>>>>);

/// The operation that is in progress.
#[derive(Debug)]
struct InProgress<T> {
    /// Result, once the operation has completed.
    result: watch::Receiver<Option<Outcome<T>>>,
    /// Time of its start.
    started: Instant,
    /// Task of the operation.
    _task: BackgroundTask,
}

impl<T> InProgress<T> {
    /// Returns `true` unless the operation has ended without a result.
    fn is_running(&self) -> bool {
        self.result.has_changed().is_ok()
    }
}

/// Result of an operation.
type Outcome<T> = Result<T, UpstreamError>;

impl<T> Default for Attempt<T> {
    fn default() -> Self {
        Self(Arc::default())
    }
}

impl<T: Clone + Send + Sync + 'static> Attempt<T> {
    /// Waits for the operation that is in progress; starts one if none is, unless `ready` returns
    /// a result.
    ///
    /// `start` receives a function that returns `true` while callers wait for the result.
    ///
    /// # Errors
    ///
    /// Those of the operation, and [`UpstreamError::Closed`] if it was aborted.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the operation in progress.
    pub(super) async fn join<F>(
        &self,
        ready: impl FnOnce() -> Option<T>,
        start: impl FnOnce(IsAwaited<T>) -> F,
    ) -> Result<T, UpstreamError>
    where
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let mut result = {
            let mut current = lock(&self.0);
            if let Some(ready) = ready() {
                return Ok(ready);
            }
            match &*current {
                Some(running) if running.is_running() => running.result.clone(),
                _ => {
                    let running = self.start(start);
                    current.insert(running).result.clone()
                }
            }
        };
        match result.wait_for(Option::is_some).await {
            Ok(result) => result.clone().unwrap_or(Err(UpstreamError::Closed)),
            Err(_) => Err(UpstreamError::Closed),
        }
    }

    /// Returns the time since the start of the operation that is in progress.
    pub(super) fn age(&self) -> Option<Duration> {
        let current = lock(&self.0);
        let running = current.as_ref().filter(|running| running.is_running());
        running.map(|running| running.started.elapsed())
    }

    /// Starts an operation, unless one is in progress. Its result is lost if no caller waits for it.
    pub(super) fn begin<F>(&self, start: impl FnOnce(IsAwaited<T>) -> F)
    where
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let mut current = lock(&self.0);
        if !current.as_ref().is_some_and(InProgress::is_running) {
            *current = Some(self.start(start));
        }
    }

    /// Spawns the task of an operation.
    fn start<F>(&self, start: impl FnOnce(IsAwaited<T>) -> F) -> InProgress<T>
    where
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let (sender, result) = watch::channel(None);
        let sender = Arc::new(sender);
        let operation = start(IsAwaited(Arc::clone(&sender)));
        let current = Arc::downgrade(&self.0);
        let task = BackgroundTask::spawn(async move {
            let outcome = operation.await;
            let Some(current) = current.upgrade() else {
                return;
            };
            let mut current = lock(&current);
            sender.send_replace(Some(outcome));
            // The result must not outlive its waiters: it may be a connection.
            let finished = current.take();
            drop(current);
            drop(finished);
        });
        InProgress {
            result,
            started: Instant::now(),
            _task: task,
        }
    }

    /// Aborts the operation that is in progress, and waits for its end.
    pub(super) async fn abort(&self) {
        let running = lock(&self.0).take();
        if let Some(InProgress {
            mut result, _task, ..
        }) = running
        {
            drop(_task);
            let _ = result.wait_for(Option::is_some).await;
        }
    }
}

/// Handle by which an operation observes its waiters.
#[derive(Debug)]
pub(super) struct IsAwaited<T>(Arc<watch::Sender<Option<Outcome<T>>>>);

impl<T> IsAwaited<T> {
    /// Returns `true` while a caller waits for the result.
    pub(super) fn get(&self) -> bool {
        // One receiver belongs to the attempt itself.
        self.0.receiver_count() > 1
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_operation_continues_without_its_caller() {
        let attempt: Attempt<u8> = Attempt::default();
        let slow = |value: u8| {
            move |awaited: IsAwaited<u8>| async move {
                time::sleep(Duration::from_secs(3)).await;
                Ok(value + u8::from(awaited.get()))
            }
        };
        let second = Duration::from_secs(1);
        assert!(
            time::timeout(second, attempt.join(|| None, slow(2)))
                .await
                .is_err()
        );
        // The second caller waits for the operation of the first one.
        let began = Instant::now();
        assert_eq!(attempt.join(|| None, slow(7)).await.unwrap(), 3);
        assert!(began.elapsed() < Duration::from_secs(3));
        // Nothing is kept.
        assert!(lock(&attempt.0).is_none());
        assert_eq!(attempt.join(|| Some(9), slow(7)).await.unwrap(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn an_aborted_operation_is_an_error() {
        let attempt: Arc<Attempt<u8>> = Arc::default();
        let never = |_| std::future::pending();
        let (joined, ()) = tokio::join!(attempt.join(|| None, never), async {
            time::sleep(Duration::from_secs(1)).await;
            attempt.abort().await;
        });
        assert!(matches!(joined, Err(UpstreamError::Closed)));
    }
}
