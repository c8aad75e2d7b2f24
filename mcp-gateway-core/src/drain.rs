//! Graceful shutdown of a gateway.

use std::sync::Arc;

use crate::signal::Signal;

/// Signal of a graceful shutdown, on which long-lived streams end in an orderly way.
///
/// Clones share the signal. It cannot be reset.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::Drain;
///
/// let drain = Drain::new();
/// let clone = drain.clone();
/// assert!(!clone.is_draining());
/// drain.start();
/// assert!(clone.is_draining());
/// ```
#[derive(Clone, Debug, Default)]
#[doc(alias("graceful shutdown"))]
pub struct Drain(Arc<Signal>);

impl Drain {
    /// Creates the signal of a running gateway.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins the shutdown; further calls have no effect.
    pub fn start(&self) {
        self.0.set();
    }

    /// Returns `true` if the shutdown has begun.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.0.is_set()
    }

    /// Waits until the shutdown begins.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn started(&self) {
        self.0.wait().await;
    }
}
