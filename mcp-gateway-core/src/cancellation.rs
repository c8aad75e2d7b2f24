//! Cancellation of requests by their client.
//!
//! See [MCP 2025-11-25,
//! cancellation](https://modelcontextprotocol.io/specification/2025-11-25/basic/utilities/cancellation).

use std::sync::{Arc, OnceLock};

use crate::signal::Signal;

/// Signal by which a client cancels a request explicitly.
///
/// In the modern era a client cancels a request by closing its connection. In the legacy era a
/// closed connection has no meaning, because the client may resume the stream; the client sends
/// `notifications/cancelled` instead.
///
/// Clones share the signal. It cannot be reset.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::Cancellation;
///
/// let cancellation = Cancellation::new();
/// let seen_by_server = cancellation.clone();
/// cancellation.cancel();
/// assert!(seen_by_server.is_cancelled());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Cancellation(Arc<Inner>);

/// State that clones share.
#[derive(Debug, Default)]
struct Inner {
    /// Set by the cancellation.
    signal: Signal,
    /// Reason that the client gave.
    reason: OnceLock<Box<str>>,
}

impl Cancellation {
    /// Creates the signal of a request that has not been cancelled.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Cancels the request; further calls have no effect.
    pub fn cancel(&self) {
        self.0.signal.set();
    }

    /// Cancels the request for `reason`, a JSON text that servers receive.
    pub(crate) fn cancel_for(&self, reason: Option<&str>) {
        if let Some(reason) = reason {
            // The first reason is the one that counts.
            let _ = self.0.reason.set(reason.into());
        }
        self.cancel();
    }

    /// Returns the JSON text of the reason, if the client gave one.
    pub(crate) fn reason(&self) -> Option<&str> {
        self.0.reason.get().map(|reason| &**reason)
    }

    /// Returns `true` if the request has been cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.0.signal.is_set()
    }

    /// Waits until the request is cancelled.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn cancelled(&self) {
        self.0.signal.wait().await;
    }
}
