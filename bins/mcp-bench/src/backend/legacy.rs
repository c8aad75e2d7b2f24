//! Responses of the legacy era.

use std::borrow::Cow;

use http::{HeaderMap, Response, StatusCode};
use serde_json::json;

use super::body::Body;
use super::message::Message;
use super::reply::{self, Reply, SESSION_HEADER};
use super::{Backend, VERSION_HEADER};
use crate::wire;

/// Supported protocol versions of the era, newest first.
const VERSIONS: [&str; 3] = [wire::legacy::VERSION, "2025-06-18", "2025-03-26"];

/// Returns the response to a message.
pub(super) fn reply<'a>(
    backend: &'a Backend,
    headers: &HeaderMap,
    message: &Message<'_>,
) -> Reply<'a> {
    if let Some(version) = headers.get(VERSION_HEADER)
        && !VERSIONS.iter().any(|known| version == known)
    {
        return Reply::error(
            StatusCode::BAD_REQUEST,
            -32600,
            "Unsupported protocol version",
        );
    }
    if message.is_call("initialize") {
        return initialize(backend, message);
    }
    if let Err(status) = session(backend, headers) {
        return Reply::error(status, -32600, "No such session");
    }
    let Some((method, _)) = message.request() else {
        return Reply::Accepted;
    };
    match method {
        "ping" => Reply::result("{}".to_owned()),
        "tools/list" => Reply::Result(r#"{"tools":"#, Cow::Borrowed(backend.tools.list()), "}"),
        "tools/call" => {
            let params = message.params();
            if params.name().is_some_and(|name| backend.tools.has(name)) {
                Reply::Result("{", backend.tools.call(params.arguments), "}")
            } else {
                Reply::error(StatusCode::OK, -32602, "Unknown tool")
            }
        }
        _ => Reply::error(StatusCode::OK, -32601, "Method not found"),
    }
}

/// Handles GET: returns a stream that lasts as long as its session.
pub(super) fn listen(backend: &Backend, headers: &HeaderMap) -> Response<Body> {
    let id = match session(backend, headers) {
        Ok(id) => id,
        Err(status) => return reply::empty(status),
    };
    match backend.sessions.end_of(id) {
        // A comment at once lets proxies pass on the head, which some do only with a body.
        Some(end) => reply::stream(Body::held(":\n\n".to_owned(), end.cancelled_owned())),
        None => reply::empty(StatusCode::NOT_FOUND),
    }
}

/// Handles DELETE, which ends a session.
pub(super) fn end(backend: &Backend, headers: &HeaderMap) -> Response<Body> {
    let status = match session(backend, headers) {
        Ok(id) if backend.sessions.end(id) => StatusCode::NO_CONTENT,
        Ok(_) => StatusCode::NOT_FOUND,
        Err(status) => status,
    };
    reply::empty(status)
}

/// Returns the session of a request, or the status of the error.
fn session<'a>(backend: &Backend, headers: &'a HeaderMap) -> Result<&'a str, StatusCode> {
    let id = headers.get(SESSION_HEADER).ok_or(StatusCode::BAD_REQUEST)?;
    let id = id.to_str().map_err(|_| StatusCode::NOT_FOUND)?;
    if backend.sessions.has(id) {
        Ok(id)
    } else {
        Err(StatusCode::NOT_FOUND)
    }
}

fn initialize(backend: &Backend, message: &Message<'_>) -> Reply<'static> {
    let wanted = message.params().protocol_version();
    let version = VERSIONS.iter().find(|version| Some(**version) == wanted);
    let result = json!({
        "protocolVersion": version.unwrap_or(&VERSIONS[0]),
        "capabilities": { "tools": { "listChanged": true } },
        "serverInfo": { "name": "mcp-bench", "version": env!("CARGO_PKG_VERSION") },
    });
    Reply::Session(result.to_string(), backend.sessions.open())
}
