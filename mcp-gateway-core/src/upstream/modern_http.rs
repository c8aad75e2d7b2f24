//! Connections of the modern era over Streamable HTTP.
//!
//! There is no state on the server: each request is a POST of its own, and its response a JSON
//! document or an event stream. So a connection is "open" until the server shows that it has become
//! a legacy one.
//!
//! See [MCP 2026-07-28, Streamable
//! HTTP](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http).

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderValue, StatusCode, Uri};
use tokio::sync::broadcast;

use super::connection::{SendError, UpstreamConnection};
use super::http_endpoint::{self, HttpEndpoint};
use super::malformed::log_malformed;
use super::post_response::{self, PostResponse};
use super::{DiscoverResult, encode};
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::jsonrpc::{ErrorObject, Id, Message, Notification};
use crate::protocol::{ProtocolVersion, header::MCP_PARAM_PREFIX, meta};
use crate::reply::{self, ReplyEvent, ReplyStream};
use crate::signal::Signal;
use crate::transport::{EventStream, HttpBody};
use crate::{Call, Reply};

/// A connection of the modern era over HTTP, where every request is independent.
///
/// This is the fast path: the identifier of the caller is kept, and a response is forwarded as it
/// arrives, without a copy of its body in memory.
#[derive(Debug)]
pub(super) struct ModernHttpConnection {
    /// Client of the endpoint.
    server: HttpEndpoint,
    /// Properties that the server declared.
    info: Arc<DiscoverResult>,
    /// Messages outside of any request: none, but the interface requires a channel.
    events: broadcast::Sender<Arc<ReplyEvent>>,
    /// Set when the server appears to have changed its era.
    changed: Signal,
}

impl ModernHttpConnection {
    /// Creates a connection to a discovered server.
    pub(super) fn new(server: HttpEndpoint, info: DiscoverResult) -> Self {
        Self {
            server: server.with_version(ProtocolVersion::LATEST),
            info: Arc::new(info),
            // The era has no messages outside of a request, so no capacity is needed.
            events: broadcast::channel(1).0,
            changed: Signal::new(),
        }
    }

    /// Returns the headers of a call: those of every request, those that the gateway forwards, the
    /// mirrored method, name and arguments, and the credential.
    ///
    /// Later ones replace earlier ones, so a client cannot set a header of the gateway.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Invalid`] if the method is not a valid header value.
    fn headers(&self, call: &Call<Prepared>) -> Result<HeaderMap, UpstreamError> {
        let mut headers = self.server.headers();
        add(&mut headers, call.caller().headers());
        let method = call.request().method();
        let name = method
            .name_param()
            .and_then(|_| call.target().feature.name());
        http_endpoint::mirror_headers(&mut headers, method.as_str(), name)?;
        trace_headers(&mut headers, call);
        for (name, value) in call.param_headers() {
            headers.insert(name, value.clone());
        }
        for (name, value) in call.credential().headers() {
            headers.insert(name, value.clone());
        }
        Ok(headers)
    }

    /// Handles a JSON document with an error status.
    ///
    /// A JSON-RPC error is a reply with that status, unless it shows that the server expects a
    /// session.
    async fn read_error(
        &self,
        response: http::Response<HttpBody>,
        id: &Id,
    ) -> Result<Reply, SendError> {
        let status = response.status();
        let text = post_response::read_text(response.into_body(), self.server.limit()).await?;
        let Ok(Message::Response(error)) = Message::parse(text) else {
            return Err(UpstreamError::Status(status).into());
        };
        if error.id().is_some_and(|other| !other.answers(id)) {
            return Err(wrong_id().into());
        }
        let code = error.result().err().map(ErrorObject::code_of);
        if post_response::wants_session(status, code) {
            return Err(self.era_changed(status));
        }
        Ok(reply::single_response(status, &error.with_id(id)))
    }

    /// Marks the server as one of the legacy era, which has not executed the request.
    ///
    /// The connection is closed thereby, and the caller connects again with a new detection.
    fn era_changed(&self, status: StatusCode) -> SendError {
        self.changed.set();
        SendError::Closed(UpstreamError::Status(status))
    }
}

/// Adds headers of the client that the gateway forwards; those of the gateway take precedence.
///
/// Mirrored arguments are left out: they are set from the validated ones.
pub(super) fn add(headers: &mut HeaderMap, forwarded: &HeaderMap) {
    for name in forwarded.keys() {
        if !name.as_str().starts_with(MCP_PARAM_PREFIX) && !headers.contains_key(name) {
            for value in forwarded.get_all(name) {
                headers.append(name, value.clone());
            }
        }
    }
}

/// Sets the headers of the trace of `call`, if it is traced; those of the client are replaced.
pub(super) fn trace_headers(headers: &mut HeaderMap, call: &Call<Prepared>) {
    let Some(context) = call.outgoing() else {
        return;
    };
    for name in [meta::TRACEPARENT, meta::TRACESTATE, meta::BAGGAGE] {
        headers.remove(name);
    }
    if let Ok(value) = HeaderValue::try_from(context.traceparent()) {
        headers.insert(meta::TRACEPARENT, value);
    }
    if let Some(Ok(value)) = context.state().map(HeaderValue::from_str) {
        headers.insert(meta::TRACESTATE, value);
    }
}

