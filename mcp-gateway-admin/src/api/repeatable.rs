//! Requests with an `Idempotency-Key`: a repeated one has the result of the first.
//!
//! See the [draft of the IETF](https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, ETAG, LOCATION};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;

use super::access::Member;
use super::problem::ApiError;
use super::{AdminApi, MAX_BODY};
use crate::idempotency::{Beginning, IdempotencyStore, KeptResult, RepeatableRequest};

/// Passes on requests, of which a `POST` with a key that has been used has the result of the first.
///
/// A request runs to its end even if its client goes away, so that the next one has its result.
pub(super) async fn repeat(
    State(api): State<AdminApi>,
    request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let key = match request.method() {
        &Method::POST => key(request.headers())?,
        _ => None,
    };
    let Some(key) = key else {
        return Ok(next.run(request).await);
    };
    let results = api.0.results.clone();
    let results = results.ok_or_else(|| {
        ApiError::BadRequest("Idempotency-Key: the gateway has no store for results".to_owned())
    })?;
    let member: Option<&Member> = request.extensions().get();
    let subject = member.ok_or(ApiError::Forbidden)?.subject().to_owned();
    let (parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await;
    let body = body.map_err(|_| ApiError::TooLarge)?;
    let sent = Sent {
        target: parts.uri.to_string(),
        body: body.clone(),
    };
    let repeatable = RepeatableRequest {
        subject: &subject,
        key: &key,
        parts: sent.parts(),
    };
    match results.begin(repeatable).await.map_err(unavailable)? {
        Beginning::Executed(kept) => Ok(replayed(kept)),
        Beginning::Full => Err(ApiError::Busy("too many idempotency keys within 24 hours")),
        Beginning::Other => Err(ApiError::invalid(
            "",
            "the Idempotency-Key belongs to another request",
        )),
        Beginning::Running => Err(ApiError::Conflict(
            "the request with this Idempotency-Key is executed at present".to_owned(),
        )),
        Beginning::New(id) => {
            let request = Request::from_parts(parts, Body::from(body));
            execute(results, (id, sent), next.run(request)).await
        }
    }
}

/// Request of a client, of which a digest is kept.
struct Sent {
    /// Path and query.
    target: String,
    body: Bytes,
}

impl Sent {
    fn parts(&self) -> [&[u8]; 3] {
        [b"POST", self.target.as_bytes(), &self.body]
    }
}

/// Executes a request, and keeps its result.
async fn execute(
    results: IdempotencyStore,
    (id, sent): (String, Sent),
    running: impl Future<Output = Response> + Send + 'static,
) -> Result<Response, ApiError> {
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends with one request, whose client may be gone"
    )]
    let executed = tokio::task::spawn(async move {
        let (response, kept) = kept(running.await).await;
        if let Err(error) = results.end(&id, sent.parts(), kept.as_ref()).await {
            let error = mcp_gateway_core::error_chain(&error);
            tracing::warn!(error, "result of an idempotent request not kept");
        }
        response
    });
    executed
        .await
        .map_err(|error| ApiError::Unavailable(error.into()))
}

/// Returns `response`, and its result unless the request should be sent again, or the result is too
/// large.
async fn kept(response: Response) -> (Response, Option<KeptResult>) {
    let status = response.status();
    if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
        return (response, None);
    }
    let (parts, body) = response.into_parts();
    let Ok(body) = to_bytes(body, usize::MAX).await else {
        return (StatusCode::INTERNAL_SERVER_ERROR.into_response(), None);
    };
    let headers = [CONTENT_TYPE, ETAG, LOCATION].into_iter();
    let headers = headers.filter_map(|name| {
        let value = parts.headers.get(&name)?.to_str().ok()?;
        Some((name.to_string(), value.to_owned()))
    });
    let result = KeptResult {
        status: status.as_u16(),
        headers: headers.collect(),
        body: String::from_utf8_lossy(&body).into_owned(),
    };
    let result = (body.len() <= MAX_RESULT).then_some(result);
    (Response::from_parts(parts, Body::from(body)), result)
}

/// Returns the response with a result that was kept.
fn replayed(kept: KeptResult) -> Response {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let mut response = (status, kept.body).into_response();
    let headers = response.headers_mut();
    headers.remove(CONTENT_TYPE);
    for (name, value) in kept.headers {
        let name = HeaderName::from_bytes(name.as_bytes());
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Returns the key in `headers`.
fn key(headers: &HeaderMap) -> Result<Option<String>, ApiError> {
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let text = value.to_str().unwrap_or_default().trim();
    let text = text
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .unwrap_or(text);
    let is_valid = (1..=MAX_KEY).contains(&text.len()) && values.next().is_none();
    match is_valid {
        true => Ok(Some(text.to_owned())),
        false => Err(ApiError::BadRequest(format!(
            "Idempotency-Key: expected one key of 1 to {MAX_KEY} ASCII characters"
        ))),
    }
}

fn unavailable(error: crate::idempotency::IdempotencyError) -> ApiError {
    ApiError::Unavailable(error.into())
}

/// Header with the key.
const KEY: &str = "idempotency-key";

/// Header of a response that was kept.
const REPLAYED: &str = "idempotency-replayed";

/// Maximum length of a key.
const MAX_KEY: usize = 255;

/// Maximum size of a result that is kept, in bytes.
const MAX_RESULT: usize = 16 * 1024;
