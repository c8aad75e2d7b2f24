//! Connections over a bidirectional channel, on which the messages of all calls are interleaved.
//!
//! They serve stdio, in both eras, and the HTTP+SSE transport. A reader task receives every message
//! and passes it on:
//!
//! | message | receiver |
//! |---|---|
//! | response | the call with its identifier |
//! | progress | the call with its token |
//! | log message, server request | the only call in flight, if there is exactly one; otherwise subscribers |
//! | `ping` | answered here |
//! | other notifications | subscribers |
//!
//! Such a connection has no request to which a server request belongs. If it could be meant for
//! several callers, it reaches none of them: it would disclose the data of one to another.

mod channel;
mod lines;
mod opening;
mod pending;
mod replies;

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{broadcast, mpsc};

pub(super) use self::channel::{Channel, Incoming};
pub(super) use self::opening::Opening;
use self::pending::{Pending, Waiting};
use self::replies::{MESSAGES, Replies};
use super::cancel::Cancel;
use super::conversation::{Conversation, SendError};
use super::roots::Askable;
use super::{Facts, outgoing};
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::jsonrpc::{ErrorObject, Id, Message, Notification, Request, Response, code};
use crate::protocol::Method;
use crate::reply::{self, Event, Respond};
use crate::signal::Signal;
use crate::{Call, Reply, problem};

/// A connection over a bidirectional channel, after the handshake.
///
/// Requests are sent under identifiers of the gateway, because the identifiers of independent
/// callers may collide. Responses and progress carry those of the callers again.
///
/// A call that fails before its request has been queued can be sent again. Later the server may
/// have executed it, so the connection reports that it was closed, and the caller decides.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Self-description of the server.
    facts: Facts,
    /// State that the reader shares.
    shared: Arc<Shared>,
    /// Tasks and server behind the channel.
    channel: Channel,
}

/// State of a connection that its reader shares.
///
/// The lock of the calls is never held across an `await`, and no call can block the delivery to
/// another one.
struct Shared {
    /// Queue of outgoing messages.
    outgoing: mpsc::Sender<Bytes>,
    /// In-flight calls by the identifier that the server received.
    pending: Mutex<Pending>,
    /// Next identifier. Identifiers are never reused within a connection.
    next: AtomicI64,
    /// Messages outside of any request, to all subscribers.
    events: broadcast::Sender<Arc<Event>>,
    /// Receiver for messages that arrive before the first subscriber, on dedicated connections
    /// only: a server may send a request right after the handshake.
    early: Mutex<Option<broadcast::Receiver<Arc<Event>>>>,
    /// Set when the connection is closed, by either side. Never reset.
    ended: Signal,
    /// Requests that the server may send to clients.
    askable: Askable,
}

#[async_trait]
impl Conversation for Exchange {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    async fn send(&self, call: &Call<Prepared>) -> Result<Reply, SendError> {
        let request = call.request();
        let token = request.meta(crate::protocol::meta::PROGRESS_TOKEN);
        let version = self.facts.version;
        let encode = |number| outgoing::encode(call, version, Some(number));
        let mut replies = self.shared.begin(request.id(), token, encode).await?;
        replies.cancel = Some(Cancel::of(call));
        match replies.next().await {
            Some(Ok(Event::Response(response))) => {
                Ok(reply::single(problem::status_of(&response), &response))
            }
            Some(Ok(first)) => Ok(Reply::Events(replies.into_events(first))),
            Some(Err(error)) => Err(error.into()),
            None => Err(UpstreamError::Closed.into()),
        }
    }

    async fn notify(&self, notification: &Notification) -> Result<(), UpstreamError> {
        self.shared.post(notification.bytes()).await
    }

    fn events(&self) -> broadcast::Receiver<Arc<Event>> {
        let early = self.shared.early.lock();
        let early = early.unwrap_or_else(PoisonError::into_inner).take();
        early.unwrap_or_else(|| self.shared.events.subscribe())
    }

    fn is_open(&self) -> bool {
        !self.shared.ended.is_set()
    }

    async fn ended(&self) {
        self.shared.ended.wait().await;
    }

    async fn close(&self) {
        self.shared.shut(&UpstreamError::Closed);
        self.channel.close().await;
    }
}

