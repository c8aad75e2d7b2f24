//! Mapping of errors to responses.

mod approval;
mod credentials;
mod mapping;
mod tool_result;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode, header};
use serde_json::{Value, json};

use crate::jsonrpc::{ErrorObject, Id, Response, code};
use crate::protocol::Era;

/// Response that a client receives for an [`Error`](crate::Error), and the reason for telemetry.
///
/// This is the only mapping from errors to HTTP status, JSON-RPC code and reason. A failure of a
/// server is an answer to the client's request, so it has the status 200 and an error in its body;
/// other statuses denote a failure between client and gateway.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::auth::AuthError;
/// use mcp_gateway_core::{Error, Problem};
///
/// let problem = Problem::from(&Error::from(AuthError::InvalidToken));
/// assert_eq!(problem.status, 401);
/// assert_eq!(problem.reason, "invalid_token");
/// assert_eq!(problem.challenge.as_deref(), Some("error=\"invalid_token\""));
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// JSON-RPC error. It contains no name that the client did not send.
    pub error: ErrorObject,
    /// Reason in one word: `mcp_gateway.reason` in telemetry, `error.data.reason` on the wire.
    pub reason: &'static str,
    /// Identifier of the request, if only the error contains it.
    pub id: Option<Id>,
    /// Time after which to retry, in whole seconds.
    pub retry_after: Option<Duration>,
    /// Parameters of the challenge in `WWW-Authenticate`.
    pub challenge: Option<String>,
    /// Scheme of the challenge.
    scheme: &'static str,
    /// Nonce for the next proof of possession.
    nonce: Option<Arc<str>>,
    /// Variation of the response.
    variation: Variation,
}

/// Variation of a response by the era or the method of the request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Variation {
    /// The same error in both eras and for all methods.
    None,
    /// A result of a tool, because the user can solve the problem.
    Solvable,
    /// A code that depends on the era.
    UnknownResource,
}

impl Problem {
    /// Creates a problem without the optional parts.
    fn new(
        status: StatusCode,
        code: i64,
        reason: &'static str,
        message: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            error: ErrorObject::new(code, message).with_data(json!({ "reason": reason })),
            reason,
            id: None,
            retry_after: None,
            challenge: None,
            scheme: BEARER,
            nonce: None,
            variation: Variation::None,
        }
    }

    /// Creates the problem of a result that the client must not receive.
    pub(crate) fn withheld(reason: &str) -> Self {
        let message = format!("The result is withheld: {reason}");
        Self::new(
            StatusCode::OK,
            code::INTERNAL_ERROR,
            "result_withheld",
            message,
        )
        .with_variation(Variation::Solvable)
    }

    /// Returns the problem with the code that the era defines.
    #[must_use]
    pub fn in_era(mut self, era: Era) -> Self {
        if era == Era::Legacy && self.variation == Variation::UnknownResource {
            self.error.code = code::RESOURCE_NOT_FOUND;
        }
        self
    }

    /// Returns a response with the status and the headers of the problem, and with `body`.
    ///
    /// The headers are `WWW-Authenticate`, `DPoP-Nonce`, `Retry-After` and `Allow`, where the problem
    /// has them.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_core::{Error, Problem};
    /// use mcp_gateway_core::auth::AuthError;
    ///
    /// let problem = Problem::from(&Error::from(AuthError::InvalidToken));
    /// let response = problem.to_response(problem.error.message.to_string());
    /// assert_eq!(response.status(), 401);
    /// assert_eq!(response.headers()["www-authenticate"], "Bearer error=\"invalid_token\"");
    /// ```
    #[must_use]
    pub fn to_response<B>(&self, body: B) -> http::Response<B> {
        let mut response = http::Response::new(body);
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.status == StatusCode::METHOD_NOT_ALLOWED {
            let methods = HeaderValue::from_static("GET, POST, DELETE");
            headers.insert(header::ALLOW, methods);
        }
        if let Some(retry_after) = self.retry_after {
            let seconds = HeaderValue::from(retry_after.as_secs());
            headers.insert(header::RETRY_AFTER, seconds);
        }
        if let Some(challenge) = &self.challenge {
            let challenge = format!("{} {challenge}", self.scheme);
            if let Ok(challenge) = HeaderValue::from_str(challenge.trim_end()) {
                headers.insert(header::WWW_AUTHENTICATE, challenge);
            }
        }
        let nonce = self.nonce.as_deref().map(HeaderValue::from_str);
        if let Some(Ok(nonce)) = nonce {
            headers.insert(DPOP_NONCE, nonce);
        }
        response
    }

    /// Sets the identifier of the request.
    fn with_id(mut self, id: Option<&Id>) -> Self {
        self.id = id.cloned();
        self
    }

    fn with_retry_after(mut self, retry_after: Duration) -> Self {
        // The header has whole seconds, and a client that retries too early is rejected again.
        let seconds = retry_after.as_secs() + u64::from(retry_after.subsec_nanos() > 0);
        self.retry_after = Some(Duration::from_secs(seconds.max(1)));
        self
    }

    /// Sets the variation of the response.
    fn with_variation(mut self, variation: Variation) -> Self {
        self.variation = variation;
        self
    }

    /// Sets the challenge.
    fn with_challenge(mut self, challenge: impl Into<String>) -> Self {
        self.challenge = Some(challenge.into());
        self
    }

    /// Sets the challenge of a request with a bound token (RFC 9449, section 7.1), and the nonce for
    /// the next one.
    fn with_dpop_challenge(mut self, challenge: &str, nonce: Option<Arc<str>>) -> Self {
        self.scheme = DPOP;
        self.nonce = nonce;
        self.with_challenge(challenge)
    }

    /// Sets a member of `error.data`.
    fn with_data(mut self, key: &str, value: impl Into<Value>) -> Self {
        if let Some(data) = &mut self.error.data {
            data[key] = value.into();
        }
        self
    }
}

/// Returns the HTTP status of a response in the modern era.
pub(crate) fn status_of(response: &Response) -> StatusCode {
    match response.result().err().map(ErrorObject::code_of) {
        Some(code::METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
        Some(code::HEADER_MISMATCH | code::MISSING_CAPABILITY | code::UNSUPPORTED_VERSION) => {
            StatusCode::BAD_REQUEST
        }
        _ => StatusCode::OK,
    }
}

/// Scheme of bearer tokens (RFC 6750).
const BEARER: &str = "Bearer";

/// Scheme of bound tokens (RFC 9449).
pub(crate) const DPOP: &str = "DPoP";

/// Header with the nonce for the next proof of possession (RFC 9449, section 8).
pub(crate) const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

#[cfg(test)]
mod tests;
