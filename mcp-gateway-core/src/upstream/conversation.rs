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

/// An exchange of messages with a running server, after the two have agreed on a revision.
#[async_trait]
pub(super) trait Conversation: fmt::Debug + Send + Sync + 'static {
    /// What the server said about itself.
    fn facts(&self) -> &Facts;

    /// Sends a request, and returns the reply when its beginning is known.
    async fn send(&self, call: &Call<Prepared>) -> Result<Reply, SendError>;

    /// Sends a message that wants no answer.
    async fn notify(&self, notification: &Notification) -> Result<(), UpstreamError>;

    /// What the server sends that belongs to no call.
    fn events(&self) -> broadcast::Receiver<Arc<Event>>;

    /// Waits until what belongs to no call would be heard by those who asked for
    /// [`events`](Self::events).
    async fn attended(&self) {}

    /// Whether requests can be sent. What is not open any more does not become so again.
    fn is_open(&self) -> bool;

    /// Waits until no requests can be sent any more.
    async fn ended(&self);

    /// Ends it in an orderly way.
    async fn close(&self);
}

/// Why a request was not answered.
#[derive(Debug)]
pub(super) enum SendError {
    /// The conversation had ended before the server saw the request: another one can be begun, and
    /// the request sent again. What the caller is told if that ends too is in here.
    Ended(UpstreamError),
    /// Anything else.
    Failed(UpstreamError),
}

impl From<UpstreamError> for SendError {
    fn from(error: UpstreamError) -> Self {
        Self::Failed(error)
    }
}
