//! Classification of what a server answers during the handshake.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::BodyExt;
use serde::Deserialize;
use tokio::time;

use crate::Mask;
use crate::error::{UpstreamError, error_chain};
use crate::jsonrpc::{ErrorObject, Id, Message, Response};
use crate::protocol::{ProtocolVersion, header::MCP_SESSION_ID};
use crate::transport::{EventStream, HttpBody};
use crate::upstream::DiscoverResult;
use crate::upstream::detection::{Cause, Rejection};
use crate::upstream::legacy_sse::SseStream;
use crate::upstream::post_response::{self, PostResponse};

/// Answer to a request of the handshake.
pub(super) type Answer = Result<Payload, Rejection>;

/// Content of an answer.
pub(super) enum Payload {
    /// A notification was accepted.
    Accepted,
    /// The event stream of HTTP+SSE is open.
    EventStream(Box<SseStream>),
    /// JSON-RPC response.
    Response(Received),
}

/// A JSON-RPC response, and the parts of the HTTP response that matter.
pub(super) struct Received {
    /// The response.
    response: Response,
    /// HTTP status; `None` over a channel.
    status: Option<StatusCode>,
    /// Session ID.
    pub(super) session: Option<HeaderValue>,
}

impl From<Response> for Payload {
    fn from(response: Response) -> Self {
        Self::Response(Received {
            response,
            status: None,
            session: None,
        })
    }
}

/// Parses the response to `server/discover`.
///
/// A result without required members is accepted if `lenient`.
pub(super) fn discover(
    received: &Received,
    lenient: bool,
    mask: &Mask,
) -> Result<DiscoverResult, Rejection> {
    let result = match received.response.result() {
        Ok(result) => result,
        Err(error) => return Err(received.error(error, mask)),
    };
    let listed = serde_json::from_str(result).map_or_else(|_| None, |Listed { versions }| versions);
    let info = match lenient {
        true => DiscoverResult::from_incomplete(result),
        false => DiscoverResult::from_discover(result),
    };
    let speaks_latest = |listed: &Vec<String>| {
        listed
            .iter()
            .any(|version| version == ProtocolVersion::LATEST.as_str())
    };
    match (info, listed) {
        (Ok(info), None) => Ok(info),
        (Ok(info), Some(listed)) if speaks_latest(&listed) => Ok(info),
        (_, Some(listed)) if !speaks_latest(&listed) => {
            let versions = known(&listed);
            let listed = format!("{listed:?}");
            let listed = mask.apply(&listed);
            Err(Rejection::new(
                Cause::Unsupported { versions },
                UpstreamError::invalid(format_args!("no common protocol version: {listed}")),
                format!("protocol versions {listed}"),
            ))
        }
        (Ok(_), _) => Err(received.invalid("inconsistent discover result", Cause::Invalid)),
        (Err(error), _) => {
            let incomplete = DiscoverResult::from_incomplete(result).is_ok();
            let cause = match incomplete {
                true => Cause::Incomplete,
                false => Cause::Invalid,
            };
            Err(received.invalid(&mask.apply(&error_chain(&error)), cause))
        }
    }
}

/// Parses the response to `initialize`.
pub(super) fn initialize(received: &Received, mask: &Mask) -> Result<DiscoverResult, Rejection> {
    match received.response.result() {
        Ok(result) => DiscoverResult::from_initialize(result).map_err(|error| {
            let error = error.masked(mask);
            let answer = error_chain(&error);
            Rejection::new(Cause::Invalid, error, answer)
        }),
        Err(error) => Err(received.error(error, mask)),
    }
}

