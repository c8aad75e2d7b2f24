//! Channel during the handshake.

use std::sync::{Arc, Mutex, OnceLock};

use bytes::Bytes;
use tokio::sync::mpsc;

use super::pending::PendingSender;
use super::{Channel, EVENTS, Incoming, MultiplexedConnection, Shared};
use crate::error::UpstreamError;
use crate::jsonrpc::{Id, Notification, Request, Response};
use crate::protocol::Method;
use crate::reply::ReplyEvent;
use crate::signal::Signal;
use crate::upstream::DiscoverResult;
use crate::upstream::connection::SendError;
use crate::upstream::request_ids::{IssuedId, RequestIds};
use crate::upstream::roots::Askable;
use crate::upstream::unsolicited::UnsolicitedMessages;

/// A channel before the handshake is complete.
///
/// Dropping it closes the channel.
#[derive(Debug)]
pub(in crate::upstream) struct UnnegotiatedConnection {
    /// State that becomes that of the connection.
    shared: Arc<Shared>,
    /// Tasks and server behind the channel.
    channel: Channel,
}

impl UnnegotiatedConnection {
    /// Starts to read from the channel that `connect` creates from the sender for its messages.
    pub(in crate::upstream) fn new(
        askable: Askable,
        connect: impl FnOnce(Incoming) -> (Channel, mpsc::Sender<Bytes>),
    ) -> Self {
        let (incoming, messages) = Incoming::new();
        let (channel, outgoing) = connect(incoming);
        let shared = Arc::new(Shared {
            outgoing,
            pending: Mutex::default(),
            ids: RequestIds::from(0),
            events: UnsolicitedMessages::new(EVENTS),
            closed: Signal::new(),
            askable,
        });
        let channel = channel.with_reader(Arc::clone(&shared).read(messages));
        Self { shared, channel }
    }

    /// Sends a request of the gateway itself and waits for its response, without a time limit.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Closed`] if the channel is closed before the response, otherwise its error.
    pub(in crate::upstream) async fn request(
        &self,
        method: &Method,
        params: &str,
    ) -> Result<Response, UpstreamError> {
        let id = Id::from(0);
        let request =
            |issued: IssuedId| Request::new(&Id::from(issued.number), method, params).bytes();
        let mut replies = self
            .shared
            .start_call(PendingSender::of(id), request)
            .await
            .map_err(ended)?;
        loop {
            match replies.next().await {
                Some(Ok(ReplyEvent::Response(response))) => return Ok(response),
                Some(Ok(ReplyEvent::Notification(_) | ReplyEvent::Request(_))) => {}
                Some(Err(error)) => return Err(error),
                None => return Err(UpstreamError::Closed),
            }
        }
    }

    /// Sends a notification of the gateway itself, after the messages that were queued before.
    pub(in crate::upstream) async fn notify(
        &self,
        notification: &Notification,
    ) -> Result<(), UpstreamError> {
        self.shared.post(notification.bytes()).await
    }

    /// Completes the handshake with the self-description of the server.
    pub(in crate::upstream) fn into_connection(
        self,
        info: DiscoverResult,
    ) -> MultiplexedConnection {
        MultiplexedConnection {
            info,
            shared: self.shared,
            channel: self.channel,
            timer: OnceLock::new(),
        }
    }
}

/// Returns the error without the distinction that only matters for retries.
fn ended(error: SendError) -> UpstreamError {
    match error {
        SendError::Closed(error) | SendError::Failed(error) => error,
    }
}