impl Shared {
    /// Registers a call and sends the request that `encode` creates for its number.
    ///
    /// # Errors
    ///
    /// [`SendError::Ended`] if the connection is closed: the server has not received the request.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future or the result removes the call.
    async fn begin(
        self: &Arc<Self>,
        id: &Id,
        progress_token: Option<&str>,
        encode: impl FnOnce(i64) -> Bytes,
    ) -> Result<Replies, SendError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let (messages, receiver) = mpsc::channel(MESSAGES);
        let waiting = Waiting {
            messages,
            id: id.clone(),
            progress_token: progress_token.map(Into::into),
        };
        self.pending().insert(number, waiting);
        let replies = Replies {
            number,
            receiver,
            shared: Arc::clone(self),
            cancel: None,
        };
        // Checked after the registration: `shut` fails all registered calls.
        if self.ended.is_set() || self.post(encode(number)).await.is_err() {
            return Err(SendError::Ended(UpstreamError::Closed));
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
    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Handles messages until the channel is closed, then closes the connection.
    async fn read(self: Arc<Self>, mut messages: mpsc::Receiver<Result<Bytes, UpstreamError>>) {
        let mut end = UpstreamError::Closed;
        while let Some(message) = messages.recv().await {
            match message {
                Ok(text) => self.take(text).await,
                Err(error) => {
                    tracing::warn!(%error, "upstream connection failed");
                    end = error;
                    break;
                }
            }
        }
        self.shut(&end);
    }

    /// Closes the connection and fails all in-flight calls with `error`.
    ///
    /// The signal is set first, so that a call that is registered later notices it.
    fn shut(&self, error: &UpstreamError) {
        self.ended.set();
        self.pending().fail(error);
    }

    /// Handles one message of the server. A malformed one is logged and skipped.
    async fn take(self: &Arc<Self>, text: Bytes) {
        match Message::parse(text) {
            Ok(Message::Response(response)) => {
                if !self.pending().answer(&response) {
                    tracing::debug!(id = ?response.id(), "unsolicited response from upstream");
                }
            }
            Ok(Message::Notification(notification)) => self.notified(notification),
            Ok(Message::Request(request)) => self.asked(request).await,
            Err(error) => tracing::warn!(%error, "malformed message from upstream"),
        }
    }

    /// Handles a notification: progress reaches its call, a log message the only call in flight,
    /// and everything else the subscribers.
    fn notified(&self, notification: Notification) {
        let event = match notification.method() {
            Method::Progress => {
                self.pending().progress(&notification);
                return;
            }
            Method::LogMessage => self.pending().attribute(Event::Notification(notification)),
            _ => Some(Event::Notification(notification)),
        };
        if let Some(event) = event {
            // Fails only if there is no subscriber.
            let _ = self.events.send(Arc::new(event));
        }
    }

    /// Handles a request of the server: `ping` is answered here, and clients answer the rest.
    ///
    /// It is rejected with "method not found" if it belongs to no call and the connection is not
    /// dedicated to a client, or if the [`RootsPolicy`](super::RootsPolicy) excludes it.
    async fn asked(self: &Arc<Self>, request: Request) {
        let id = request.id().clone();
        if request.method() == &Method::Ping {
            let _ = self.post(Response::new(&id, "{}").bytes()).await;
            return;
        }
        let server = Arc::new(Answers(Arc::clone(self)));
        let asked = match self.askable.question(request, server) {
            Ok(question) => Event::Request(question),
            Err(refusal) => {
                let _ = self.post(refusal.bytes()).await;
                return;
            }
        };
        let Some(asked) = self.pending().attribute(asked) else {
            return;
        };
        if !self.askable.dedicated() || self.events.send(Arc::new(asked)).is_err() {
            let error = ErrorObject::new(code::METHOD_NOT_FOUND, "no client available");
            let _ = self.post(error.to_response(Some(&id))).await;
        }
    }
}

/// Responder for the requests of the server: it sends the responses of clients to the server.
#[derive(Debug)]
struct Answers(Arc<Shared>);

#[async_trait]
impl Respond for Answers {
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
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// Maximum number of queued messages per subscriber, which is notified if messages were lost.
const EVENTS: usize = 256;
