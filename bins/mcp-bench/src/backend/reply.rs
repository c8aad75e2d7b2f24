//! Putting answers together.

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::body::Body;
use crate::cli::serve::Form;

/// The content type of a stream of events.
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// The content type of a message.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// The header that carries the id of a session.
pub(super) const SESSION_HEADER: &str = "mcp-session-id";

/// What a message is answered with.
#[derive(Debug)]
pub(super) enum Reply {
    /// Nothing: the message was no request.
    Accepted,
    /// An error, as JSON.
    Error(StatusCode, Value),
    /// A result, as JSON.
    Result(String),
    /// The result of opening a session, with the id of it.
    Session(String, Box<str>),
    /// A stream that stays open after its first message.
    Stream(String),
}

impl Reply {
    /// An error without data.
    pub(super) fn error(status: StatusCode, code: i32, message: &str) -> Self {
        Self::Error(status, json!({ "code": code, "message": message }))
    }

    /// The answer to the request `id`, if it was readable.
    pub(super) fn into_response(self, id: Option<&str>, form: Form) -> Response<Body> {
        match self {
            Self::Accepted => empty(StatusCode::ACCEPTED),
            Self::Error(status, error) => {
                let form = if status == StatusCode::OK {
                    form
                } else {
                    Form::Json
                };
                let mut response = message(form, id, "error", &error.to_string());
                *response.status_mut() = status;
                response
            }
            Self::Result(result) => message(form, id, "result", &result),
            Self::Session(result, session) => {
                let mut response = message(form, id, "result", &result);
                // The backend makes the ids itself, of characters that a header can hold.
                if let Ok(value) = HeaderValue::from_str(&session) {
                    response.headers_mut().insert(SESSION_HEADER, value);
                }
                response
            }
            Self::Stream(first) => stream(Body::held(event(&first), std::future::pending())),
        }
    }
}

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// An answer that is a stream of events.
pub(super) fn stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, EVENT_STREAM);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// The event that carries `message`.
fn event(message: &str) -> String {
    ["event: message\ndata: ", message, "\n\n"].concat()
}

/// A response message, whose `member` is `value`.
fn message(form: Form, id: Option<&str>, member: &str, value: &str) -> Response<Body> {
    let id = id.map_or([""; 2], |id| [r#","id":"#, id]);
    let parts = [
        r#"{"jsonrpc":"2.0""#,
        id[0],
        id[1],
        r#",""#,
        member,
        r#"":"#,
        value,
        "}",
    ];
    match form {
        Form::Json => {
            let mut response = Response::new(Body::Full(parts.concat().into()));
            response.headers_mut().insert(header::CONTENT_TYPE, JSON);
            response
        }
        Form::Sse => stream(Body::stream(event(&parts.concat()))),
    }
}
