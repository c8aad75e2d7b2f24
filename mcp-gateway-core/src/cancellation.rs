use std::sync::Arc;

use crate::signal::Signal;

/// How a client says that it does not want the answer to a request any more.
///
/// In the modern era a client just goes away. In the legacy era going away means nothing, because
/// the client may come back for the answer; there it sends `notifications/cancelled`.
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<Signal>);

impl Cancellation {
    /// A request that its client wants to be answered.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says that the answer is not wanted any more.
    pub fn cancel(&self) {
        self.0.set();
    }

    /// Whether the answer is not wanted any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.is_set()
    }

    /// Waits until the answer is not wanted any more.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn cancelled(&self) {
        self.0.wait().await;
    }
}
