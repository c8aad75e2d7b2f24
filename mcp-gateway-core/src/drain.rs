use std::sync::Arc;

use crate::signal::Signal;

/// Says when a gateway shuts down, so that streams that would last end in an orderly way.
#[derive(Clone, Debug, Default)]
pub struct Drain(Arc<Signal>);

impl Drain {
    /// A gateway that goes on.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins to shut down.
    pub fn begin(&self) {
        self.0.set();
    }

    /// Whether the gateway shuts down.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.0.is_set()
    }

    /// Waits until the gateway shuts down.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost when the future is dropped.
    pub async fn begun(&self) {
        self.0.wait().await;
    }
}
