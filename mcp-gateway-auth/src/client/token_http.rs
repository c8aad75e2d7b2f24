//! HTTP of token endpoints.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderValue, Response, StatusCode};
use bytes::Bytes;
use oauth2::{HttpRequest, HttpResponse};
use serde_json::{Map, Value};

use super::ClientError;
use crate::egress::{Egress, EgressError};

/// Failed request to a token endpoint.
#[derive(Debug)]
pub(crate) struct TokenFailure {
    /// Cause.
    pub(crate) error: ClientError,
    /// Time after which the server accepts requests, if it responded with 429 or 503; zero if it
    /// does not name one.
    #[cfg_attr(
        not(any(feature = "accounts", feature = "client-credentials")),
        expect(dead_code, reason = "only they try again later")
    )]
    pub(crate) overload: Option<Duration>,
}

impl From<ClientError> for TokenFailure {
    fn from(error: ClientError) -> Self {
        let overload = None;
        Self { error, overload }
    }
}

impl From<TokenFailure> for ClientError {
    fn from(failure: TokenFailure) -> Self {
        failure.error
    }
}

/// HTTP client of the crate `oauth2` over the restricted egress, for one request.
pub(super) struct TokenHttp {
    egress: Egress,
    /// See [`TokenFailure::overload`]. The errors of the crate have no headers.
    overload: OnceLock<Duration>,
}

impl TokenHttp {
    pub(super) fn new(egress: &Egress) -> Self {
        Self {
            egress: egress.clone(),
            overload: OnceLock::new(),
        }
    }

    pub(super) fn failure(&self, error: ClientError) -> TokenFailure {
        TokenFailure {
            error,
            overload: self.overload.get().copied(),
        }
    }
}

impl<'c> oauth2::AsyncHttpClient<'c> for TokenHttp {
    type Error = EgressError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, EgressError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let url = request.uri().to_string();
            let sent = self.egress.send(&url, request.map(Bytes::from), MAX_ANSWER);
            let fetched = sent.await?;
            let status = fetched.status;
            if let StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS = status {
                let delay = fetched.retry_after(SystemTime::now());
                self.overload.get_or_init(|| delay.unwrap_or_default());
            }
            if status.is_redirection() {
                return Err(EgressError::Status(status));
            }
            let document: Option<Map<String, Value>> = serde_json::from_slice(&fetched.body).ok();
            let document = match (document, status.is_success()) {
                (Some(document), _) => document,
                (None, true) => return Err(EgressError::ContentType),
                (None, false) => return Err(EgressError::Status(status)),
            };
            Ok(normal(status, document))
        })
    }
}

/// Returns the response in the form that the crate `oauth2` expects.
pub(super) fn normal(status: StatusCode, mut document: Map<String, Value>) -> HttpResponse {
    let has_token = document.contains_key("access_token");
    let is_error = !status.is_success() || (document.contains_key("error") && !has_token);
    if is_error && !document.get("error").is_some_and(Value::is_string) {
        document.insert("error".to_owned(), status.as_str().into());
    }
    document.retain(|key, value| !key.starts_with("error_") || value.is_string());
    let mut response = Response::new(Value::Object(document).to_string().into_bytes());
    *response.status_mut() = match is_error {
        true if status.is_success() => StatusCode::BAD_REQUEST,
        true => status,
        false => StatusCode::OK,
    };
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    response
}

/// Maximum size of a response, in bytes.
pub(super) const MAX_ANSWER: usize = 256 * 1024;
