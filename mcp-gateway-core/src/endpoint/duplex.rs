//! Clients on one bidirectional channel: stdio, or a stream of HTTP+SSE with its posts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tower::ServiceExt;

use super::legacy::{LegacyHandler, SessionResponse};
use super::modern::HeaderVersion;
use super::reply_writer::{MessageSink, ReplyWriter};
use super::{CallService, Compatibility, incoming, modern, response, stream};
use crate::auth::Principal;
use crate::error::RequestError;
use crate::jsonrpc::{Id, Message, Notification, Request};
use crate::list_changes::ReplyListChanges;
use crate::protocol::{Era, Method, meta};
use crate::reply::{self, ReplyEvent};
use crate::session::Session;
use crate::task::BackgroundTask;
use crate::{Call, Caller, Cancellation, ClientInfo, Error, Problem, Reply};

/// A client whose messages are all exchanged over one channel.
///
/// Its first message determines the era: `initialize` starts the session of the channel; any other
/// request must carry its context.
#[derive(Debug)]
pub(super) struct DuplexSession<S> {
    /// Server of the session.
    legacy: LegacyHandler<S>,
    /// Queue of messages for the client.
    out: mpsc::Sender<Bytes>,
    /// Session of the channel, once it has started.
    session: OnceLock<EstablishedSession>,
    /// In-flight requests of the modern era.
    calls: Mutex<HashMap<Id, Cancellation>>,
}

/// The session of a channel.
#[derive(Debug)]
struct EstablishedSession {
    /// Session ID.
    id: String,
    /// Session.
    session: Arc<Session>,
    /// Task that forwards messages outside of any request.
    _standalone: BackgroundTask,
}

impl<S: CallService> DuplexSession<S> {
    /// Creates a channel whose messages for the client are sent to `out`.
    pub(super) fn new(legacy: LegacyHandler<S>, out: mpsc::Sender<Bytes>) -> Arc<Self> {
        Arc::new(Self {
            legacy,
            out,
            session: OnceLock::new(),
            calls: Mutex::default(),
        })
    }

    /// Returns the authenticated caller.
    pub(super) fn principal(&self) -> &Principal {
        &self.legacy.principal
    }

    /// Returns the name of the gateway.
    pub(super) fn gateway(&self) -> &str {
        &self.legacy.gateway
    }

    /// Handles a message of the client; answers are sent to the channel.
    pub(super) async fn handle(self: Arc<Self>, message: Message) {
        match message {
            Message::Notification(notification) => self.handle_notification(notification).await,
            Message::Request(request) => {
                let (id, method) = (request.id().clone(), request.method().clone());
                let session = self.session.get().map(|begun| Arc::clone(&begun.session));
                let modern = request.meta(meta::PROTOCOL_VERSION).is_some();
                let era = if modern { Era::Modern } else { Era::Legacy };
                let result = match (modern, session) {
                    (true, _) => self.modern(request).await,
                    (false, Some(session)) => self.in_session(&session, request).await,
                    (false, None) => self.initialize(&request).await,
                };
                if let Err(error) = result {
                    let problem = Problem::from(&error).in_era(era);
                    self.send(problem.to_answer(Some(&id), Some(&method), era))
                        .await;
                }
            }
            Message::Response(response) => {
                if let Some(begun) = self.session.get() {
                    incoming::handle_response(&begun.session, &begun.id, &response).await;
                }
            }
        }
    }

    /// Sends a message; returns `false` if the channel is closed.
    pub(super) async fn send(&self, text: Bytes) -> bool {
        self.out.send(text).await.is_ok()
    }

    /// Handles a notification.
    async fn handle_notification(&self, notification: Notification) {
        if let Some(begun) = self.session.get() {
            let session = &begun.session;
            self.legacy.on_notification(session, notification).await;
            return;
        }
        #[expect(clippy::wildcard_enum_match_arm, reason = "no other one is expected")]
        match notification.method() {
            Method::Cancelled => {
                if let Some((id, reason)) = incoming::cancellation(&notification)
                    && let Some(cancellation) = self.calls().remove(&id)
                {
                    cancellation.cancel_for(reason);
                }
            }
            Method::Other(_) => self.modern_notification(notification).await,
            _ => {}
        }
    }

    /// Forwards a notification of the modern era; ignores an invalid one.
    async fn modern_notification(&self, notification: Notification) {
        let (version, accepted) = (HeaderVersion::Missing, Compatibility::default());
        if let Ok(client) = modern::check_notification(&version, &notification, accepted) {
            let caller = Arc::new(self.caller(client));
            incoming::forward_notification(&self.legacy.inner, notification, caller).await;
        }
    }

