//! Connections over a bidirectional channel, on which the messages of all calls are interleaved.
//!
//! They serve stdio, in both eras, and the HTTP+SSE transport. A reader task receives every message
//! and passes it on:
//!
//! | message | receiver |
//! |---|---|
//! | response | the call with its identifier |
//! | progress | the call with its token; otherwise subscribers |
//! | notification of a subscription | the `subscriptions/listen` with its identifier |
//! | change of a list, a resource or a task | subscribers |
//! | any other notification, server request | the only call in flight, if there is exactly one and no other principal has used the connection; otherwise subscribers |
//! | `ping` | answered here |
//!
//! Such a connection has no request to which a server request belongs. If it could be meant for
//! several callers, it reaches none of them: it would disclose the data of one to another.

mod channel;
mod lines;
mod pending;
mod replies;
mod unnegotiated;

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use http::Uri;
use tokio::sync::{broadcast, mpsc};

pub(super) use self::channel::{Channel, Incoming};
use self::pending::{PendingRequest, PendingRequests, PendingSender};
use self::replies::{MESSAGES, ReplyReceiver};
pub(super) use self::unnegotiated::UnnegotiatedConnection;
use super::cancel_policy::CancelPolicy;
use super::connection::{SendError, UpstreamConnection};
use super::malformed::log_malformed;
use super::request_ids::{IssuedId, RequestIds};
use super::roots::Askable;
use super::unsolicited::UnsolicitedMessages;
use super::{DiscoverResult, encode};
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::jsonrpc::{Id, Message, MessageError, Notification, Request, Response};
use crate::protocol::{Method, meta};
use crate::reply::{self, ReplyEvent, Responder};
use crate::signal::Signal;
use crate::trace::SessionTimer;
use crate::transport::ProgramOutput;
use crate::{Call, Reply, problem};

/// A connection over a bidirectional channel, after the handshake.
///
/// Requests are sent under identifiers of the gateway, because the identifiers of independent
/// callers may collide. Responses and progress carry those of the callers again.
///
/// A call that fails before its request has been queued can be sent again. Later the server may
/// have executed it, so the connection reports that it was closed, and the caller decides.
#[derive(Debug)]
pub(super) struct MultiplexedConnection {
    /// Self-description of the server.
    info: DiscoverResult,
    /// State that the reader shares.
    shared: Arc<Shared>,
    /// Tasks and server behind the channel.
    channel: Channel,
    /// Reports the end of the session.
    timer: OnceLock<SessionTimer>,
}

/// State of a connection that its reader shares.
///
/// The lock of the calls is never held across an `await`, and no call can block the delivery to
/// another one.
struct Shared {
    /// Queue of outgoing messages.
    outgoing: mpsc::Sender<Bytes>,
    /// In-flight calls by the identifier that the server received.
    pending: Mutex<PendingRequests>,
    /// Identifiers of requests.
    ids: RequestIds,
    /// Messages outside of any request.
    events: UnsolicitedMessages,
    /// Set when the connection is closed, by either side. Never reset.
    closed: Signal,
    /// Requests that the server may send to clients.
    askable: Askable,
}

#[async_trait]
impl UpstreamConnection for MultiplexedConnection {
    fn server_info(&self) -> &DiscoverResult {
        &self.info
    }

    async fn send(&self, call: &Call<Prepared>) -> Result<Reply, SendError> {
        let request = call.request();
        let sender = PendingSender {
            id: request.id().clone(),
            progress_token: request.meta(meta::PROGRESS_TOKEN).map(Into::into),
            listens: request.method() == &Method::SubscriptionsListen,
            principal: Some(call.principal().clone()),
        };
        let version = self.info.version;
        let encode = |issued| encode::encode(call, version, Some(issued));
        let mut replies = self.shared.start_call(sender, encode).await?;
        replies.cancel = Some(CancelPolicy::for_call(call));
        match replies.next().await {
            Some(Ok(ReplyEvent::Response(response))) => Ok(reply::single_response(
                problem::status_of(&response),
                &response,
            )),
            Some(Ok(first)) => Ok(Reply::Events(replies.into_events(first))),
            Some(Err(error)) => Err(error.into()),
            None => Err(UpstreamError::Closed.into()),
        }
    }

