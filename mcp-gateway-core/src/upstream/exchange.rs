//! A conversation over a shared channel, on which messages of all calls are mixed.

mod channel;
mod lines;
mod pending;

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use tokio::sync::{broadcast, mpsc};

pub(super) use self::channel::{Channel, Incoming};
use self::pending::{Pending, Waiting};
use super::cancel::Cancel;
use super::conversation::{Conversation, SendError};
use super::roots::Askable;
use super::{Facts, outgoing};
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::jsonrpc::{ErrorObject, Id, Message, Notification, Request, Response, code};
use crate::protocol::Method;
use crate::reply::{self, Event, Events, Respond};
use crate::signal::Signal;
use crate::{Call, Reply, problem};

/// A conversation over a shared channel.
///
/// Requests get identifiers of the gateway's own, because callers that share the channel do not
/// know of each other's.
#[derive(Debug)]
pub(super) struct Exchange {
    facts: Facts,
    shared: Arc<Shared>,
    channel: Channel,
}

struct Shared {
    outgoing: mpsc::Sender<Bytes>,
    pending: Mutex<Pending>,
    next: AtomicI64,
    events: broadcast::Sender<Arc<Event>>,
    /// What the server sends before anybody listens, where somebody will.
    early: Mutex<Option<broadcast::Receiver<Arc<Event>>>>,
    ended: Signal,
    /// What the server may ask clients.
    askable: Askable,
}

/// A channel on which the two sides have not yet agreed on a revision.
#[derive(Debug)]
pub(super) struct Opening {
    shared: Arc<Shared>,
    channel: Channel,
}

impl Opening {
    /// Begins to read from the channel that `connect` makes.
    pub(super) fn new(
        askable: Askable,
        connect: impl FnOnce(Incoming) -> (Channel, mpsc::Sender<Bytes>),
    ) -> Self {
        let (incoming, messages) = Incoming::new();
        let (channel, outgoing) = connect(incoming);
        let (events, early) = broadcast::channel(EVENTS);
        let shared = Arc::new(Shared {
            outgoing,
            pending: Mutex::default(),
            next: AtomicI64::new(1),
            events,
            early: Mutex::new(askable.dedicated().then_some(early)),
            ended: Signal::new(),
            askable,
        });
        let channel = channel.with_reader(Arc::clone(&shared).read(messages));
        Self { shared, channel }
    }

    /// Sends a request of the gateway itself, and waits for its response.
    pub(super) async fn request(
        &self,
        method: &Method,
        params: &str,
    ) -> Result<Response, UpstreamError> {
        let id = Id::from(0);
        let request = |number: i64| Request::new(&Id::from(number), method, params).bytes();
        let mut replies = self.shared.begin(&id, None, request).await.map_err(ended)?;
        loop {
            match replies.next().await {
                Some(Ok(Event::Response(response))) => return Ok(response),
                Some(Ok(Event::Notification(_) | Event::Request(_))) => {}
                Some(Err(error)) => return Err(error),
                None => return Err(UpstreamError::Closed),
            }
        }
    }

    /// Sends a notification of the gateway itself.
    pub(super) async fn notify(&self, notification: &Notification) -> Result<(), UpstreamError> {
        self.shared.post(notification.bytes()).await
    }

    /// The conversation, now that the two sides have agreed.
    pub(super) fn agreed(self, facts: Facts) -> Exchange {
        Exchange {
            facts,
            shared: self.shared,
            channel: self.channel,
        }
    }
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
    /// Registers who waits, and sends the request that `encode` makes of the number it gets.
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
        // Checked after registering: whoever shuts fails those that it finds.
        if self.ended.is_set() || self.post(encode(number)).await.is_err() {
            return Err(SendError::Ended(UpstreamError::Closed));
        }
        Ok(replies)
    }

    async fn post(&self, message: Bytes) -> Result<(), UpstreamError> {
        self.outgoing
            .send(message)
            .await
            .map_err(|_| UpstreamError::Closed)
    }

    fn pending(&self) -> std::sync::MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn read(self: Arc<Self>, mut messages: mpsc::Receiver<Result<Bytes, UpstreamError>>) {
        let mut end = UpstreamError::Closed;
        while let Some(message) = messages.recv().await {
            match message {
                Ok(text) => self.take(text).await,
                Err(error) => {
                    tracing::warn!(%error, "the conversation with the server ends");
                    end = error;
                    break;
                }
            }
        }
        self.shut(&end);
    }

    fn shut(&self, error: &UpstreamError) {
        self.ended.set();
        self.pending().fail(error);
    }

    async fn take(self: &Arc<Self>, text: Bytes) {
        match Message::parse(text) {
            Ok(Message::Response(response)) => {
                if !self.pending().answer(&response) {
                    tracing::debug!(id = ?response.id(), "the server answers what nobody asked");
                }
            }
            Ok(Message::Notification(notification)) => self.notified(notification),
            Ok(Message::Request(request)) => self.asked(request).await,
            Err(error) => tracing::warn!(%error, "the server sends what is not a message"),
        }
    }

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
            // Fails only when nobody listens.
            let _ = self.events.send(Arc::new(event));
        }
    }

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
            let error = ErrorObject::new(code::METHOD_NOT_FOUND, "no client can be asked");
            let _ = self.post(error.to_response(Some(&id))).await;
        }
    }
}

/// Takes the answers to the requests of the server.
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

/// The messages that answer one call.
struct Replies {
    number: i64,
    receiver: mpsc::Receiver<Result<Event, UpstreamError>>,
    shared: Arc<Shared>,
    /// Whether and how to tell the server when nobody waits any more.
    cancel: Option<Cancel>,
}

impl Replies {
    async fn next(&mut self) -> Option<Result<Event, UpstreamError>> {
        self.receiver.recv().await
    }

    fn into_events(self, first: Event) -> Events {
        Events::new(stream::unfold(
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

impl Drop for Replies {
    fn drop(&mut self) {
        let waiting = self.shared.pending().remove(self.number);
        if waiting && self.cancel.as_ref().is_some_and(Cancel::wanted) {
            let params = format!("{{\"requestId\":{}}}", self.number);
            let cancelled = Notification::new(&Method::Cancelled, Some(&params));
            // Where the server does not even read, there is nothing to be told.
            let _ = self.shared.outgoing.try_send(cancelled.bytes());
        }
    }
}

fn ended(error: SendError) -> UpstreamError {
    match error {
        SendError::Ended(error) | SendError::Failed(error) => error,
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// How many messages of a call may wait for a caller that is slow to read them.
const MESSAGES: usize = 1024;

/// How many events may wait for a listener that is slow.
const EVENTS: usize = 256;
