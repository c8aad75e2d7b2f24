//! HTTP of token endpoints.

use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use ::http::header::CONTENT_TYPE;
use ::http::{HeaderValue, Request, Response, StatusCode};
use bytes::Bytes;
use mcp_gateway_core::Mask;
use oauth2::{HttpRequest, HttpResponse};
use serde_json::{Map, Value};
use url::Url;

use super::ClientError;
use crate::dpop::{DPOP, DPOP_NONCE, DpopKey, USE_NONCE};
use crate::egress::{Egress, EgressError, FetchedDocument, mask_of};

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
    /// Key to which the tokens are to be bound.
    key: Option<DpopKey>,
    /// See [`TokenFailure::overload`]. The errors of the crate have no headers.
    overload: OnceLock<Duration>,
}

impl TokenHttp {
    /// Creates a client for a token that is bound to `key`, if there is one.
    pub(super) fn new(egress: &Egress, key: Option<&DpopKey>) -> Self {
        Self {
            egress: egress.clone(),
            key: key.cloned(),
            overload: OnceLock::new(),
        }
    }

    pub(super) fn failure(&self, error: ClientError) -> TokenFailure {
        TokenFailure {
            error,
            overload: self.overload.get().copied(),
        }
    }

    /// Sends a request with a proof, and once more with the nonce that the server provides.
    ///
    /// A nonce is not kept: it lives for minutes, and a token for much longer.
    async fn send(&self, request: Request<Bytes>) -> Result<FetchedDocument, EgressError> {
        let fetched = self.send_with_nonce(request.clone(), None).await?;
        match provided_nonce(&fetched) {
            Some(nonce) if self.key.is_some() => self.send_with_nonce(request, Some(nonce)).await,
            _ => Ok(fetched),
        }
    }

    async fn send_with_nonce(
        &self,
        mut request: Request<Bytes>,
        nonce: Option<&str>,
    ) -> Result<FetchedDocument, EgressError> {
        let url = request.uri().to_string();
        if let Some(key) = &self.key {
            let target = Url::parse(&url).map_err(|_| EgressError::Unavailable)?;
            let proof = key.proof(request.method(), &target).with_nonce(nonce);
            let proof = proof.header().map_err(|_| EgressError::Unavailable)?;
            request.headers_mut().insert(DPOP, proof);
        }
        self.egress.send(&url, request, MAX_ANSWER).await
    }
}

/// Returns the nonce of a response that requires one (RFC 9449, section 8).
fn provided_nonce(fetched: &FetchedDocument) -> Option<&str> {
    let nonce = fetched.headers.get(DPOP_NONCE)?.to_str().ok()?;
    let answer: Value = serde_json::from_slice(&fetched.body).ok()?;
    (answer["error"] == USE_NONCE).then_some(nonce)
}

impl<'c> oauth2::AsyncHttpClient<'c> for TokenHttp {
    type Error = EgressError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, EgressError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(async move {
            let mask = mask_of(&request);
            let fetched = self.send(request.map(Bytes::from)).await?;
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
            Ok(normal(status, document, &mask))
        })
    }
}

/// Returns the response in the form that the crate `oauth2` expects.
///
/// The texts of an error are masked with `mask`, the secrets of the request.
pub(super) fn normal(
    status: StatusCode,
    mut document: Map<String, Value>,
    mask: &Mask,
) -> HttpResponse {
    let has_token = document.contains_key("access_token");
    let is_error = !status.is_success() || (document.contains_key("error") && !has_token);
    if is_error && !document.get("error").is_some_and(Value::is_string) {
        document.insert("error".to_owned(), status.as_str().into());
    }
    document.retain(|key, value| !key.starts_with("error_") || value.is_string());
    if is_error {
        for text in document.values_mut() {
            if let Value::String(text) = text {
                *text = mask.apply(text).into_owned();
            }
        }
    }
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
