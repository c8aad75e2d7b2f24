//! Number of times that a call has been sent.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use super::Call;

/// Counter of the attempts of a call, which a layer that sends it again increments.
///
/// Clones share the counter. It exists only for a call that is observed: others are not counted.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::call::Attempts;
///
/// let attempts = Attempts::counted();
/// attempts.clone().record_retry();
/// assert_eq!(attempts.retries(), 1);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Attempts(Option<Arc<AtomicU32>>);

impl Attempts {
    /// Creates the counter of an observed call.
    #[must_use]
    pub fn counted() -> Self {
        Self(Some(Arc::default()))
    }

    /// Records that the call is sent again.
    pub fn record_retry(&self) {
        if let Some(retries) = &self.0 {
            retries.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the number of times that the call was sent again.
    #[must_use]
    pub fn retries(&self) -> u32 {
        self.0
            .as_ref()
            .map_or(0, |retries| retries.load(Ordering::Relaxed))
    }
}

impl<S> Call<S> {
    /// Returns the same call once more, with the context that it has at present.
    ///
    /// For a layer that sends a call again: whoever does so vouches that this does no harm.
    #[must_use]
    pub fn share(&self) -> Self
    where
        S: Clone,
    {
        Self {
            context: Arc::clone(&self.context),
            stage: self.stage.clone(),
        }
    }
}
