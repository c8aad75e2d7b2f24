//! Operation whose result any number of callers wait for.

use std::future::Future;
use std::sync::{Arc, Mutex};

use tokio::sync::watch;
use tokio::time::{Duration, Instant};

use super::lock;
use crate::credential::Credential;
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
    /// Credential of the caller that has started it.
    credential: Credential,
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
    /// Waits for the operation that is in progress; starts one with `credential` if none is, unless
    /// `ready` returns a result.
    ///
    /// `start` receives a function that returns `true` while callers wait for the result. If the server
    /// rejects an operation that was started with another credential, such as an older token, this one
    /// is tried.
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
        credential: &Credential,
        ready: impl Fn() -> Option<T>,
        start: impl Fn(IsAwaited<T>) -> F,
    ) -> Outcome<T>
    where
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let mut foreign = 0;
        loop {
            let (mut result, is_own) = {
                let mut current = lock(&self.0);
                if let Some(ready) = ready() {
                    return Ok(ready);
                }
                let running = match current.take() {
                    Some(running) if running.is_running() => running,
                    _ => self.start(credential, &start),
                };
                let running = current.insert(running);
                let is_own = running.credential.headers() == credential.headers();
                (running.result.clone(), is_own)
            };
            let outcome = match result.wait_for(Option::is_some).await {
                Ok(result) => result.clone().unwrap_or(Err(UpstreamError::Closed)),
                Err(_) => Err(UpstreamError::Closed),
            };
            match outcome {
                Err(UpstreamError::Unauthorized { .. }) if !is_own && foreign < MAX_FOREIGN => {
                    foreign += 1;
                }
                outcome => return outcome,
            }
        }
    }

    /// Returns the time since the start of the operation that is in progress.
    pub(super) fn age(&self) -> Option<Duration> {
        let current = lock(&self.0);
        let running = current.as_ref().filter(|running| running.is_running());
        running.map(|running| running.started.elapsed())
    }

    /// Starts an operation with `credential`, unless one is in progress. Its result is lost if no caller
    /// waits for it.
    pub(super) fn begin<F>(&self, credential: &Credential, start: impl FnOnce(IsAwaited<T>) -> F)
    where
        F: Future<Output = Outcome<T>> + Send + 'static,
    {
        let mut current = lock(&self.0);
        if !current.as_ref().is_some_and(InProgress::is_running) {
            *current = Some(self.start(credential, start));
        }
    }

    /// Spawns the task of an operation.
    fn start<F>(
        &self,
        credential: &Credential,
        start: impl FnOnce(IsAwaited<T>) -> F,
    ) -> InProgress<T>
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
            credential: credential.clone(),
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

/// Maximum number of operations with other credentials whose rejection a caller waits for.
const MAX_FOREIGN: u32 = 3;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, HeaderValue, StatusCode, header};

    use tokio::time;

    use super::*;
    use crate::credential::Challenge;

    #[tokio::test(start_paused = true)]
    async fn an_operation_continues_without_its_caller() {
        let attempt: Attempt<u8> = Attempt::default();
        let own = Credential::none();
        let slow = |value: u8| {
            move |awaited: IsAwaited<u8>| async move {
                time::sleep(Duration::from_secs(3)).await;
                Ok(value + u8::from(awaited.get()))
            }
        };
        let second = Duration::from_secs(1);
        assert!(
            time::timeout(second, attempt.join(&own, || None, slow(2)))
                .await
                .is_err()
        );
        // The second caller waits for the operation of the first one.
        let began = Instant::now();
        assert_eq!(attempt.join(&own, || None, slow(7)).await.unwrap(), 3);
        assert!(began.elapsed() < Duration::from_secs(3));
        // Nothing is kept.
        assert!(lock(&attempt.0).is_none());
        assert_eq!(attempt.join(&own, || Some(9), slow(7)).await.unwrap(), 9);
    }

    #[tokio::test(start_paused = true)]
    async fn a_rejection_of_another_credential_is_not_shared() {
        let attempt: Attempt<u8> = Attempt::default();
        let starts = std::sync::atomic::AtomicUsize::new(0);
        let join = async |token: &'static str| {
            let value = HeaderValue::from_static(token);
            let credential = Credential::new("alice").with_header(header::AUTHORIZATION, value);
            let connect = |_| {
                starts.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                async move {
                    time::sleep(Duration::from_secs(1)).await;
                    let challenge = Challenge::new(StatusCode::UNAUTHORIZED, &HeaderMap::new());
                    match token {
                        "new" => Ok(1),
                        _ => Err(UpstreamError::Unauthorized { challenge }),
                    }
                }
            };
            attempt.join(&credential, || None, connect).await
        };
        let joined = tokio::join!(join("old"), join("old"), join("new"), join("new"));
        assert!(joined.0.is_err() && joined.1.is_err(), "{joined:?}");
        assert_eq!((joined.2.unwrap(), joined.3.unwrap()), (1, 1));
        assert_eq!(starts.load(std::sync::atomic::Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn an_aborted_operation_is_an_error() {
        let attempt: Arc<Attempt<u8>> = Arc::default();
        let never = |_| std::future::pending();
        let own = Credential::none();
        let (joined, ()) = tokio::join!(attempt.join(&own, || None, never), async {
            time::sleep(Duration::from_secs(1)).await;
            attempt.abort().await;
        });
        assert!(matches!(joined, Err(UpstreamError::Closed)));
    }
}
