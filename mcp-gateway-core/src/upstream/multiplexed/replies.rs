//! Messages of one call over a channel.

use std::sync::Arc;

use futures_util::stream;
use tokio::sync::mpsc;

use super::Shared;
use crate::error::UpstreamError;
use crate::jsonrpc::Id;
use crate::reply::{ReplyEvent, ReplyStream};
use crate::upstream::cancel_policy::CancelPolicy;

/// Receiver of the messages of one call.
///
/// If it is dropped before the response, the call is removed, and the server notified of the
/// cancellation where the policy wants that.
pub(super) struct ReplyReceiver {
    /// Number of the call on its connection.
    pub(super) number: i64,
    /// Identifier that the server received.
    pub(super) seen: Id,
    /// Queue of at most [`MESSAGES`] messages.
    pub(super) receiver: mpsc::Receiver<Result<ReplyEvent, UpstreamError>>,
    /// Connection of the call.
    pub(super) shared: Arc<Shared>,
    /// Policy for the notification of the server if the reply is dropped; `None` for requests of
    /// the gateway.
    pub(super) cancel: Option<CancelPolicy>,
}

impl ReplyReceiver {
    /// Waits for the next message; `None` if the connection is closed.
    pub(super) async fn next(&mut self) -> Option<Result<ReplyEvent, UpstreamError>> {
        self.receiver.recv().await
    }

    /// Converts the messages from `first` on into a reply.
    pub(super) fn into_events(self, first: ReplyEvent) -> ReplyStream {
        ReplyStream::new(stream::unfold(
            (Some(first), self),
            |(first, mut replies)| async move {
                let item = match first {
                    Some(first) => Ok(first),
                    None => replies.next().await.unwrap_or(Err(UpstreamError::Closed)),
                };
                Some((item, (None, replies)))
            },
        ))
    }
}

impl Drop for ReplyReceiver {
    fn drop(&mut self) {
        let Some(cancel) = &self.cancel else {
            self.shared.pending().forget(self.number);
            return;
        };
        let waiting = self.shared.pending().remove(self.number);
        if waiting && let Some(cancelled) = cancel.notification(&self.seen) {
            // A server that does not even read has nothing to cancel.
            if self.shared.outgoing.try_send(cancelled.bytes()).is_ok() {
                self.shared.pending().cancelled(self.number);
            }
        }
    }
}

/// Maximum number of queued messages of a call. A call whose caller reads too slowly is abandoned.
pub(super) const MESSAGES: usize = 1024;