#[async_trait]
impl UpstreamConnection for ModernHttpConnection {
    fn server_info(&self) -> &DiscoverResult {
        &self.info
    }

    async fn send(&self, call: &Call<Prepared>) -> Result<Reply, SendError> {
        let body = encode::encode(call, ProtocolVersion::LATEST, None);
        let response = self.server.post(|| self.headers(call), body).await?;
        let id = call.request().id();
        match PostResponse::from_http(response)? {
            PostResponse::Json(response) if response.status().is_success() => {
                let rejected = match post_response::scan_json(response, id.clone(), id).await {
                    Ok(reply) => return Ok(reply),
                    Err(rejected) => rejected,
                };
                // Boxed, because the future of every call would be larger otherwise.
                let events = Box::pin(rejected.into_lines(self.server.limit())).await;
                let events = events.map_err(UpstreamError::invalid)?;
                Ok(Reply::Events(messages(events, id.clone())))
            }
            PostResponse::Json(response) => self.read_error(response, id).await,
            PostResponse::Events(body) => {
                let events = EventStream::new(body, self.server.limit());
                Ok(Reply::Events(messages(events, id.clone())))
            }
            PostResponse::Other(
                status @ (StatusCode::BAD_REQUEST
                | StatusCode::NOT_FOUND
                | StatusCode::METHOD_NOT_ALLOWED),
            ) => Err(self.era_changed(status)),
            PostResponse::Other(status) => Err(post_response::no_message(status).into()),
        }
    }

    async fn notify(
        &self,
        call: &Call<Prepared>,
        notification: &Notification,
    ) -> Result<(), UpstreamError> {
        let text = encode::encode_notification(call, notification, ProtocolVersion::LATEST);
        let response = self.server.post(|| self.headers(call), text).await?;
        post_response::accepted(&response)
    }

    fn subscribe(&self) -> broadcast::Receiver<Arc<ReplyEvent>> {
        self.events.subscribe()
    }

    fn peer(&self) -> Option<&Uri> {
        Some(self.server.transport.uri())
    }

    fn is_open(&self) -> bool {
        !self.changed.is_set()
    }

    async fn closed(&self) {
        self.changed.wait().await;
    }

    async fn close(&self) {}
}

/// Returns the messages of the event stream of the request `id`, up to its response or an error.
fn messages(events: EventStream, id: Id) -> ReplyStream {
    ReplyStream::new(stream::unfold(Some((events, id)), |state| async move {
        let (mut events, id) = state?;
        let item = next(&mut events, &id).await;
        let goes_on = matches!(item, Ok(ReplyEvent::Notification(_)));
        Some((item, goes_on.then_some((events, id))))
    }))
}

/// Waits for the next message of the request `id`.
///
/// Events that are no message for the request are skipped.
///
/// # Errors
///
/// [`UpstreamError::Closed`] if the stream ends without a response: a modern stream cannot be
/// resumed. [`UpstreamError::Invalid`] for a request of the server or a response to another
/// request.
async fn next(events: &mut EventStream, id: &Id) -> Result<ReplyEvent, UpstreamError> {
    loop {
        let event = events.next().await.unwrap_or(Err(UpstreamError::Closed))?;
        if !event.is_message() {
            continue;
        }
        let Some(message) = parse_event(event.data, id)? else {
            continue;
        };
        return match message {
            Message::Notification(notification) => Ok(ReplyEvent::Notification(notification)),
            Message::Response(response) => Ok(ReplyEvent::Response(response.with_id(id))),
            Message::Request(request) => Err(UpstreamError::invalid(format_args!(
                "server request {} is not allowed in this revision",
                request.method()
            ))),
        };
    }
}

/// Parses an event in the stream of the request `id`; `None` if it must be ignored.
///
/// Text that does not respond to the request, and a response to another one, do not end the call:
/// clients ignore them. A response to another request must not reach the caller in any case, because it
/// could disclose the data of another caller.
///
/// # Errors
///
/// [`UpstreamError::Invalid`] for a malformed response to the request.
pub(super) fn parse_event(text: Bytes, id: &Id) -> Result<Option<Message>, UpstreamError> {
    match Message::parse_answer(text) {
        Ok(Message::Response(response))
            if response.id().is_some_and(|other| !other.answers(id)) =>
        {
            tracing::debug!(id = ?response.id(), "unsolicited response from upstream");
            Ok(None)
        }
        Ok(message) => Ok(Some(message)),
        Err((error, found)) => {
            log_malformed(&error, found.as_ref());
            match found.is_some_and(|other| other.answers(id)) {
                true => Err(error.into()),
                false => Ok(None),
            }
        }
    }
}

/// Returns the error for a response to another request.
///
/// It is rejected instead of being ignored, because it could disclose the data of another caller.
pub(super) fn wrong_id() -> UpstreamError {
    UpstreamError::invalid("the response has the id of another request")
}
