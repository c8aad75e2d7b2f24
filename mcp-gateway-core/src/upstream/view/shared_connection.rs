//! Shared connection of a view.

use std::sync::Arc;

use super::MERGED_WAIT;
use super::{UseGuard, View};
use crate::call::Prepared;
use crate::credential::Credential;
use crate::error::UpstreamError;
use crate::route::Feature;
use crate::upstream::client_span;
use crate::upstream::connection::{SendError, UpstreamConnection};
use crate::{Call, Reply};

/// An open connection.
#[derive(Clone, Debug)]
pub(super) struct SharedConnection(Arc<dyn UpstreamConnection>);

impl View {
    /// Sends a call on the current connection, opening one if necessary; see
    /// [`converse_in`](Self::converse_in).
    pub(super) async fn send_with_reconnect(
        self: &Arc<Self>,
        call: &Call<Prepared>,
    ) -> Result<Reply, UpstreamError> {
        let connection = self.connection(call).await?;
        self.converse_in(connection, call).await
    }

    /// Sends a call on `connection`, or on a new connection if that is closed; once more on a new
    /// one if it closes before the server has received the call.
    ///
    /// Only [`SendError::Closed`] is retried: it guarantees that the server has not executed the
    /// request.
    pub(super) async fn converse_in(
        self: &Arc<Self>,
        connection: Arc<dyn UpstreamConnection>,
        call: &Call<Prepared>,
    ) -> Result<Reply, UpstreamError> {
        let mut ended = UpstreamError::Closed;
        let mut present = Some(connection).filter(|connection| connection.is_open());
        for _ in 0..2 {
            let connection = match present.take() {
                Some(connection) => connection,
                None => self.connection(call).await?,
            };
            let listed = |feature: &Feature| self.lists(feature);
            match client_span::send(&*connection, call, listed).await {
                Ok(reply) => return Ok(reply),
                Err(SendError::Closed(error)) => ended = error,
                Err(SendError::Failed(error)) => {
                    if let (UpstreamError::Closed, Some(program)) = (&error, connection.program()) {
                        Box::pin(self.connector.record_exit(program)).await;
                    }
                    return Err(error);
                }
            }
        }
        Err(ended)
    }

    /// Returns the open connection, or opens one.
    ///
    /// The fast path is lock-free.
    pub(super) async fn connection(
        self: &Arc<Self>,
        call: &Call<Prepared>,
    ) -> Result<Arc<dyn UpstreamConnection>, UpstreamError> {
        match self.open_connection() {
            Some(connection) => Ok(connection),
            None => Box::pin(self.connect(call)).await,
        }
    }

    /// Opens a connection, or waits for the attempt of another caller.
    ///
    /// The attempt continues when its callers have gone: the next one may want the server, and a
    /// slow program would never start otherwise. It ends with the view.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Timeout`] at once if the answer is merged with those of other servers, and
    /// the attempt has taken longer than they wait.
    async fn connect(
        self: &Arc<Self>,
        call: &Call<Prepared>,
    ) -> Result<Arc<dyn UpstreamConnection>, UpstreamError> {
        if call.is_merged() && self.connecting.age().is_some_and(|age| age > MERGED_WAIT) {
            return Err(UpstreamError::Timeout);
        }
        let connect = |_| {
            let (using, credential) = (UseGuard::new(self), call.credential().clone());
            async move { using.0.reconnect(&credential).await }
        };
        self.connecting
            .join(call.credential(), || self.open_connection(), connect)
            .await
    }

    /// Replaces the closed connection.
    ///
    /// It is closed on the server first, so that the session or process that belongs to it does not
    /// outlive it.
    async fn reconnect(
        &self,
        credential: &Credential,
    ) -> Result<Arc<dyn UpstreamConnection>, UpstreamError> {
        if let Some(closed) = self.connection.swap(None) {
            closed.0.close().await;
        }
        let connecting = self.connector.connect(&self.key, &self.owner, credential);
        let connection = connecting.await?;
        self.connection
            .store(Some(Arc::new(SharedConnection(Arc::clone(&connection)))));
        Ok(connection)
    }

    /// Returns the connection if it is open.
    pub(super) fn open_connection(&self) -> Option<Arc<dyn UpstreamConnection>> {
        let conversing = self.connection.load();
        conversing
            .as_ref()
            .filter(|conversing| conversing.0.is_open())
            .map(|c| Arc::clone(&c.0))
    }

    /// Closes the connection, the exclusive connections and the subscription.
    pub(in crate::upstream) async fn close(&self) {
        self.notifications.stop();
        self.exclusive.close().await;
        self.connecting.abort().await;
        self.lists.abort().await;
        if let Some(conversing) = self.connection.swap(None) {
            conversing.0.close().await;
        }
    }

    /// Releases the connection, which other views continue to use.
    ///
    /// Exclusive connections belong to this view alone, so they are closed.
    pub(in crate::upstream) async fn detach(&self) {
        self.notifications.stop();
        self.exclusive.close().await;
        self.connecting.abort().await;
        self.lists.abort().await;
        self.connection.store(None);
    }

    /// Returns `true` if both views use the same connection.
    ///
    /// Several classes of callers share one process if its server is of the modern era, because
    /// each of its requests carries the context of the caller.
    pub(in crate::upstream) fn shares_connection(&self, other: &Self) -> bool {
        match (self.open_connection(), other.open_connection()) {
            (Some(one), Some(two)) => std::ptr::addr_eq(Arc::as_ptr(&one), Arc::as_ptr(&two)),
            _ => false,
        }
    }

    /// Returns `true` if a connection is open.
    pub(in crate::upstream) fn is_connected(&self) -> bool {
        self.open_connection().is_some()
    }
}
