//! Assembly of responses.

use std::borrow::Cow;

use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::body::Body;
use crate::cli::serve::Form;

/// Content type of an event stream.
const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");

/// Content type of a message.
const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Prefix of the message of an event.
const EVENT: &str = "event: message\ndata: ";

/// Suffix of the message of an event.
const EVENT_END: &str = "\n\n";

/// Header with the session ID.
pub(super) const SESSION_HEADER: &str = "mcp-session-id";

/// Response to a message.
#[derive(Debug)]
pub(super) enum Reply<'a> {
    /// No content: the message was not a request.
    Accepted,
    /// Error, as JSON.
    Error(StatusCode, Value),
    /// Result, as JSON in three parts, so that large ones are copied only once.
    Result(&'static str, Cow<'a, str>, &'static str),
    /// Result of opening a session, with the session ID.
    Session(String, Box<str>),
    /// Stream that remains open after its first message.
    Stream(String),
}

impl<'a> Reply<'a> {
    /// Creates a small result.
    pub(super) fn result(result: String) -> Self {
        Self::Result("", Cow::Owned(result), "")
    }

    /// Creates an error without data.
    pub(super) fn error(status: StatusCode, code: i32, message: &str) -> Self {
        Self::Error(status, json!({ "code": code, "message": message }))
    }

    /// Converts the reply to an HTTP response to the request `id`.
    pub(super) fn into_response(self, id: Option<&str>, form: Form) -> Response<Body> {
        match self {
            Self::Accepted => empty(StatusCode::ACCEPTED),
            Self::Error(status, error) => {
                let form = if status == StatusCode::OK {
                    form
                } else {
                    Form::Json
                };
                let mut response = message(form, id, "error", ["", &error.to_string(), ""]);
                *response.status_mut() = status;
                response
            }
            Self::Result(start, middle, end) => message(form, id, "result", [start, &middle, end]),
            Self::Session(result, session) => {
                let mut response = message(form, id, "result", ["", &result, ""]);
                // The backend makes the ids itself, of characters that a header can hold.
                if let Ok(value) = HeaderValue::from_str(&session) {
                    response.headers_mut().insert(SESSION_HEADER, value);
                }
                response
            }
            Self::Stream(first) => {
                let event = [EVENT, &first, EVENT_END].concat();
                stream(Body::held(event, std::future::pending()))
            }
        }
    }
}

/// Creates a response without a body.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Creates an event stream response.
pub(super) fn stream(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, EVENT_STREAM);
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response
}

/// Formats a response message with `member` set to `value`.
fn message(form: Form, id: Option<&str>, member: &str, value: [&str; 3]) -> Response<Body> {
    let [name, id] = id.map_or([""; 2], |id| [r#","id":"#, id]);
    let [start, middle, end] = value;
    let parts = [
        r#"{"jsonrpc":"2.0""#,
        name,
        id,
        r#",""#,
        member,
        r#"":"#,
        start,
        middle,
        end,
        "}",
    ];
    match form {
        Form::Json => {
            let mut response = Response::new(Body::Full(parts.concat().into()));
            response.headers_mut().insert(header::CONTENT_TYPE, JSON);
            response
        }
        Form::Sse => {
            let event = [&[EVENT], &parts[..], &[EVENT_END]].concat().concat();
            stream(Body::stream(event))
        }
    }
}
