//! Admission of a call by the circuit breaker of its server.

use std::sync::Arc;

use crate::limit::Breaker;
use crate::reply::{CallOutcome, Completion};

/// Returns the evidence that the end of a reply gives about the server: `true` for healthy, `false`
/// for failing, `None` for neither.
///
/// An error that the server reports is a sign of health.
pub(super) fn breaker_result(ending: &Completion) -> Option<bool> {
    match ending.outcome {
        CallOutcome::Cancelled => None,
        CallOutcome::Failed => Some(false),
        CallOutcome::Error { .. } | CallOutcome::Success | CallOutcome::ToolError => Some(true),
    }
}

/// Admission of a call by the circuit breaker.
///
/// Its end is recorded exactly once, at the latest when it is dropped. Otherwise a half-open
/// breaker would wait forever for the result of its trial call.
pub(super) struct BreakerPermit(Option<Arc<Breaker>>);

impl BreakerPermit {
    /// Creates the admission of a call that `breaker` has admitted.
    pub(super) fn new(breaker: Arc<Breaker>) -> Self {
        Self(Some(breaker))
    }

    /// Records the end of the call, with the evidence that it gives.
    pub(super) fn record(mut self, well: Option<bool>) {
        if let Some(breaker) = self.0.take() {
            breaker.record(well);
        }
    }
}

impl Drop for BreakerPermit {
    fn drop(&mut self) {
        if let Some(breaker) = self.0.take() {
            breaker.record(None);
        }
    }
}
