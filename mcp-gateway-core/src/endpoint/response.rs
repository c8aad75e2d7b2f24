//! HTTP responses of the endpoint.

use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use futures_util::{StreamExt, stream};
use http::{HeaderValue, Response, StatusCode, header};
use tokio::time;

use super::Body;
use crate::Error;
use crate::error::{AuthError, UpstreamError};
use crate::jsonrpc::{ErrorObject, Id};
use crate::problem::Problem;
use crate::protocol::{Era, Method};
use crate::reply::{JsonBody, ReplyEvent, ReplyStream, ServerRequest};
use crate::sse::KEEP_ALIVE;

/// Returns the response for `error` to a client of the given era.
pub(crate) fn error(error: &Error, id: Option<&Id>, era: Era) -> Response<Body> {
    error_of(error, id, None, era)
}

/// Returns the response for `error` to a request of `method`.
pub(super) fn error_of(
    error: &Error,
    id: Option<&Id>,
    method: Option<&Method>,
    era: Era,
) -> Response<Body> {
    let problem = Problem::from(error).in_era(era);
    let id = id.or(problem.id.as_ref());
    let body = Body::full(problem.to_answer(id, method, era));
    let mut response = with_type(problem.to_response(body), APPLICATION_JSON);
    // To a legacy client, the status 404 of a request within a session means that the session has
    // ended.
    if problem.status == StatusCode::NOT_FOUND
        && era == Era::Legacy
        && id.is_some()
        && !matches!(error, Error::Session(_))
    {
        *response.status_mut() = StatusCode::OK;
    }
    response
}

/// Returns a response with a complete JSON document.
pub(super) fn document(json: Bytes) -> Response<Body> {
    with_type(Response::new(Body::full(json)), APPLICATION_JSON)
}

/// Returns a response with a streamed JSON document.
pub(super) fn json(status: StatusCode, body: JsonBody) -> Response<Body> {
    let mut response = with_type(Response::new(Body::json(body)), APPLICATION_JSON);
    *response.status_mut() = status;
    response
}

/// Returns a response without content.
pub(super) fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Returns a response with an event stream, kept alive by comments.
pub(crate) fn event_stream(events: impl Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    let mut response = with_type(
        Response::new(Body::stream(kept_alive(events))),
        EVENT_STREAM,
    );
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Sets the content type.
fn with_type(mut response: Response<Body>, content_type: &'static str) -> Response<Body> {
    let content_type = HeaderValue::from_static(content_type);
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, content_type);
    response
}

/// Adds a comment whenever no event has occurred for [`KEEP_ALIVE_AFTER`].
fn kept_alive(
    events: impl Stream<Item = Bytes> + Send + 'static,
) -> impl Stream<Item = Bytes> + Send + 'static {
    stream::unfold(Box::pin(events), |mut events| async move {
        let event = match time::timeout(KEEP_ALIVE_AFTER, events.next()).await {
            Ok(event) => event?,
            Err(_) => Bytes::from_static(KEEP_ALIVE),
        };
        Some((event, events))
    })
}

/// Returns the error response for a server that failed in the middle of a reply.
pub(super) fn failure_message(events: &ReplyStream, error: UpstreamError, id: &Id) -> Bytes {
    events.problem(error).error.to_response(Some(id))
}

/// Rejects a request of a server that the client cannot receive.
pub(super) async fn reject_server_request(request: &ServerRequest) {
    // A server that is gone needs no answer.
    let _ = request.reject(&ErrorObject::method_not_found()).await;
}

/// Reads the final response of a reply, for a client that does not accept event streams.
pub(super) async fn without_events(mut events: ReplyStream, id: &Id) -> Bytes {
    loop {
        match events.next().await {
            Some(Ok(ReplyEvent::Response(response))) => return response.bytes(),
            Some(Ok(ReplyEvent::Notification(_))) => {}
            Some(Ok(ReplyEvent::Request(request))) => reject_server_request(&request).await,
            Some(Err(error)) => return failure_message(&events, error, id),
            None => return failure_message(&events, UpstreamError::Closed, id),
        }
    }
}

/// Media type of JSON.
const APPLICATION_JSON: &str = "application/json";
/// Media type of event streams.
const EVENT_STREAM: &str = "text/event-stream";

/// Interval between comments. Proxies commonly close connections that are idle for 30 or 60
/// seconds.
const KEEP_ALIVE_AFTER: Duration = Duration::from_secs(15);

/// Returns the response to a request that its client has cancelled.
pub(super) fn cancelled_message(id: &Id) -> Bytes {
    ErrorObject::new(CANCELLED, "Request cancelled").to_response(Some(id))
}

/// Returns the response to a request whose credential has been revoked meanwhile.
pub(super) fn revoked_message(id: &Id) -> Bytes {
    let problem = Problem::from(&Error::from(AuthError::InvalidToken));
    problem.error.to_response(Some(id))
}

/// Code for cancelled requests from the language server protocol, with the text of SDKs; MCP defines
/// none.
const CANCELLED: i64 = -32800;