    /// Returns the caller of a message of the modern era.
    fn caller(&self, client: ClientInfo) -> Caller {
        let gateway = Arc::clone(&self.legacy.gateway);
        Caller::new(self.legacy.principal.clone(), gateway, client)
            .with_verified(self.legacy.verified.clone())
    }

    /// Starts the session of the channel.
    async fn initialize(&self, request: &Request) -> Result<(), Error> {
        if request.method() != &Method::Initialize {
            return Err(RequestError::MissingSession.into());
        }
        let (id, response) = self.legacy.initialize(request).await?;
        let (principal, gateway) = (&self.legacy.principal, &self.legacy.gateway);
        let session = self.legacy.sessions.find(&id, principal, gateway)?;
        let mut reader = session.state().standalone().read_on();
        let out = self.out.clone();
        let standalone = BackgroundTask::spawn(async move {
            while let Some((_, text)) = reader.next().await {
                if !text.is_empty() && out.send(text).await.is_err() {
                    break;
                }
            }
        });
        let begun = EstablishedSession {
            id,
            session: Arc::clone(&session),
            _standalone: standalone,
        };
        // Of two concurrent `initialize` requests the second is rejected.
        self.session
            .set(begun)
            .map_err(|_| RequestError::DuplicateId)?;
        self.send(response).await;
        self.legacy.subscribe(&session).await;
        Ok(())
    }

    /// Answers a request within the session.
    async fn in_session(&self, session: &Arc<Session>, request: Request) -> Result<(), Error> {
        let id = request.id().clone();
        match self.legacy.request(session, request).await? {
            // On a channel, a cancelled request has no response.
            SessionResponse::Cancelled => true,
            SessionResponse::Text(text) => self.send(text).await,
            SessionResponse::Json(body) => {
                let text = body.into_text(MAX_MESSAGE).await;
                self.send(text.map_err(Error::Other)?).await
            }
            SessionResponse::Events(events, in_flight) => {
                let sink = MessageSink::Channel(self.out.clone());
                ReplyWriter::new(Arc::clone(session), id, sink)
                    .run(events, in_flight)
                    .await;
                true
            }
        };
        Ok(())
    }

    /// Answers a request of the modern era; cancels it if the client does.
    async fn modern(&self, request: Request) -> Result<(), Error> {
        let id = request.id().clone();
        let listens = request.method() == &Method::SubscriptionsListen;
        let caller = self.caller(modern::check_body(&request)?);
        let cancellation = Cancellation::new();
        self.calls().insert(id.clone(), cancellation.clone());
        let call = Call::trusted(request, Arc::new(caller)).with_cancellation(cancellation.clone());
        let answered = tokio::select! {
            answered = self.answer(call, listens) => answered,
            () = cancellation.cancelled() => Ok(()),
        };
        self.calls().remove(&id);
        answered
    }

    /// Sends the messages of a reply.
    async fn answer(&self, call: Call, listens: bool) -> Result<(), Error> {
        let id = call.request().id().clone();
        let mut events = match self.legacy.inner.clone().oneshot(call).await? {
            Reply::Events(events) => events,
            json @ Reply::Json { .. } => {
                let text = reply::into_response_text(json, MAX_MESSAGE).await;
                self.send(text.map_err(|error| Error::Other(error.into()))?)
                    .await;
                return Ok(());
            }
        };
        let mut changes = ReplyListChanges::default();
        while let Some(event) = events.next().await {
            let (text, last) = match event {
                Ok(ReplyEvent::Notification(notification)) if listens => {
                    (stream::tagged(&notification, &id), false)
                }
                Ok(ReplyEvent::Notification(notification)) => match changes.admit(notification) {
                    Some(notification) => (notification.bytes(), false),
                    None => continue,
                },
                Ok(ReplyEvent::Response(response)) if listens => {
                    (stream::end_of(&response, &id), true)
                }
                Ok(ReplyEvent::Response(response)) => (response.bytes(), true),
                Ok(ReplyEvent::Request(request)) => {
                    response::reject_server_request(&request).await;
                    continue;
                }
                Err(error) => (response::failure_message(&events, error, &id), true),
            };
            while last && let Some(due) = changes.take_any() {
                self.send(due.bytes()).await;
            }
            if !self.send(text).await || last {
                break;
            }
        }
        Ok(())
    }

    /// Locks the in-flight requests.
    fn calls(&self) -> MutexGuard<'_, HashMap<Id, Cancellation>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the session, because the channel is closed.
    pub(super) fn close(&self) {
        if let Some(begun) = self.session.get() {
            self.legacy.sessions.end(&begun.id, &begun.session);
        }
        for (_, cancellation) in self.calls().drain() {
            cancellation.cancel();
        }
    }
}

/// Maximum size of a message that is held for a client.
pub(super) const MAX_MESSAGE: usize = 64 * 1024 * 1024;
