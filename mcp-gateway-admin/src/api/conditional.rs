//! Entity tags of objects whose documents have no version, and conditional requests for them
//! (RFC 9110, section 13).
//!
//! Users, servers, gateways, rules and entries have the versions of their documents in the store as
//! tags, and their handlers change the version that is expected, atomically. Other objects are
//! created and ended, and hardly ever changed: their tag is a digest of what the API shows, and
//! `If-Match` is compared immediately before the change.

use aws_lc_rs::digest::{SHA256, digest};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde_json::Value;
use tower::ServiceExt as _;

use super::BASE;
use super::access::{identity, segments};
use super::problem::ApiError;

/// Adds tags to objects, and compares those of conditional requests before a handler changes
/// anything.
///
/// The current state of an object is read from `objects`, the handlers of all requests. A sender who
/// may not read it gets the answer of that instead of a failed precondition.
pub(super) async fn compare(
    State(objects): State<Router>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let path = request.uri().path();
    let object = object(path).map(str::to_owned);
    if request.method() == Method::GET {
        let is_tagged = object.is_some_and(|object| object == path);
        let known = request.headers().get(IF_NONE_MATCH).cloned();
        let response = next.run(request).await;
        let response = match is_tagged {
            true => tagged(response).await,
            false => response,
        };
        return Ok(unless_known(response, known.as_ref()));
    }
    let Some(object) = object.filter(|_| request.headers().contains_key(IF_MATCH)) else {
        return Ok(next.run(request).await);
    };
    let sender = identity(request.extensions());
    let current = current(objects, sender, &object).await?;
    if current.status() != StatusCode::OK {
        // There is nothing to compare with, and no difference between no object and a hidden one.
        return Ok(current);
    }
    if !matches(request.headers(), current.headers().get(ETAG)) {
        return Err(ApiError::PreconditionFailed);
    }
    Ok(next.run(request).await)
}

/// Returns the path of the object without a version that a request for `path` concerns.
fn object(path: &str) -> Option<&str> {
    match *segments(path) {
        [kind, id] | [kind, id, _] if KINDS.contains(&kind) => {
            let length = BASE.len() + kind.len() + id.len() + 2;
            path.get(..length)
        }
        _ => None,
    }
}

/// Returns `object` with its tag, as `objects` answers the sender of a request with the extensions
/// `sender`; the problem of reading it if the sender does not see it.
async fn current(objects: Router, sender: Extensions, object: &str) -> Result<Response, ApiError> {
    let read = Request::get(object).body(Body::empty());
    let mut read = read.map_err(|_| ApiError::NotFound)?;
    *read.extensions_mut() = sender;
    let Ok(response) = objects.oneshot(read).await;
    Ok(tagged(response).await)
}

/// Returns `true` if a tag in `If-Match` is the `current` one, or any is accepted.
fn matches(headers: &HeaderMap, current: Option<&HeaderValue>) -> bool {
    let Some(current) = current.and_then(|tag| tag.to_str().ok()) else {
        return false;
    };
    let expected = headers.get_all(IF_MATCH).iter();
    let expected = expected.filter_map(|value| value.to_str().ok());
    let mut expected = expected.flat_map(|value| value.split(','));
    expected.any(|tag| matches!(tag.trim(), "*") || tag.trim() == current)
}

/// Returns `response` with a digest of its body as the tag, unless it has one or is an error.
async fn tagged(response: Response) -> Response {
    if response.status() != StatusCode::OK || response.headers().contains_key(ETAG) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut shown: Value = serde_json::from_slice(&body).unwrap_or_default();
    if let Some(members) = shown.as_object_mut() {
        // It is no change.
        members.remove("lastUsed");
    }
    let digest = digest(&SHA256, shown.to_string().as_bytes());
    let bytes = digest.as_ref().iter().take(TAG);
    let hex: String = bytes.map(|byte| format!("{byte:02x}")).collect();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{hex}\"")) {
        parts.headers.insert(ETAG, tag);
    }
    Response::from_parts(parts, Body::from(body))
}

/// Returns `response` without its body if its tag is among those that the client knows.
fn unless_known(response: Response, known: Option<&HeaderValue>) -> Response {
    let tag = response.headers().get(ETAG).cloned();
    let (Some(tag), Some(known)) = (tag, known.and_then(|known| known.to_str().ok())) else {
        return response;
    };
    let is_known = known
        .split(',')
        .map(|one| one.trim().trim_start_matches("W/"))
        .any(|one| one == "*" || one.as_bytes() == tag.as_bytes());
    match is_known && response.status() == StatusCode::OK {
        true => (StatusCode::NOT_MODIFIED, [(ETAG, tag)]).into_response(),
        false => response,
    }
}

/// Kinds of objects without versions, as segments of paths.
const KINDS: [&str; 5] = ["approvals", "clients", "connections", "requests", "tokens"];

/// Length of a tag in bytes.
const TAG: usize = 16;
