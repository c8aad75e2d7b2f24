//! Responses of an HTTP endpoint to JSON-RPC messages.
//!
//! See [MCP 2026-07-28, Streamable
//! HTTP](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http).

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Response, StatusCode, header};
use http_body_util::BodyExt;

use crate::Reply;
use crate::challenge::Challenge;
use crate::error::UpstreamError;
use crate::jsonrpc::{Id, Scanner};
use crate::protocol::header::without_parameters;
use crate::reply::{JsonBody, RejectedBody};
use crate::transport::HttpBody;

/// Response to a JSON-RPC request, classified by status and content type.
pub(super) enum PostResponse {
    /// Event stream with a success status; its end is the response to the request.
    Events(HttpBody),
    /// JSON document, with any status that can carry one.
    Json(Response<HttpBody>),
    /// Neither of both: an empty response, another content type, or an error without a JSON
    /// document.
    Other(StatusCode),
}

impl PostResponse {
    /// Classifies a response by its head, without reading its body.
    ///
    /// # Errors
    ///
    /// For a status that never carries a JSON-RPC message:
    ///
    /// - [`UpstreamError::Unauthorized`] for 401 and 403;
    /// - [`UpstreamError::Overloaded`] for 429, with the delay of `Retry-After`;
    /// - [`UpstreamError::Redirect`] for redirects, which are not followed.
    pub(super) fn from_http(response: Response<HttpBody>) -> Result<Self, UpstreamError> {
        let status = response.status();
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                let challenge = Challenge::new(status, response.headers());
                return Err(UpstreamError::Unauthorized { challenge });
            }
            StatusCode::TOO_MANY_REQUESTS => {
                let retry_after = retry_after(response.headers());
                return Err(UpstreamError::Overloaded { retry_after });
            }
            status if status.is_redirection() => return Err(UpstreamError::Redirect),
            _ => {}
        }
        Ok(match content_type(response.headers()) {
            Some(JSON) => Self::Json(response),
            Some(EVENT_STREAM) if status.is_success() => Self::Events(response.into_body()),
            _ => Self::Other(status),
        })
    }
}

/// Returns `true` if a response has the content type of a document or of a stream, and a status
/// that can carry a message.
pub(super) fn is_message(response: &Response<HttpBody>) -> bool {
    match content_type(response.headers()) {
        Some(JSON) => true,
        Some(_) => response.status().is_success(),
        None => false,
    }
}

/// Validates the response to a message that requires none.
///
/// # Errors
///
/// [`UpstreamError::Status`] if the server has rejected the message.
pub(super) fn accepted(response: &Response<HttpBody>) -> Result<(), UpstreamError> {
    match response.status() {
        status if status.is_success() => Ok(()),
        status => Err(UpstreamError::Status(status)),
    }
}

/// Returns the error for a response that is neither a document nor a stream.
///
/// With a success status it is invalid; otherwise the status is the error.
pub(super) fn no_message(status: StatusCode) -> UpstreamError {
    match status.is_success() {
        true => UpstreamError::invalid(format_args!("status {status} without a JSON-RPC message")),
        false => UpstreamError::Status(status),
    }
}

/// Returns `true` if an error denotes an unknown or missing session.
///
/// Servers respond with status 404, as the specification requires, or with another status and a
/// code that the reference implementation uses for this case. A 404 with another code is an error
/// of the request.
pub(super) fn wants_session(status: StatusCode, code: Option<i64>) -> bool {
    let without_code = code.is_none() || code == Some(0);
    code.is_some_and(|code| NO_SESSION.contains(&code))
        || (status == StatusCode::NOT_FOUND && without_code)
}

/// Returns the reply for a document with a success status, whose body may still be arriving.
///
/// The server received the request as `seen`; the reply has the identifier `id` of the caller. The
/// beginning of the document is read to find and replace the identifier, the rest is streamed.
///
/// # Errors
///
/// [`RejectedBody`] if the document is not a response to that request.
pub(super) async fn scan_json(
    response: Response<HttpBody>,
    seen: Id,
    id: &Id,
) -> Result<Reply, RejectedBody> {
    let body = JsonBody::buffer(response.into_body(), Scanner::new(seen, id)).await?;
    // To a client, `202 Accepted` for a request would mean that no response follows.
    let status = StatusCode::OK;
    Ok(Reply::Json { status, body })
}

/// Reads a document of at most `limit` bytes into memory.
///
/// # Errors
///
/// [`UpstreamError::TooLarge`] beyond the limit, [`UpstreamError::Closed`] if the connection
/// breaks.
pub(super) async fn read_text(mut body: HttpBody, limit: usize) -> Result<Bytes, UpstreamError> {
    let mut text = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| UpstreamError::Closed)?;
        if let Ok(data) = frame.into_data() {
            if text.len() + data.len() > limit {
                return Err(UpstreamError::TooLarge { limit });
            }
            text.extend_from_slice(&data);
        }
    }
    Ok(text.freeze())
}

/// Returns the content type if it is one of the two that MCP uses.
fn content_type(headers: &HeaderMap) -> Option<&'static str> {
    let value = headers.get(header::CONTENT_TYPE)?.as_bytes();
    let essence = without_parameters(value);
    [JSON, EVENT_STREAM]
        .into_iter()
        .find(|known| essence.eq_ignore_ascii_case(known.as_bytes()))
}

/// Returns the delay of `Retry-After` in seconds; one second if it is absent.
fn retry_after(headers: &HeaderMap) -> Duration {
    let seconds = headers
        .get(header::RETRY_AFTER)
        .and_then(|value| value.to_str().ok()?.trim().parse().ok())
        .unwrap_or(1);
    Duration::from_secs(seconds)
}

/// Content type of event streams.
pub(super) const EVENT_STREAM: &str = "text/event-stream";
/// Content type of JSON documents.
pub(super) const JSON: &str = "application/json";
/// Codes of the reference implementation for a request without a session, or of an unknown one.
const NO_SESSION: [i64; 2] = [-32000, -32001];

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn the_content_type_is_that_before_the_parameters() {
        let table = [
            (&b"application/json"[..], Some(JSON)),
            (b"Application/JSON ; charset=utf-8", Some(JSON)),
            (b"text/event-stream;charset=\xff", Some(EVENT_STREAM)),
            (b"application/jsonp", None),
            (b"", None),
        ];
        for (value, expected) in table {
            let mut headers = HeaderMap::new();
            headers.insert(
                header::CONTENT_TYPE,
                HeaderValue::from_bytes(value).unwrap(),
            );
            assert_eq!(content_type(&headers), expected, "{value:?}");
        }
    }
}
