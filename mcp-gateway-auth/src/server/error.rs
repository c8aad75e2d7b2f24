//! The errors of the OAuth endpoints (RFC 6749, section 5.2).

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::AuthServerError;
use crate::dpop::{self, DpopError};

/// An error response of an OAuth endpoint.
///
/// The codes are those of [RFC 6749, section
/// 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2) and its extensions. Descriptions are
/// meant for the developers of clients. They reveal nothing that the client does not know.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::server::OAuthError;
///
/// let error = OAuthError::InvalidScope("unknown scope".into());
/// assert_eq!((error.code(), error.status().as_u16()), ("invalid_scope", 400));
/// assert_eq!(OAuthError::TooLarge.status().as_u16(), 413);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OAuthError {
    /// The user has denied the request.
    #[error("denied by the user")]
    AccessDenied,
    /// A temporary failure of the server.
    #[error("authorization server unavailable")]
    Authority(#[from] AuthServerError),
    /// The request has no valid nonce. Contains one for the next proof (RFC 9449, section 8).
    #[error("DPoP proof without a valid nonce")]
    DpopNonce(String),
    /// The metadata document of the client is neither available nor stored.
    #[error("the metadata document of the client is unavailable at the moment")]
    DocumentUnavailable,
    /// The client is unknown or not authenticated.
    #[error("{description}")]
    InvalidClient {
        /// Description of the error.
        description: Cow<'static, str>,
    },
    /// The client metadata is invalid (RFC 7591, section 3.2.2).
    #[error("{0}")]
    InvalidClientMetadata(Cow<'static, str>),
    /// The proof of possession is invalid, or missing where it is required (RFC 9449, section 5).
    #[error("{0}")]
    InvalidDpopProof(Cow<'static, str>),
    /// The code, refresh token or assertion is invalid, expired, revoked, or was issued to another
    /// client.
    #[error("{0}")]
    InvalidGrant(Cow<'static, str>),
    /// The redirect URI is invalid or not registered.
    #[error("{0}")]
    InvalidRedirectUri(Cow<'static, str>),
    /// A parameter is missing, duplicated or invalid.
    #[error("{0}")]
    InvalidRequest(Cow<'static, str>),
    /// The scope is unknown or exceeds the granted scope.
    #[error("{0}")]
    InvalidScope(Cow<'static, str>),
    /// The resource is unknown or was not granted (RFC 8707, section 2).
    #[error("{0}")]
    InvalidTarget(Cow<'static, str>),
    /// The access token of the request is missing or invalid (RFC 6750, section 3.1).
    #[error("{0}")]
    InvalidToken(Cow<'static, str>),
    /// The body exceeds the limit.
    #[error("body larger than 64 KiB")]
    TooLarge,
    /// The client has sent too many requests. Contains the time until the next one.
    #[error("too many requests; try again in {} s", .0.as_secs())]
    RateLimited(Duration),
    /// The client is not permitted to use this grant type or endpoint.
    #[error("{0}")]
    UnauthorizedClient(Cow<'static, str>),
    /// The grant type is unknown.
    #[error("{0}")]
    UnsupportedGrantType(Cow<'static, str>),
    /// The response type is unknown.
    #[error("response_type must be code")]
    UnsupportedResponseType,
}

impl OAuthError {
    /// Returns `invalid_client` with a description.
    pub(super) fn invalid_client(description: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidClient {
            description: description.into(),
        }
    }

    /// Returns `invalid_grant` with a description.
    pub(super) fn invalid_grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidGrant(description.into())
    }

    /// Returns `invalid_client_metadata` with a description.
    pub(super) fn invalid_client_metadata(description: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidClientMetadata(description.into())
    }

    /// Returns `invalid_request` with a description.
    pub(super) fn invalid_request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidRequest(description.into())
    }

    /// Returns the value of `error`.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::Authority(AuthServerError::Busy)
            | Self::DocumentUnavailable
            | Self::RateLimited(_) => "temporarily_unavailable",
            Self::Authority(_) => "server_error",
            Self::DpopNonce(_) => dpop::USE_NONCE,
            Self::InvalidClient { .. } => "invalid_client",
            Self::InvalidClientMetadata(_) => "invalid_client_metadata",
            Self::InvalidDpopProof(_) => "invalid_dpop_proof",
            Self::InvalidGrant(_) => "invalid_grant",
            Self::InvalidRedirectUri(_) => "invalid_redirect_uri",
            Self::InvalidRequest(_) | Self::TooLarge => "invalid_request",
            Self::InvalidScope(_) => "invalid_scope",
            Self::InvalidTarget(_) => "invalid_target",
            Self::InvalidToken(_) => "invalid_token",
            Self::UnauthorizedClient(_) => "unauthorized_client",
            Self::UnsupportedGrantType(_) => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
        }
    }

    /// Returns the value of `error_description`, restricted to the characters of [RFC 6749, section
    /// 5.2](https://www.rfc-editor.org/rfc/rfc6749#section-5.2): it may contain input of a
    /// stranger.
    pub(super) fn description(&self) -> String {
        let allowed = |c: char| match c {
            '"' => '\'',
            ' '..='~' if c != '\\' => c,
            _ => '?',
        };
        let text = self.to_string();
        text.chars().take(MAX_DESCRIPTION).map(allowed).collect()
    }

    /// Returns the HTTP status of a response that is not a redirect.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Authority(_) | Self::DocumentUnavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::InvalidClient { .. } | Self::InvalidToken(_) => StatusCode::UNAUTHORIZED,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::AccessDenied
            | Self::DpopNonce(_)
            | Self::InvalidClientMetadata(_)
            | Self::InvalidDpopProof(_)
            | Self::InvalidGrant(_)
            | Self::InvalidRedirectUri(_)
            | Self::InvalidRequest(_)
            | Self::InvalidScope(_)
            | Self::InvalidTarget(_)
            | Self::UnauthorizedClient(_)
            | Self::UnsupportedGrantType(_)
            | Self::UnsupportedResponseType => StatusCode::BAD_REQUEST,
        }
    }

    /// Returns the value of `Retry-After`, if a retry can succeed.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Authority(_) => Some(Duration::from_secs(1)),
            Self::DocumentUnavailable => Some(DOCUMENT_RETRY),
            Self::RateLimited(after) => Some(*after),
            _ => None,
        }
    }

    /// Logs the cause of an internal failure, which the client must not see, and the reason for
    /// which a request is rejected.
    pub(super) fn log(&self) {
        if let Self::Authority(error) = self {
            let error = error as &dyn std::error::Error;
            tracing::error!(error, "authorization server request failed");
        } else {
            let reason = self.description();
            tracing::info!(error = self.code(), reason, "OAuth request rejected");
        }
    }
}

impl From<DpopError> for OAuthError {
    fn from(error: DpopError) -> Self {
        match error {
            DpopError::Nonce(nonce) => Self::DpopNonce(nonce),
            error => Self::InvalidDpopProof(error.to_string().into()),
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        self.log();
        let body = json!({ "error": self.code(), "error_description": self.description() });
        let mut response = (self.status(), Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let challenge = match self {
            Self::InvalidClient { .. } => Some("Basic realm=\"oauth\", charset=\"UTF-8\""),
            Self::InvalidToken(_) => Some("Bearer error=\"invalid_token\""),
            _ => None,
        };
        if let Some(challenge) = challenge {
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(challenge),
            );
        }
        if let Self::DpopNonce(nonce) = &self
            && let Ok(nonce) = HeaderValue::try_from(nonce)
        {
            headers.insert(dpop::DPOP_NONCE, nonce);
        }
        if let Some(after) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, after.as_secs().max(1).into());
        }
        response
    }
}

/// Time after which a client metadata document may be available again.
const DOCUMENT_RETRY: Duration = Duration::from_secs(30);

/// Maximum length of a description, in characters.
const MAX_DESCRIPTION: usize = 1000;
