//! Futures that are dropped before they are ready.

use futures_util::future::poll_immediate;

/// Polls `future` once and drops it, as the gateway does when a client disconnects.
pub(crate) async fn poll_once<T>(future: impl Future<Output = T>) {
    drop(poll_immediate(future).await);
}
