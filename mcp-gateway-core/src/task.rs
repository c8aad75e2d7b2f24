//! Background tasks with an owner.
//!
//! `tokio::spawn` is disallowed elsewhere, so that every task has an owner or a bounded duration.

use std::future::Future;

use tokio::task::JoinHandle;

/// A background task that is aborted when its owner is dropped.
#[derive(Debug)]
pub(crate) struct BackgroundTask(JoinHandle<()>);

impl BackgroundTask {
    /// Spawns `work` on the current runtime.
    #[expect(
        clippy::disallowed_methods,
        reason = "the returned handle owns the task"
    )]
    pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    /// Aborts the task, and waits until everything that it owns has been dropped.
    pub(crate) async fn stop(mut self) {
        self.0.abort();
        // The result of an aborted task is an error.
        let _ = (&mut self.0).await;
    }

    /// Spawns `work` without an owner; for work that ends soon by itself and must not be aborted.
    #[expect(clippy::disallowed_methods, reason = "the work is bounded in time")]
    pub(crate) fn detach(work: impl Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(work));
    }
}

impl Drop for BackgroundTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}