impl Received {
    /// Returns the rejection by a JSON-RPC error.
    fn error(&self, error: &str, mask: &Mask) -> Rejection {
        let code = ErrorObject::code_of(error);
        let data: ErrorData = serde_json::from_str(error).unwrap_or_default();
        let listed = data.data.and_then(|data| data.supported);
        let failure = match &listed {
            Some(_) => "no common protocol version",
            None => "initialize failed",
        };
        let detail = UpstreamError::invalid(format_args!("{failure}: {}", mask.apply(error)));
        let contradicts =
            |versions: &Vec<ProtocolVersion>| versions.contains(&ProtocolVersion::LATEST);
        let versions = listed.map(|listed| known(&listed));
        let cause = match versions.filter(|versions| !contradicts(versions)) {
            Some(versions) => Cause::Unsupported { versions },
            None => Cause::Error { code },
        };
        let message = excerpt(&mask.apply(&ErrorObject::message_of(error)));
        Rejection::new(
            cause,
            detail,
            format!("{}error {code} {message}", self.prefix()),
        )
    }

    /// Returns the rejection of an invalid result.
    fn invalid(&self, detail: &str, cause: Cause) -> Rejection {
        let error = UpstreamError::invalid(detail);
        Rejection::new(cause, error, format!("{}{detail}", self.prefix()))
    }

    /// Returns the HTTP status if it is not a success.
    fn prefix(&self) -> String {
        let failed = self.status.filter(|status| !status.is_success());
        failed.map_or_else(String::new, |status| {
            format!("status {}, ", status.as_u16())
        })
    }
}

/// Reads the answer to the request `id`: a document or a stream of at most `limit` bytes per
/// message.
///
/// Quotes of anything else are masked with `mask`.
pub(super) async fn read(
    http: http::Response<HttpBody>,
    id: &Id,
    limit: usize,
    mask: &Mask,
) -> Answer {
    let (status, session) = (http.status(), session_of(&http));
    let received = |response| {
        Payload::Response(Received {
            response,
            status: Some(status),
            session,
        })
    };
    if post_response::is_message(&http) {
        return match PostResponse::from_http(http) {
            Ok(PostResponse::Json(http)) => {
                let text = post_response::read_text(http.into_body(), limit);
                let text = text.await.map_err(failed)?;
                match Message::parse(text.clone()) {
                    Ok(Message::Response(response)) => Ok(received(response)),
                    _ => Err(unexpected(status, None, &masked(&text, mask))),
                }
            }
            Ok(PostResponse::Events(body)) => response_in(body, id, limit).await.map(received),
            Ok(PostResponse::Other(status)) => Err(unexpected(status, None, "")),
            Err(error) => Err(refused(status, error, "")),
        };
    }
    let kind = http.headers().get(header::CONTENT_TYPE).cloned();
    let (head, body) = http.into_parts();
    let text = masked(&first_bytes(body).await, mask);
    let empty = HttpBody::new(http_body_util::Empty::new().map_err(|never| match never {}));
    match PostResponse::from_http(http::Response::from_parts(head, empty)) {
        Ok(_) => Err(unexpected(status, kind.as_ref(), &text)),
        Err(error) => Err(refused(status, error, &excerpt(&text))),
    }
}

/// Reads the answer to a notification.
pub(super) async fn notification(http: http::Response<HttpBody>, mask: &Mask) -> Answer {
    let status = http.status();
    if status.is_success() {
        return Ok(Payload::Accepted);
    }
    let text = masked(&first_bytes(http.into_body()).await, mask);
    Err(unexpected(status, None, &text))
}

/// Returns the rejection by an error of the transport.
pub(super) fn failed(error: UpstreamError) -> Rejection {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "other errors denote an invalid answer"
    )]
    let cause = match &error {
        UpstreamError::Closed => Cause::Closed,
        UpstreamError::Connect(_) | UpstreamError::NotRunning { .. } => Cause::Unreachable,
        UpstreamError::Overloaded { .. } => Cause::Status(StatusCode::TOO_MANY_REQUESTS),
        UpstreamError::Redirect => Cause::Status(StatusCode::FOUND),
        UpstreamError::Status(status) => Cause::Status(*status),
        UpstreamError::Unauthorized { challenge } => Cause::Status(challenge.status()),
        _ => Cause::Invalid,
    };
    let answer = match error {
        UpstreamError::Closed => "connection closed".to_owned(),
        ref error => error_chain(error),
    };
    Rejection::new(cause, error, answer)
}

