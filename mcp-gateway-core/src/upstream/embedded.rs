//! Connection to a server of this process that receives calls with their callers.

use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokio::sync::{broadcast, watch};

use super::DiscoverResult;
use super::connection::{SendError, UpstreamConnection};
use super::embedded_server::EmbeddedServer;
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::jsonrpc::{Notification, Response};
use crate::problem::status_of;
use crate::protocol::Method;
use crate::reply::{self, ReplyEvent, ReplyStream};
use crate::{Call, Reply};

/// Connection to an [`EmbeddedServer`]. It has no state besides that it is open.
#[derive(Debug)]
pub(super) struct EmbeddedConnection {
    server: Arc<dyn EmbeddedServer>,
    info: DiscoverResult,
    /// Messages outside of any request, of which there are none.
    messages: broadcast::Sender<Arc<ReplyEvent>>,
    /// `true` once it is closed.
    closed: watch::Sender<bool>,
}

impl EmbeddedConnection {
    /// Connects to `server`.
    pub(super) fn new(server: Arc<dyn EmbeddedServer>) -> Self {
        Self {
            info: server.info(),
            server,
            messages: broadcast::Sender::new(1),
            closed: watch::Sender::new(false),
        }
    }

    /// Returns the stream of a subscription, which is to nothing.
    fn listen(&self) -> Reply {
        let params = Some(r#"{"notifications":{}}"#);
        let first = Notification::new(&Method::SubscriptionsAcknowledged, params);
        let first = stream::iter([Ok(ReplyEvent::Notification(first))]);
        let ended = Box::pin(ended(self.closed.subscribe()));
        let events = first.chain(stream::pending()).take_until(ended);
        Reply::Events(ReplyStream::new(events))
    }
}

#[async_trait]
impl UpstreamConnection for EmbeddedConnection {
    fn server_info(&self) -> &DiscoverResult {
        &self.info
    }

    async fn send(&self, call: &Call<Prepared>) -> Result<Reply, SendError> {
        if !self.is_open() {
            return Err(SendError::Closed(UpstreamError::Closed));
        }
        if call.request().method() == &Method::SubscriptionsListen {
            return Ok(self.listen());
        }
        let id = call.request().id();
        let response = match self.server.call(call).await {
            Ok(result) => Response::new(id, &result),
            Err(error) => Response::from_error(id, &error),
        };
        Ok(reply::single_response(status_of(&response), &response))
    }

    async fn notify(&self, _: &Call<Prepared>, _: &Notification) -> Result<(), UpstreamError> {
        Ok(())
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<ReplyEvent>> {
        self.messages.subscribe()
    }

    fn is_open(&self) -> bool {
        !*self.closed.borrow()
    }

    async fn closed(&self) {
        ended(self.closed.subscribe()).await;
    }

    async fn close(&self) {
        self.closed.send_replace(true);
    }
}

/// Waits for the close of a connection.
async fn ended(mut closed: watch::Receiver<bool>) {
    // A connection that is gone is closed, too.
    let _ = closed.wait_for(|closed| *closed).await;
}