    async fn notify(
        &self,
        call: &Call<Prepared>,
        notification: &Notification,
    ) -> Result<(), UpstreamError> {
        let text = encode::encode_notification(call, notification, self.info.version);
        self.shared.post(text).await
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<ReplyEvent>> {
        self.shared.events.subscribe()
    }

    fn is_open(&self) -> bool {
        !self.shared.closed.is_set()
    }

    async fn closed(&self) {
        self.shared.closed.wait().await;
    }

    fn set_timer(&self, timer: SessionTimer) {
        // There is one.
        let _ = self.timer.set(timer);
    }

    fn peer(&self) -> Option<&Uri> {
        self.channel.peer.as_ref()
    }

    fn program(&self) -> Option<&Arc<ProgramOutput>> {
        self.channel.program.as_ref()
    }

    async fn close(&self) {
        self.shared.shutdown(&UpstreamError::Closed);
        self.channel.close().await;
    }
}

impl Shared {
    /// Registers a call and sends the request that `encode` creates for its identifier.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if the connection is closed: the server has not received the request.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future or the result removes the call.
    async fn start_call(
        self: &Arc<Self>,
        sender: PendingSender,
        encode: impl FnOnce(IssuedId) -> Bytes,
    ) -> Result<ReplyReceiver, SendError> {
        let issued = match sender.listens {
            true => self.ids.issue_for_subscription(&sender.id),
            false => self.ids.issue(&sender.id).into(),
        };
        let number = issued.number;
        let (messages, receiver) = mpsc::channel(MESSAGES);
        let seen = issued.for_server(&sender.id);
        let waiting = PendingRequest {
            messages,
            sender,
            is_kept: issued.is_kept,
        };
        self.pending().insert(number, waiting);
        let replies = ReplyReceiver {
            number,
            seen,
            receiver,
            shared: Arc::clone(self),
            cancel: None,
        };
        // Checked after the registration: `shut` fails all registered calls.
        if self.closed.is_set() || self.post(encode(issued)).await.is_err() {
            return Err(SendError::Closed(UpstreamError::Closed));
        }
        Ok(replies)
    }

    /// Queues a message for the server. Waits while the queue is full.
    async fn post(&self, message: Bytes) -> Result<(), UpstreamError> {
        self.outgoing
            .send(message)
            .await
            .map_err(|_| UpstreamError::Closed)
    }

    /// Locks the in-flight calls.
    fn pending(&self) -> std::sync::MutexGuard<'_, PendingRequests> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Handles messages until the channel is closed, then closes the connection.
    async fn read(self: Arc<Self>, mut messages: mpsc::Receiver<Result<Bytes, UpstreamError>>) {
        let mut end = UpstreamError::Closed;
        while let Some(message) = messages.recv().await {
            match message {
                Ok(text) => self.on_message(text).await,
                Err(error) => {
                    tracing::warn!(%error, "upstream connection failed");
                    end = error;
                    break;
                }
            }
        }
        self.shutdown(&end);
    }

    /// Closes the connection and fails all in-flight calls with `error`.
    ///
    /// The signal is set first, so that a call that is registered later notices it.
    fn shutdown(&self, error: &UpstreamError) {
        self.closed.set();
        self.pending().fail(error);
        self.events.close();
    }

    /// Handles one message of the server.
    async fn on_message(self: &Arc<Self>, text: Bytes) {
        match Message::parse_answer(text) {
            Ok(Message::Response(response)) => {
                if !self.pending().complete(&response) {
                    tracing::debug!(id = ?response.id(), "unsolicited response from upstream");
                }
            }
            Ok(Message::Notification(notification)) => self.on_notification(notification),
            Ok(Message::Request(request)) => self.on_request(request).await,
            Err((error, id)) => self.on_malformed(error, id.as_ref()),
        }
    }

    /// Handles a malformed message: it fails the call that it responds to.
    fn on_malformed(&self, error: MessageError, answered: Option<&Id>) {
        log_malformed(&error, answered);
        if let Some(id) = answered {
            self.pending().reject(id, error.into());
        }
    }

    /// Handles a notification: progress reaches its call, a change those who subscribe to it, and
    /// anything else the only call in flight.
    fn on_notification(&self, notification: Notification) {
        let event = match notification.method() {
            Method::Progress if self.pending().progress(&notification) => return,
            _ if self.pending().subscription(&notification) => return,
            method if method == &Method::Progress || method.is_change() => {
                Some(ReplyEvent::Notification(notification))
            }
            _ => self
                .pending()
                .attribute(ReplyEvent::Notification(notification)),
        };
        if let Some(event) = event {
            self.events.send(event);
        }
    }

    /// Handles a request of the server: `ping` is answered here, and clients answer the rest.
    ///
    /// It is rejected with "method not found" if it belongs to no call and no subscriber accepts
    /// it, or if the [`RootsPolicy`](super::RootsPolicy) excludes it.
    async fn on_request(self: &Arc<Self>, request: Request) {
        if request.method() == &Method::Ping {
            let _ = self.post(Response::new(request.id(), "{}").bytes()).await;
            return;
        }
        let server = Arc::new(ChannelResponder(Arc::clone(self)));
        let asked = match self.askable.question(request, server) {
            Ok(question) => ReplyEvent::Request(question),
            Err(refusal) => {
                let _ = self.post(refusal.bytes()).await;
                return;
            }
        };
        if let Some(asked) = self.pending().attribute(asked) {
            self.events.send(asked);
        }
    }
}

/// Responder for the requests of the server: it sends the responses of clients to the server.
#[derive(Debug)]
struct ChannelResponder(Arc<Shared>);

#[async_trait]
impl Responder for ChannelResponder {
    async fn respond(&self, response: Response) -> Result<(), UpstreamError> {
        self.0.post(response.bytes()).await
    }

    async fn notify(&self, notification: Notification) -> Result<(), UpstreamError> {
        self.0.post(notification.bytes()).await
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("ended", &self.closed)
            .finish_non_exhaustive()
    }
}

/// Maximum number of queued messages per subscriber, which is notified if messages were lost.
const EVENTS: usize = 256;
