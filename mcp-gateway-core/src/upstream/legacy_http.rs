mod stream;

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use tokio::sync::broadcast;
use tokio::time;

use self::stream::messages;
use super::cancel::Cancel;
use super::conversation::{Conversation, SendError};
use super::http::{self as over_http, Answer, HttpServer};
use super::modern_http::{add, wrong_id};
use super::roots::Askable;
use super::{Facts, outgoing};
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::jsonrpc::{ErrorObject, Id, Message, Notification, Request, Response, code};
use crate::protocol::{Method, meta};
use crate::reply::{self, Event, Respond, ServerRequest};
use crate::signal::Signal;
use crate::task::Task;
use crate::transport::{EventStream, HttpBody};
use crate::{Call, Reply};

/// A conversation in the legacy era over Streamable HTTP: a session of the server.
///
/// Several callers may share it, so requests get identifiers of the gateway's own.
#[derive(Debug)]
pub(super) struct LegacyHttp {
    session: Arc<HttpSession>,
    facts: Facts,
    next: AtomicI64,
    /// The stream of what belongs to no call; opened when somebody listens.
    listening: OnceLock<Task>,
}

struct HttpSession {
    server: HttpServer,
    events: broadcast::Sender<Arc<Event>>,
    ended: Signal,
    /// Set when the server has answered whether it has a stream of what belongs to no call.
    attended: Signal,
    /// What the server may ask clients.
    askable: Askable,
}

impl LegacyHttp {
    /// A session that has been initialized; `server` sends its identifier and revision.
    pub(super) fn new(server: HttpServer, facts: Facts, askable: Askable) -> Self {
        let session = HttpSession {
            server,
            events: broadcast::channel(EVENTS).0,
            ended: Signal::new(),
            attended: Signal::new(),
            askable,
        };
        Self {
            session: Arc::new(session),
            facts,
            next: AtomicI64::new(1),
            listening: OnceLock::new(),
        }
    }
}

#[async_trait]
impl Conversation for LegacyHttp {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    async fn send(&self, call: &Call<Prepared>) -> Result<Reply, SendError> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let mut headers = self.session.server.headers();
        add(&mut headers, call.caller().headers());
        for (name, value) in call.credential().headers() {
            headers.insert(name, value.clone());
        }
        let body = outgoing::encode(call, self.facts.version, Some(number));
        let asked = Asked::new(number, call, &self.session);
        let response = self.session.server.post(headers, body).await?;
        match Answer::of(response)? {
            Answer::Json(response) if response.status().is_success() => {
                let json = over_http::json(response, Id::from(number), &asked.id).await;
                asked.answered();
                Ok(json?)
            }
            Answer::Json(response) => self.refused(response, asked).await,
            Answer::Events(body) => Ok(Reply::Events(messages(asked, body))),
            Answer::Other(status @ StatusCode::NOT_FOUND) if self.session.server.has_session() => {
                Err(self.lost(asked, status))
            }
            Answer::Other(status) => Err(over_http::no_message(status).into()),
        }
    }

    async fn notify(&self, notification: &Notification) -> Result<(), UpstreamError> {
        self.session.post(notification.bytes()).await
    }

    fn events(&self) -> broadcast::Receiver<Arc<Event>> {
        let receiver = self.session.events.subscribe();
        self.listening
            .get_or_init(|| Task::spawn(Arc::clone(&self.session).listen()));
        receiver
    }

    async fn attended(&self) {
        let attended = self.session.attended.wait();
        // A server that does not say is called anyway.
        let _ = time::timeout(ATTEND_TIMEOUT, attended).await;
    }

    fn is_open(&self) -> bool {
        !self.session.ended.is_set()
    }

    async fn ended(&self) {
        self.session.ended.wait().await;
    }

    async fn close(&self) {
        if self.session.ended.set() && self.session.server.has_session() {
            // A server that refuses to end the session will end it by itself.
            let _ = self.session.server.delete().await;
        }
    }
}

impl LegacyHttp {
    /// Reads the document of an answer whose status is that of an error.
    async fn refused(
        &self,
        response: http::Response<HttpBody>,
        asked: Asked,
    ) -> Result<Reply, SendError> {
        let (status, has_session) = (response.status(), self.session.server.has_session());
        let text = over_http::text(response.into_body(), self.session.server.limit()).await?;
        let Ok(Message::Response(error)) = Message::parse(text) else {
            return match status {
                StatusCode::NOT_FOUND if has_session => Err(self.lost(asked, status)),
                _ => Err(UpstreamError::Status(status).into()),
            };
        };
        let code = error.result().err().map(ErrorObject::code_of);
        if has_session && over_http::wants_session(status, code) {
            return Err(self.lost(asked, status));
        }
        let reply = reply::single(status, &error.with_id(&asked.id));
        asked.answered();
        Ok(reply)
    }

    /// The server does not know the session any more, so it has not done what it was asked.
    fn lost(&self, asked: Asked, status: StatusCode) -> SendError {
        asked.answered();
        self.session.ended.set();
        SendError::Ended(UpstreamError::Status(status))
    }
}

impl HttpSession {
    async fn post(&self, message: Bytes) -> Result<(), UpstreamError> {
        let response = self.server.post(self.server.headers(), message).await?;
        match response.status() {
            status if status.is_success() => Ok(()),
            status => Err(UpstreamError::Status(status)),
        }
    }

