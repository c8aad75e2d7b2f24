//! Messages of servers that cannot be parsed.

use crate::jsonrpc::{Id, MessageError};

/// Logs a message that was rejected with `error`; `answered` is the identifier of the request to which
/// it responds.
pub(super) fn log_malformed(error: &MessageError, answered: Option<&Id>) {
    match answered {
        Some(id) => tracing::warn!(%error, ?id, "malformed message from upstream"),
        None => tracing::warn!(%error, "malformed message from upstream: no identifier found"),
    }
}
