//! Shared connection of a view.

use std::sync::Arc;

use super::View;
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::upstream::conversation::{Conversation, SendError};
use crate::{Call, Reply};

/// An open connection.
#[derive(Clone, Debug)]
pub(super) struct Conversing(Arc<dyn Conversation>);

impl View {
    /// Sends a call on the current connection, opening one if necessary; see
    /// [`converse_in`](Self::converse_in).
    pub(super) async fn converse(
        self: &Arc<Self>,
        call: &Call<Prepared>,
    ) -> Result<Reply, UpstreamError> {
        let conversation = self.conversation(call).await?;
        self.converse_in(conversation, call).await
    }

    /// Sends a call on `conversation`, or on a new connection if that is closed; once more on a new
    /// one if it closes before the server has received the call.
    ///
    /// Only [`SendError::Ended`] is retried: it guarantees that the server has not executed the
    /// request.
    pub(super) async fn converse_in(
        self: &Arc<Self>,
        conversation: Arc<dyn Conversation>,
        call: &Call<Prepared>,
    ) -> Result<Reply, UpstreamError> {
        let mut ended = UpstreamError::Closed;
        let mut present = Some(conversation).filter(|conversation| conversation.is_open());
        for _ in 0..2 {
            let conversation = match present.take() {
                Some(conversation) => conversation,
                None => self.conversation(call).await?,
            };
            match conversation.send(call).await {
                Ok(reply) => return Ok(reply),
                Err(SendError::Ended(error)) => ended = error,
                Err(SendError::Failed(error)) => return Err(error),
            }
        }
        Err(ended)
    }

    /// Returns the open connection, or opens one.
    ///
    /// The fast path is lock-free.
    pub(super) async fn conversation(
        &self,
        call: &Call<Prepared>,
    ) -> Result<Arc<dyn Conversation>, UpstreamError> {
        match self.present() {
            Some(conversation) => Ok(conversation),
            None => Box::pin(self.begin(call)).await,
        }
    }

    /// Opens a connection, unless another caller has just done so.
    ///
    /// The closed connection is closed on the server first, so that the session or process that
    /// belongs to it does not outlive it.
    async fn begin(&self, call: &Call<Prepared>) -> Result<Arc<dyn Conversation>, UpstreamError> {
        let _connecting = self.connecting.lock().await;
        if let Some(conversation) = self.present() {
            return Ok(conversation);
        }
        if let Some(ended) = self.conversation.swap(None) {
            ended.0.close().await;
        }
        let conversation = self.dialer.open(&self.key, call.credential()).await?;
        self.conversation
            .store(Some(Arc::new(Conversing(Arc::clone(&conversation)))));
        Ok(conversation)
    }

    /// Returns the connection if it is open.
    pub(super) fn present(&self) -> Option<Arc<dyn Conversation>> {
        let conversing = self.conversation.load();
        conversing
            .as_ref()
            .filter(|conversing| conversing.0.is_open())
            .map(|c| Arc::clone(&c.0))
    }

    /// Closes the connection, the exclusive connections and the subscription.
    pub(in crate::upstream) async fn close(&self) {
        self.feed.stop();
        self.leases.close().await;
        let _connecting = self.connecting.lock().await;
        if let Some(conversing) = self.conversation.swap(None) {
            conversing.0.close().await;
        }
    }

    /// Releases the connection, which other views continue to use.
    ///
    /// Exclusive connections belong to this view alone, so they are closed.
    pub(in crate::upstream) async fn leave(&self) {
        self.feed.stop();
        self.leases.close().await;
        self.conversation.store(None);
    }

    /// Returns `true` if both views use the same connection.
    ///
    /// Several classes of callers share one process if its server is of the modern era, because
    /// each of its requests carries the context of the caller.
    pub(in crate::upstream) fn shares(&self, other: &Self) -> bool {
        match (self.present(), other.present()) {
            (Some(one), Some(two)) => std::ptr::addr_eq(Arc::as_ptr(&one), Arc::as_ptr(&two)),
            _ => false,
        }
    }

    /// Returns `true` if a connection is open.
    pub(in crate::upstream) fn is_connected(&self) -> bool {
        self.present().is_some()
    }
}
