//! Connections of the legacy era over Streamable HTTP.
//!
//! A connection is a session on the server. Requests are POSTs; the server may answer each of them
//! with an event stream, which is resumed if it breaks. All other messages arrive on the
//! *standalone stream*, a GET that a background task keeps open as long as the session.
//!
//! See [MCP 2025-11-25, Streamable
//! HTTP](https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http).

mod in_flight;
mod lost;
mod progress;
mod standalone;
mod stream;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{StatusCode, Uri};
use tokio::sync::broadcast;

use self::in_flight::InFlightRequest;
use self::progress::ProgressTokens;
pub(super) use self::standalone::Attendance;
use self::standalone::Opening;
use self::stream::messages;
use super::connection::{SendError, UpstreamConnection};
use super::http_endpoint::HttpEndpoint;
use super::modern_http::{add, trace_headers};
use super::post_response::{self, PostResponse};
use super::request_ids::RequestIds;
use super::roots::Askable;
use super::unsolicited::UnsolicitedMessages;
use super::{DiscoverResult, encode};
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::jsonrpc::{ErrorObject, Id, Message, Notification, Request, Response};
use crate::protocol::{ListKind, Method};
use crate::reply::{self, ReplyEvent, Responder, ServerRequest};
use crate::signal::Signal;
use crate::task::BackgroundTask;
use crate::trace::SessionTimer;
use crate::transport::HttpBody;
use crate::{Call, Reply};

/// A session of the legacy era over Streamable HTTP.
///
/// Callers may share it, so requests are sent under identifiers of the gateway, and progress tokens
/// are replaced likewise. Closing it deletes the session on the server.
#[derive(Debug)]
pub(super) struct LegacyHttpConnection {
    /// State that background tasks share.
    session: Arc<HttpSession>,
    /// Self-description of the server.
    info: DiscoverResult,
    /// Identifiers of requests.
    ids: RequestIds,
    /// Task that reads the standalone stream.
    _standalone: BackgroundTask,
    /// Reports the end of the session.
    timer: OnceLock<SessionTimer>,
}

/// The session on the server, shared with the tasks that read its streams.
pub(super) struct HttpSession {
    /// Client of the endpoint, with the session ID.
    server: HttpEndpoint,
    /// Messages outside of any request.
    events: UnsolicitedMessages,
    /// Set when the session has ended: closed here, or unknown to the server.
    ended: Signal,
    /// State of the standalone stream.
    opening: Opening,
    /// Rules for the requests that the server may send to clients.
    askable: Askable,
    /// Progress tokens of the requests in flight.
    progress: ProgressTokens,
}

impl LegacyHttpConnection {
    /// Creates a connection from an initialized session, and opens the standalone stream.
    pub(super) fn new(session: HttpSession, info: DiscoverResult) -> Self {
        let session = Arc::new(session);
        let standalone = Arc::clone(&session).read_standalone_stream();
        Self {
            session,
            info,
            // 0 was that of `initialize`.
            ids: RequestIds::from(1),
            _standalone: BackgroundTask::spawn(standalone),
            timer: OnceLock::new(),
        }
    }
}

#[async_trait]
impl UpstreamConnection for LegacyHttpConnection {
    fn server_info(&self) -> &DiscoverResult {
        &self.info
    }

    async fn send(&self, call: &Call<Prepared>) -> Result<Reply, SendError> {
        if !self.session.opening.is_settled() && may_cause_requests(call.request().method()) {
            self.ready().await;
        }
        let number = self.ids.issue(call.request().id());
        let headers = || {
            let mut headers = self.session.server.headers();
            add(&mut headers, call.caller().headers());
            trace_headers(&mut headers, call);
            for (name, value) in call.credential().headers() {
                headers.insert(name, value.clone());
            }
            Ok(headers)
        };
        let body = encode::encode(call, self.info.version, Some(number.into()));
        let asked = InFlightRequest::new(number, call, &self.session);
        let response = self.session.server.post(headers, body).await?;
        let status = response.status();
        let response = match PostResponse::from_http(response) {
            Ok(response) => response,
            Err(error) => {
                asked.complete();
                return Err(Box::pin(self.failed(call, status, error)).await);
            }
        };
        match response {
            PostResponse::Json(response) if status.is_success() => {
                let json = post_response::scan_json(response, Id::from(number), &asked.id).await;
                asked.complete();
                let reply = json.map_err(|it| UpstreamError::invalid(it.into_error()))?;
                let suspect = reply.error_code().is_some_and(lost::concerns_session);
                if suspect && Box::pin(self.is_lost(call)).await {
                    return Err(SendError::Closed(UpstreamError::Closed));
                }
                Ok(reply)
            }
            PostResponse::Json(response) => Box::pin(self.read_error(call, response, asked)).await,
            PostResponse::Events(body) => Ok(Reply::Events(messages(asked, body))),
            PostResponse::Other(StatusCode::NOT_FOUND) if self.session.server.has_session() => {
                Err(self.session_lost(asked, status))
            }
            PostResponse::Other(_) => {
                let error = post_response::no_message(status);
                asked.complete();
                Err(Box::pin(self.failed(call, status, error)).await)
            }
        }
    }

