//! The interface that all kinds of connections to a server share.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::broadcast;

use super::Facts;
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::jsonrpc::Notification;
use crate::reply::Event;
use crate::{Call, Reply};

/// An initialized connection to a server: the era and the protocol version have been negotiated.
#[async_trait]
pub(super) trait Conversation: fmt::Debug + Send + Sync + 'static {
    /// Returns the properties that the server declared at the start.
    fn facts(&self) -> &Facts;

    /// Sends a request and returns the reply as soon as its first message has arrived.
    async fn send(&self, call: &Call<Prepared>) -> Result<Reply, SendError>;

    /// Sends a notification.
    async fn notify(&self, notification: &Notification) -> Result<(), UpstreamError>;

    /// Subscribes to messages of the server outside of any request.
    fn events(&self) -> broadcast::Receiver<Arc<Event>>;

    /// Waits until messages outside of any request would reach the receivers of
    /// [`events`](Self::events).
    async fn attended(&self) {}

    /// Returns `true` if requests can be sent. A closed connection never reopens.
    fn is_open(&self) -> bool;

    /// Waits until the connection is closed.
    async fn ended(&self);

    /// Closes the connection gracefully.
    async fn close(&self);
}

/// Failure to obtain a reply.
#[derive(Debug)]
pub(super) enum SendError {
    /// The connection was closed before the server received the request, so that the request may be
    /// sent again on a new one. The error applies if the new one is closed as well.
    Ended(UpstreamError),
    /// Any other failure; the request must not be sent again.
    Failed(UpstreamError),
}

impl From<UpstreamError> for SendError {
    fn from(error: UpstreamError) -> Self {
        Self::Failed(error)
    }
}
