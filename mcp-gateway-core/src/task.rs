use std::future::Future;

use tokio::task::JoinHandle;

/// Background work that ends with its owner.
#[derive(Debug)]
pub(crate) struct Task(JoinHandle<()>);

impl Task {
    /// Starts `work` on the current runtime.
    #[expect(
        clippy::disallowed_methods,
        reason = "the handle that is returned owns the work"
    )]
    pub(crate) fn spawn(work: impl Future<Output = ()> + Send + 'static) -> Self {
        Self(tokio::spawn(work))
    }

    /// Starts `work` that ends by itself soon, and that should not be cut off.
    #[expect(
        clippy::disallowed_methods,
        reason = "for work that is bounded in time"
    )]
    pub(crate) fn detach(work: impl Future<Output = ()> + Send + 'static) {
        drop(tokio::spawn(work));
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.0.abort();
    }
}
