use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde_json::json;

use crate::AuthorityError;

/// Why a client does not get what it asks for.
///
/// The codes are those of [RFC 6749](https://www.rfc-editor.org/rfc/rfc6749#section-5.2) and of the
/// extensions of it. Descriptions are for those who write clients; they say nothing that the client
/// does not know.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OAuthError {
    /// The person does not want it.
    #[error("the person has refused")]
    AccessDenied,
    /// The server cannot do its work.
    #[error("the authorization server cannot do its work")]
    Authority(#[from] AuthorityError),
    /// The client is not known, or has not proved who it is.
    #[error("{description}")]
    InvalidClient {
        /// What is wrong.
        description: Cow<'static, str>,
    },
    /// What a client has said about itself cannot be so.
    #[error("{0}")]
    InvalidClientMetadata(Cow<'static, str>),
    /// The code, the refresh token or the assertion is not good, or somebody else's.
    #[error("{0}")]
    InvalidGrant(Cow<'static, str>),
    /// A browser may not be sent there.
    #[error("{0}")]
    InvalidRedirectUri(Cow<'static, str>),
    /// The request is not as it has to be.
    #[error("{0}")]
    InvalidRequest(Cow<'static, str>),
    /// The scope is not known, or more than was granted.
    #[error("{0}")]
    InvalidScope(Cow<'static, str>),
    /// The resource is not known, or was not granted.
    #[error("{0}")]
    InvalidTarget(Cow<'static, str>),
    /// The access token that allows a request is missing or wrong.
    #[error("{0}")]
    InvalidToken(Cow<'static, str>),
    /// The body is larger than any that means something.
    #[error("the body is larger than 64 KiB")]
    TooLarge,
    /// The client has to wait.
    #[error("too many requests; try again in {} s", .0.as_secs())]
    RateLimited(Duration),
    /// The client may not ask in this way.
    #[error("{0}")]
    UnauthorizedClient(Cow<'static, str>),
    /// There is no such grant type.
    #[error("{0}")]
    UnsupportedGrantType(Cow<'static, str>),
    /// There is no such response type.
    #[error("the response type is code")]
    UnsupportedResponseType,
}

impl OAuthError {
    pub(super) fn client(description: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidClient {
            description: description.into(),
        }
    }

    pub(super) fn grant(description: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidGrant(description.into())
    }

    pub(super) fn metadata(description: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidClientMetadata(description.into())
    }

    pub(super) fn request(description: impl Into<Cow<'static, str>>) -> Self {
        Self::InvalidRequest(description.into())
    }

    /// The code on the wire.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::AccessDenied => "access_denied",
            Self::Authority(AuthorityError::Busy) | Self::RateLimited(_) => {
                "temporarily_unavailable"
            }
            Self::Authority(_) => "server_error",
            Self::InvalidClient { .. } => "invalid_client",
            Self::InvalidClientMetadata(_) => "invalid_client_metadata",
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

    /// What is wrong, in the characters that
    /// [RFC 6749](https://www.rfc-editor.org/rfc/rfc6749#section-5.2) allows: some of it may repeat
    /// what a stranger has sent.
    pub(super) fn description(&self) -> String {
        let allowed = |c: char| match c {
            '"' => '\'',
            ' '..='~' if c != '\\' => c,
            _ => '?',
        };
        let text = self.to_string();
        text.chars().take(MAX_DESCRIPTION).map(allowed).collect()
    }

    /// The status of a response that is not a redirect.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Authority(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::InvalidClient { .. } | Self::InvalidToken(_) => StatusCode::UNAUTHORIZED,
            Self::RateLimited(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::AccessDenied
            | Self::InvalidClientMetadata(_)
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

    /// When to try again, if it is worth it.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Authority(_) => Some(Duration::from_secs(1)),
            Self::RateLimited(after) => Some(*after),
            _ => None,
        }
    }

    /// Says in the log what is not the client's business.
    pub(super) fn log(&self) {
        if let Self::Authority(error) = self {
            let error = error as &dyn std::error::Error;
            tracing::error!(error, "the authorization server cannot do its work");
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
        if let Some(after) = self.retry_after() {
            headers.insert(header::RETRY_AFTER, after.as_secs().max(1).into());
        }
        response
    }
}

const MAX_DESCRIPTION: usize = 1000;
