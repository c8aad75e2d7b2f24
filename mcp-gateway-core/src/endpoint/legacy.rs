//! Requests of the legacy era, which belong to a session.
//!
//! See [MCP 2025-11-25,
//! lifecycle](https://modelcontextprotocol.io/specification/2025-11-25/basic/lifecycle).

mod initialize;
mod settings;

use std::sync::Arc;

use bytes::Bytes;
use futures_util::StreamExt;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use tower::ServiceExt;

use super::headers::{accepts, takes_events};
use super::in_flight::InFlightRequest;
use super::incoming::handle_response;
use super::modern::HeaderVersion;
use super::reply_writer::{MessageSink, ReplyWriter};
use super::{Body, CallService, response, stream};
use crate::auth::{Authentication, Principal, VerifiedHead};
use crate::call::StandsFor;
use crate::error::{RequestError, RouteError};
use crate::json::object_json;
use crate::jsonrpc::{Id, Message, Request, Response as Rpc};
use crate::list_changes::ChangedList;
use crate::protocol::{
    Era, Method, ProtocolVersion,
    header::{LAST_EVENT_ID, MCP_SESSION_ID},
};
use crate::reply::{JsonBody, ReplyEvent, ReplyStream};
use crate::session::{EventLog, Session, Sessions};
use crate::task::BackgroundTask;
use crate::upstream::SubscriptionFilter;
use crate::{Call, Caller, ClientInfo, Drain, Error, Reply};

/// Server of the sessions of a principal.
#[derive(Clone, Debug)]
pub(super) struct LegacyHandler<S> {
    /// Inner service for calls.
    pub(super) inner: S,
    /// Registry of sessions.
    pub(super) sessions: Sessions,
    /// Name of the gateway.
    pub(super) gateway: Arc<str>,
    /// Authenticated caller.
    pub(super) principal: Principal,
    /// Head of the request; `None` if the caller was authenticated by other means.
    pub(super) verified: Option<VerifiedHead>,
    /// Signal of the shutdown.
    pub(super) drain: Drain,
    /// Headers that are forwarded to HTTP servers; `None` for a transport without headers.
    pub(super) headers: Option<HeaderMap>,
}

/// Answer to a request within a session.
pub(super) enum SessionResponse {
    /// The client has cancelled the request.
    Cancelled,
    Events(ReplyStream, InFlightRequest),
    Json(JsonBody),
    Text(Bytes),
}

impl<S: CallService> LegacyHandler<S> {
    /// Answers a `POST` request.
    pub(super) async fn post(
        &self,
        parts: &Parts,
        version: &HeaderVersion,
        message: Message,
    ) -> Result<Response<Body>, Error> {
        if let Message::Request(request) = &message
            && request.method() == &Method::Initialize
        {
            let (id, result) = Box::pin(self.initialize(request)).await?;
            let mut response = response::document(result);
            if let Ok(id) = HeaderValue::from_str(&id) {
                response.headers_mut().insert(MCP_SESSION_ID, id);
            }
            return Ok(response);
        }
        let (session_id, session) = self.session(parts, version)?;
        match message {
            Message::Notification(notification) => {
                Box::pin(self.on_notification(&session, notification)).await;
                Ok(response::status(StatusCode::ACCEPTED))
            }
            Message::Request(request) => {
                let id = request.id().clone();
                let answered = self.request(&session, request).await?;
                Ok(self
                    .write(&session, answered, takes_events(&parts.headers), &id)
                    .await)
            }
            Message::Response(response) => {
                Box::pin(handle_response(&session, session_id, &response)).await;
                Ok(response::status(StatusCode::ACCEPTED))
            }
        }
    }