    async fn notify(
        &self,
        call: &Call<Prepared>,
        notification: &Notification,
    ) -> Result<(), UpstreamError> {
        let text = encode::encode_notification(call, notification, self.info.version);
        self.session.post(text).await
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<ReplyEvent>> {
        self.session.events.subscribe()
    }

    async fn ready(&self) {
        self.session.opening.wait().await;
    }

    fn set_timer(&self, timer: SessionTimer) {
        // There is one.
        let _ = self.timer.set(timer);
    }

    fn peer(&self) -> Option<&Uri> {
        Some(self.session.server.transport.uri())
    }

    fn is_open(&self) -> bool {
        !self.session.ended.is_set()
    }

    async fn closed(&self) {
        self.session.ended.wait().await;
    }

    async fn close(&self) {
        let is_first = self.session.ended.set();
        self.session.events.close();
        if is_first && self.session.server.has_session() {
            // If the server refuses to delete the session, it expires by itself.
            let _ = self.session.server.delete().await;
        }
    }
}

impl LegacyHttpConnection {
    /// Handles a JSON document with an error status.
    ///
    /// A JSON-RPC error is a reply with that status, unless it shows that the server has lost the
    /// session.
    async fn read_error(
        &self,
        call: &Call<Prepared>,
        response: http::Response<HttpBody>,
        asked: InFlightRequest,
    ) -> Result<Reply, SendError> {
        let (status, has_session) = (response.status(), self.session.server.has_session());
        let text =
            post_response::read_text(response.into_body(), self.session.server.limit()).await?;
        let Ok(Message::Response(error)) = Message::parse(text) else {
            if status == StatusCode::NOT_FOUND && has_session {
                return Err(self.session_lost(asked, status));
            }
            asked.complete();
            return Err(self
                .failed(call, status, UpstreamError::Status(status))
                .await);
        };
        let code = error.result().err().map(ErrorObject::code_of);
        if has_session && lost::is_named(status, code) {
            return Err(self.session_lost(asked, status));
        }
        let reply = reply::single_response(status, &error.with_id(&asked.id));
        asked.complete();
        Ok(reply)
    }

    /// Marks the session as lost: it is unknown to the server, so the request was not executed and
    /// may be sent again.
    fn session_lost(&self, asked: InFlightRequest, status: StatusCode) -> SendError {
        asked.complete();
        self.session.ended.set();
        SendError::Closed(UpstreamError::Status(status))
    }
}

impl HttpSession {
    /// Creates the state of an initialized session, whose ID and protocol version `server` sends.
    pub(super) fn new(server: HttpEndpoint, askable: Askable, attendance: Arc<Attendance>) -> Self {
        Self {
            server,
            events: UnsolicitedMessages::new(EVENTS),
            ended: Signal::new(),
            opening: Opening::new(attendance),
            askable,
            progress: ProgressTokens::default(),
        }
    }

    /// Sends a message that requires no response.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Status`] if the server rejects it, otherwise those of the request.
    async fn post(&self, message: Bytes) -> Result<(), UpstreamError> {
        let response = self
            .server
            .post(|| Ok(self.server.headers()), message)
            .await?;
        post_response::accepted(&response)
    }

    /// Prepares a request of the server for the client; `None` if the gateway has answered it
    /// itself: `ping`, and `roots/list` where the policy excludes it.
    async fn on_request(self: &Arc<Self>, request: Request) -> Option<ServerRequest> {
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
}

#[async_trait]
impl Responder for HttpSession {
    async fn respond(&self, response: Response) -> Result<(), UpstreamError> {
        match self.ended.is_set() {
            true => Err(UpstreamError::Closed),
            false => self.post(response.bytes()).await,
        }
    }

    async fn notify(&self, notification: Notification) -> Result<(), UpstreamError> {
        self.post(notification.bytes()).await
    }
}

impl fmt::Debug for HttpSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSession")
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

/// Returns `true` if a server may send requests or log messages on the standalone stream while it
/// handles a request with this method. Lists, which are awaited with those of other servers, cause
/// none.
fn may_cause_requests(method: &Method) -> bool {
    ListKind::from_method(method).is_none()
}

/// Maximum number of queued messages per subscriber.
///
/// The memory is allocated in advance, so the number is small.
const EVENTS: usize = 128;

/// Maximum delay before a stream is reopened.
const MAX_RETRY: Duration = Duration::from_secs(60);

/// Delay before a stream is reopened if the server does not set one.
const RETRY: Duration = Duration::from_secs(1);
