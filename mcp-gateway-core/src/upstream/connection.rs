//! Interface that all kinds of connections to a server share.
//!
//! | implementation | transport and era |
//! |---|---|
//! | [`ModernHttpConnection`](super::modern_http::ModernHttpConnection) | Streamable HTTP, modern |
//! | [`LegacyHttpConnection`](super::legacy_http::LegacyHttpConnection) | Streamable HTTP, legacy |
//! | [`MultiplexedConnection`](super::multiplexed::MultiplexedConnection) | stdio in both eras, HTTP+SSE |
//! | [`EmbeddedConnection`](super::embedded::EmbeddedConnection) | none: the server is code of this process |

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use http::Uri;
use tokio::sync::broadcast;

use super::DiscoverResult;
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::jsonrpc::Notification;
use crate::reply::ReplyEvent;
use crate::trace::SessionTimer;
use crate::transport::ProgramOutput;
use crate::{Call, Reply};

/// A connection to a server, after the handshake: the protocol version has been negotiated.
///
/// Requests may be sent concurrently, also on behalf of different callers.
#[async_trait]
pub(super) trait UpstreamConnection: fmt::Debug + Send + Sync + 'static {
    /// Returns the self-description that the server sent during the handshake.
    fn server_info(&self) -> &DiscoverResult;

    /// Sends a request and returns the reply as soon as its first message has arrived.
    ///
    /// `call` is encoded for the protocol version of the connection, but not translated: that is
    /// the task of the view.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future or the reply abandons the request, and notifies the server where the
    /// transport has a message for that.
    async fn send(&self, call: &Call<Prepared>) -> Result<Reply, SendError>;

    /// Sends `notification`, which `call` carries. Returning does not mean that the server has
    /// received it.
    async fn notify(
        &self,
        call: &Call<Prepared>,
        notification: &Notification,
    ) -> Result<(), UpstreamError>;

    /// Subscribes to messages of the server outside of any request.
    ///
    /// The first subscriber also receives those that arrived shortly before; see
    /// [`ready`](Self::ready).
    fn subscribe(&self) -> broadcast::Receiver<Arc<ReplyEvent>>;

    /// Waits until messages outside of any request would reach the receivers of
    /// [`subscribe`](Self::subscribe), at most for a few seconds.
    async fn ready(&self) {}

    /// Returns `true` if requests can be sent. A closed connection never reopens.
    fn is_open(&self) -> bool;

    /// Waits until the connection is closed, by either side.
    async fn closed(&self);

    /// Returns the output of the program behind the connection, if the gateway has started one.
    fn program(&self) -> Option<&Arc<ProgramOutput>> {
        None
    }

    /// Returns the URL of the server; `None` for a channel that is not HTTP.
    fn peer(&self) -> Option<&Uri> {
        None
    }

    /// Keeps what reports the end of the session, as long as there is one.
    fn set_timer(&self, timer: SessionTimer) {
        drop(timer);
    }

    /// Closes the connection gracefully: sessions are deleted, and processes get the time to exit.
    async fn close(&self);
}

/// Failure to obtain a reply, by its consequence for a retry.
#[derive(Debug)]
pub(super) enum SendError {
    /// The connection was closed before the server received the request, so that the request may be
    /// sent again on a new one. The error applies if the new one is closed as well.
    Closed(UpstreamError),
    /// Any other failure; the request must not be sent again.
    Failed(UpstreamError),
}

impl From<UpstreamError> for SendError {
    fn from(error: UpstreamError) -> Self {
        Self::Failed(error)
    }
}