    /// Returns the session that the headers name, with its ID. It is bound to the credential of the
    /// request.
    fn session<'a>(
        &self,
        parts: &'a Parts,
        version: &HeaderVersion,
    ) -> Result<(&'a str, Arc<Session>), Error> {
        match version {
            HeaderVersion::Unknown(requested) => {
                let requested = requested.clone();
                return Err(RequestError::UnsupportedProtocolVersion { requested }.into());
            }
            HeaderVersion::Known(version) if version.era() == Era::Modern => {
                let detail = "MCP-Protocol-Version names a revision without sessions".into();
                return Err(RequestError::HeaderMismatch { detail }.into());
            }
            HeaderVersion::Known(_) | HeaderVersion::Missing => {}
        }
        let id = parts
            .headers
            .get(MCP_SESSION_ID)
            .ok_or(RequestError::MissingSession)?;
        // A value that is not text cannot be a session ID of this gateway.
        let id = id.to_str().unwrap_or_default();
        let session = self.sessions.find(id, &self.principal, &self.gateway)?;
        if self.verified.is_some() && session.needs_lease(&self.principal) {
            let authentication = Authentication::new(self.principal.clone(), self.verified.clone());
            self.sessions.extend_lease(id, &session, authentication);
        }
        Ok((id, session))
    }

    /// Converts an answer into an HTTP response.
    async fn write(
        &self,
        session: &Arc<Session>,
        answered: SessionResponse,
        takes_events: bool,
        id: &Id,
    ) -> Response<Body> {
        match answered {
            // Over HTTP, a request ends with a response.
            SessionResponse::Cancelled => response::document(response::cancelled_message(id)),
            SessionResponse::Text(text) => response::document(text),
            SessionResponse::Json(body) => response::json(StatusCode::OK, body),
            SessionResponse::Events(events, _) if !takes_events => {
                response::document(Box::pin(response::without_events(events, id)).await)
            }
            SessionResponse::Events(events, in_flight) => {
                let (stream_id, log) = session.state().open_stream();
                if session.version() >= ProtocolVersion::V2025_11_25 {
                    // Gives the client an event ID for resumption, even if no other event has
                    // occurred.
                    log.push(Bytes::new());
                }
                let reader = log.read(0);
                let writer =
                    ReplyWriter::new(Arc::clone(session), id.clone(), MessageSink::Log(log));
                let session = Arc::clone(session);
                // The stream runs on without the client, which may resume it.
                BackgroundTask::detach(async move {
                    writer.run(events, in_flight).await;
                    session.state().end_stream(stream_id);
                });
                response::event_stream(stream::of_session(reader, stream_id, self.drain.clone()))
            }
        }
    }

    /// Opens the standalone stream, or resumes a broken stream.
    pub(super) async fn get(
        &self,
        parts: &Parts,
        version: &HeaderVersion,
    ) -> Result<Response<Body>, Error> {
        let headers = &parts.headers;
        let (_, session) = self.session(parts, version)?;
        if !accepts(headers, "text/event-stream") {
            return Err(RequestError::Accept.into());
        }
        let (id, reader) = match headers.get(LAST_EVENT_ID) {
            Some(last) => {
                let (id, number) = last
                    .to_str()
                    .ok()
                    .and_then(stream::event_id)
                    .ok_or(RequestError::UnknownEventStream)?;
                let log = session
                    .state()
                    .stream(id)
                    .ok_or(RequestError::UnknownEventStream)?;
                let next = number.saturating_add(1);
                if id == stream::STANDALONE {
                    restart_list_changes(&session, &log, Some(next));
                }
                (id, log.read(next))
            }
            None => {
                let log = session.state().standalone();
                restart_list_changes(&session, &log, None);
                (stream::STANDALONE, log.read_on())
            }
        };
        if id == stream::STANDALONE && !session.state().is_listening() {
            self.subscribe(&session).await;
        }
        Ok(response::event_stream(stream::of_session(
            reader,
            id,
            self.drain.clone(),
        )))
    }

    /// Ends a session.
    pub(super) fn delete(
        &self,
        parts: &Parts,
        version: &HeaderVersion,
    ) -> Result<Response<Body>, Error> {
        let (id, session) = self.session(parts, version)?;
        self.sessions.end(id, &session);
        Ok(response::status(StatusCode::NO_CONTENT))
    }

    /// Creates a call within the session.
    fn call(&self, session: &Arc<Session>, request: Request) -> Call {
        Call::trusted(request, self.caller(session))
    }

    /// Returns the caller of the session.
    pub(super) fn caller(&self, session: &Arc<Session>) -> Arc<Caller> {
        let client = ClientInfo::in_session(Arc::clone(session));
        let caller = Caller::new(self.principal.clone(), Arc::clone(&self.gateway), client)
            .with_verified(self.verified.clone());
        Arc::new(match &self.headers {
            Some(headers) => caller.with_headers(headers.clone()),
            None => caller,
        })
    }

    /// Answers a request within a session.
    pub(super) async fn request(
        &self,
        session: &Arc<Session>,
        request: Request,
    ) -> Result<SessionResponse, Error> {
        let id = request.id().clone();
        let empty = || SessionResponse::Text(Rpc::new(&id, "{}").bytes());
        #[expect(clippy::wildcard_enum_match_arm, reason = "all others are forwarded")]
        match request.method() {
            Method::Ping => Ok(empty()),
            Method::Initialize => {
                let what = "initialize within a session".into();
                Err(RequestError::UnexpectedMessage { what }.into())
            }
            Method::LoggingSetLevel => Box::pin(self.set_level(session, request)).await,
            Method::ResourcesSubscribe | Method::ResourcesUnsubscribe => {
                Box::pin(self.change_subscription(session, request)).await
            }
            Method::ServerDiscover | Method::SubscriptionsListen => {
                let method = request.method().as_str().into();
                Err(RouteError::UnknownMethod { method }.into())
            }
            _ => self.forward(session, request).await,
        }
    }

    /// Forwards a request; cancels it if the client does.
    async fn forward(
        &self,
        session: &Arc<Session>,
        request: Request,
    ) -> Result<SessionResponse, Error> {
        let id = request.id().clone();
        let in_flight = InFlightRequest::start(session, &id)?;
        let cancellation = in_flight.cancellation.clone();
        let call = self
            .call(session, request)
            .with_cancellation(cancellation.clone());
        let reply = tokio::select! {
            reply = self.inner.clone().oneshot(call) => reply?,
            () = cancellation.cancelled() => return Ok(SessionResponse::Cancelled),
        };
        Ok(match reply {
            Reply::Events(events) => SessionResponse::Events(events, in_flight),
            Reply::Json { body, .. } => SessionResponse::Json(body),
        })
    }

    /// Subscribes to the servers on behalf of the client, with its current subscriptions.
    ///
    /// Returns once the servers have acknowledged.
    pub(super) async fn subscribe(&self, session: &Arc<Session>) {
        // Otherwise a subscription could be replaced by one that began before it, with fewer URIs.
        let _subscribing = session.subscribing().await;
        let mut filter = SubscriptionFilter::all_lists();
        filter.resource_subscriptions = session.state().subscriptions.clone();
        let params = object_json(&[("notifications", filter.to_json().into())]);
        let request = Request::new(&Id::from("listen"), &Method::SubscriptionsListen, &params);
        let mut call = self.call(session, request);
        call.extensions_mut().insert(StandsFor::Nothing);
        let reply = self.inner.clone().oneshot(call).await;
        let Ok(Reply::Events(mut events)) = reply else {
            tracing::warn!("subscription to servers failed");
            return;
        };
        // The first message is the acknowledgement, which does not exist in a session.
        if events.next().await.is_none() {
            return;
        }
        let weak = Arc::downgrade(session);
        let listening = BackgroundTask::spawn(async move {
            while let Some(Ok(event)) = events.next().await {
                let Some(session) = weak.upgrade() else {
                    return;
                };
                let log = session.state().standalone();
                if let ReplyEvent::Notification(notification) = &event
                    && let Some(list) = ChangedList::of(notification.method())
                {
                    log.push_list_change(list, notification.bytes());
                    continue;
                }
                let writer = ReplyWriter::new(session, Id::from("listen"), MessageSink::Log(log));
                writer.write(event).await;
            }
        });
        let before = session.state().subscription.replace(listening);
        if let Some(before) = before {
            // Until then, the servers count it as that of another client.
            before.stop().await;
        }
    }
}

/// Begins a new interval for the notifications that the client receives with the events from
/// `next` on, which it has missed.
fn restart_list_changes(session: &Session, log: &EventLog, next: Option<u64>) {
    for list in log.unread_list_changes(next) {
        session.list_changes().restart(list);
    }
}