/// Returns the rejection by a status that never carries a message.
fn refused(status: StatusCode, error: UpstreamError, text: &str) -> Rejection {
    let answer = format!("status {} {text}", status.as_u16());
    Rejection::new(Cause::Status(status), error, answer.trim_end())
}

/// Returns the rejection by anything that is no JSON-RPC response.
fn unexpected(status: StatusCode, kind: Option<&HeaderValue>, text: &str) -> Rejection {
    let mut answer = format!("status {}", status.as_u16());
    if let Some(kind) = kind.and_then(|kind| kind.to_str().ok()) {
        // Writing to a string is infallible.
        let _ = write!(answer, ", {kind}");
    }
    if !text.is_empty() {
        let _ = write!(answer, ", {}", excerpt(text));
    }
    let cause = match status.is_success() {
        true => Cause::Invalid,
        false => Cause::Status(status),
    };
    Rejection::new(cause, post_response::no_message(status), answer)
}

/// Reads an event stream up to the response to the request `id`. Anything else is ignored.
async fn response_in(body: HttpBody, id: &Id, limit: usize) -> Result<Response, Rejection> {
    let mut events = EventStream::new(body, limit);
    let mut others = 0_usize;
    while let Some(event) = events.next().await {
        let event = event.map_err(failed)?;
        match Message::parse(event.data) {
            Ok(Message::Response(response))
                if response.id().is_none_or(|other| other.answers(id)) =>
            {
                return Ok(response);
            }
            _ => others += 1,
        }
    }
    let state = match events.is_broken() {
        true => "broken",
        false => "ended",
    };
    let answer = format!("event stream {state} after {others} other events");
    Err(Rejection::new(Cause::Closed, UpstreamError::Closed, answer))
}

/// Returns the session ID of a response.
///
/// It is copied, because a slice of the head would keep all of it allocated for the life of the
/// session.
fn session_of(http: &http::Response<HttpBody>) -> Option<HeaderValue> {
    let session = http.headers().get(MCP_SESSION_ID)?;
    HeaderValue::from_bytes(session.as_bytes()).ok()
}

/// Returns those of the versions that the gateway supports.
fn known(listed: &[String]) -> Vec<ProtocolVersion> {
    let versions = listed.iter().map(|version| ProtocolVersion::parse(version));
    versions.flatten().collect()
}

/// Reads the first bytes of a body, for the description of the answer.
async fn first_bytes(mut body: HttpBody) -> Bytes {
    let first = async {
        while let Some(Ok(frame)) = body.frame().await {
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                return data;
            }
        }
        Bytes::new()
    };
    time::timeout(EXCERPT_TIMEOUT, first)
        .await
        .unwrap_or_default()
}

/// Returns the beginning of a text without the secrets of the request.
///
/// Masked before it is cut for the description, so that no part of a secret remains.
fn masked(text: &[u8], mask: &Mask) -> String {
    let text = &text[..text.len().min(MAX_MASKED)];
    mask.apply(&String::from_utf8_lossy(text)).into_owned()
}

/// Returns the first characters of a text, in quotes.
fn excerpt(text: &str) -> String {
    let text = text.trim_ascii();
    match text.char_indices().nth(EXCERPT) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}...", &text[..end]),
    }
}

/// JSON shape of a discover result as far as its versions are concerned.
#[derive(Deserialize)]
struct Listed {
    #[serde(rename = "supportedVersions")]
    versions: Option<Vec<String>>,
}

/// JSON shape of an error as far as its versions are concerned.
#[derive(Default, Deserialize)]
struct ErrorData {
    data: Option<Supported>,
}

/// JSON shape of the data of an error about versions.
#[derive(Deserialize)]
struct Supported {
    supported: Option<Vec<String>>,
}

/// Maximum size of the beginning of an answer from which an excerpt is quoted, in bytes.
const MAX_MASKED: usize = 8 * 1024;

/// Maximum length of a quoted answer in characters.
const EXCERPT: usize = 120;

/// Maximum time for the first bytes of a body that is no message.
const EXCERPT_TIMEOUT: Duration = Duration::from_millis(500);
