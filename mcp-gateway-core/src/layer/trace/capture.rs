//! Results of calls, for spans that contain them.

use std::sync::{Arc, Mutex, PoisonError};

use super::pending::{PendingSpan, shortened};
use crate::error::UpstreamError;
use crate::{BoxFuture, Error, Reply};

/// Result that has been read, for the span.
#[derive(Clone, Debug, Default)]
pub(super) struct CapturedResult(Arc<Mutex<Option<String>>>);

impl CapturedResult {
    /// Reads the result of `reply` of up to `limit` bytes while it passes.
    ///
    /// A document is read completely before, so that its first byte reaches the client later.
    pub(super) fn read(
        &self,
        reply: Reply,
        limit: usize,
    ) -> BoxFuture<'static, Result<Reply, UpstreamError>> {
        let slot = self.clone();
        Box::pin(reply.map_response(move |response| {
            if let Ok(result) = response.result() {
                let text = shortened(result, limit);
                *slot.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(text);
            }
            Ok(response)
        }))
    }

    /// Takes the result.
    fn take(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Ends the span of `pending` with `result`: at once with an error, and otherwise with the end of the
/// reply.
pub(super) fn finish(
    mut pending: PendingSpan,
    captured: Option<CapturedResult>,
    mut result: Result<Reply, Error>,
) -> Result<Reply, Error> {
    match &mut result {
        Ok(reply) => reply.on_complete(move |completion| {
            if let Some(text) = captured.and_then(|captured| captured.take()) {
                pending.set_result(text);
            }
            pending.complete(completion);
        }),
        Err(error) => pending.fail(error),
    }
    result
}

/// Returns the error for a reply that could not be read.
pub(super) fn unreadable(error: UpstreamError) -> Error {
    Error::Other(error.into())
}