    /// Reads the stream of what belongs to no call, again whenever it ends.
    async fn listen(self: Arc<Self>) {
        let mut last = None;
        let mut pause = RETRY;
        while !self.ended.is_set() {
            let answer = self.server.get(last.as_deref()).await;
            self.attended.set();
            let answer = match answer {
                // "The server MUST either return text/event-stream, or else 405."
                Ok(response) if response.status().is_client_error() => return,
                Ok(response) => Answer::of(response),
                Err(error) => Err(error),
            };
            if let Ok(Answer::Events(body)) = answer {
                let mut events = EventStream::new(body, self.server.limit());
                while let Some(Ok(event)) = events.next().await {
                    pause = event.retry.unwrap_or(RETRY).min(MAX_RETRY);
                    last = event.id.or(last);
                    if !event.data.is_empty() {
                        self.take(event.data).await;
                    }
                }
            } else {
                pause = (pause * 2).min(MAX_RETRY);
            }
            time::sleep(pause).await;
        }
    }

    async fn take(self: &Arc<Self>, text: Bytes) {
        match Message::parse(text) {
            Ok(Message::Notification(notification)) => {
                // Fails only when nobody listens.
                let _ = self
                    .events
                    .send(Arc::new(Event::Notification(notification)));
            }
            Ok(Message::Request(request)) => {
                let id = request.id().clone();
                let Some(request) = self.asked(request).await else {
                    return;
                };
                let event = Arc::new(Event::Request(request));
                // What belongs to no call could be meant for anybody who shares the session.
                if !self.askable.dedicated() || self.events.send(event).is_err() {
                    self.refuse(&id).await;
                }
            }
            Ok(Message::Response(response)) => {
                tracing::debug!(id = ?response.id(), "the server answers what nobody asked");
            }
            Err(error) => tracing::warn!(%error, "the server sends what is not a message"),
        }
    }

    /// What the server asks, unless it can be answered here.
    async fn asked(self: &Arc<Self>, request: Request) -> Option<ServerRequest> {
        if request.method() == &Method::Ping {
            let _ = self.post(Response::new(request.id(), "{}").bytes()).await;
            return None;
        }
        let server = Arc::clone(self);
        match self.askable.question(request, server) {
            Ok(question) => Some(question),
            Err(refusal) => {
                let _ = self.post(refusal.bytes()).await;
                None
            }
        }
    }

    async fn refuse(&self, id: &Id) {
        let error = ErrorObject::new(code::METHOD_NOT_FOUND, "no client can be asked");
        let _ = self.post(error.to_response(Some(id))).await;
    }
}

#[async_trait]
impl Respond for HttpSession {
    async fn respond(&self, response: Response) -> Result<(), UpstreamError> {
        self.post(response.bytes()).await
    }

    async fn notify(&self, notification: Notification) -> Result<(), UpstreamError> {
        self.post(notification.bytes()).await
    }
}

/// A request that has been sent.
struct Asked {
    number: i64,
    /// The identifier that the caller gave.
    id: Id,
    progress_token: Option<Box<str>>,
    session: Arc<HttpSession>,
    /// How to tell the server when nobody waits any more; `None` once it has answered.
    cancel: Option<Cancel>,
}

impl Asked {
    fn new(number: i64, call: &Call<Prepared>, session: &Arc<HttpSession>) -> Self {
        Self {
            number,
            id: call.request().id().clone(),
            progress_token: call.request().meta(meta::PROGRESS_TOKEN).map(Into::into),
            session: Arc::clone(session),
            cancel: Some(Cancel::of(call)),
        }
    }

    fn answered(mut self) {
        self.cancel = None;
    }

    /// The message that the caller is to see; `None` when it is not meant for them.
    async fn take(&mut self, text: Bytes) -> Result<Option<Event>, UpstreamError> {
        Ok(match Message::parse(text)? {
            Message::Notification(notification) => {
                self.notified(notification).map(Event::Notification)
            }
            Message::Request(request) => self.session.asked(request).await.map(Event::Request),
            Message::Response(response) => {
                let number = Id::from(self.number);
                if response.id().is_some_and(|id| *id != number) {
                    return Err(wrong_id());
                }
                self.cancel = None;
                Some(Event::Response(response.with_id(&self.id)))
            }
        })
    }

    fn notified(&self, notification: Notification) -> Option<Notification> {
        match (notification.method(), &self.progress_token) {
            (Method::Progress, Some(token)) => notification.with_param("progressToken", token),
            (Method::Progress, None) => None,
            _ => Some(notification),
        }
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if self.cancel.take().is_some_and(|cancel| cancel.wanted()) {
            let params = format!("{{\"requestId\":{}}}", self.number);
            let cancelled = Notification::new(&Method::Cancelled, Some(&params));
            let session = Arc::clone(&self.session);
            Task::detach(async move {
                let post = session.post(cancelled.bytes());
                let _ = time::timeout(CANCEL_TIMEOUT, post).await;
            });
        }
    }
}

impl fmt::Debug for HttpSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSession")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// How long a server may take to open the stream of what belongs to no call.
const ATTEND_TIMEOUT: Duration = Duration::from_secs(2);

/// How long telling the server may take that nobody waits any more.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// How many events may wait for a listener that is slow. There is room for all of them from the
/// beginning, so what waits is small.
const EVENTS: usize = 128;

/// The longest pause before a stream is opened again.
const MAX_RETRY: Duration = Duration::from_secs(60);

/// The pause before a stream is opened again, where the server does not say.
const RETRY: Duration = Duration::from_secs(1);
