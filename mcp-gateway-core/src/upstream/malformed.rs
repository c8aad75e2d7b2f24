//! Messages of servers that cannot be parsed.

use crate::jsonrpc::{Id, MessageError, response_id};

/// Logs a message that was rejected with `error`; returns the identifier of the request that it
/// responds to.
pub(super) fn answered_by_malformed(text: &[u8], error: &MessageError) -> Option<Id> {
    let id = response_id(text);
    match &id {
        Some(id) => tracing::warn!(%error, ?id, "malformed message from upstream"),
        None => tracing::warn!(%error, "malformed message from upstream: no identifier found"),
    }
    id
}
