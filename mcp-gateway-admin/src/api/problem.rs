//! Errors of the API, and their one mapping to problem documents (RFC 9457).

use std::error::Error;

use axum::Json;
use axum::http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use mcp_gateway_approval::{NotApprover, StoreApprovalsError};
use mcp_gateway_audit::AuditError;
use mcp_gateway_auth::AuthServerError;
use mcp_gateway_auth::users::UserError;
use mcp_gateway_core::BoxError;
use mcp_gateway_core::auth::AuthError;
use serde::Serialize;
use utoipa::ToSchema;

use mcp_gateway_registry::{EntriesError, RequestError, Violation};

use crate::{CatalogError, ClientError, DeploymentError};

/// Error of a request.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    /// The gateway has no such resources, for the reason given.
    #[error("{0}")]
    Absent(&'static str),
    /// The query or the syntax of the body is invalid.
    #[error("{0}")]
    BadRequest(String),
    /// The gateway does too much of the kind at present, as described.
    #[error("{0}")]
    Busy(&'static str),
    /// The cluster cannot be reached or refuses, as described.
    #[error("{0}")]
    Cluster(String),
    /// The request conflicts with what exists, as described.
    #[error("{0}")]
    Conflict(String),
    /// The principal is not an administrator.
    #[error("the role admin is required")]
    Forbidden,
    /// The content of the body is invalid.
    #[error("the request has invalid fields")]
    Invalid(Vec<Violation>),
    /// The path has other methods.
    #[error("the resource has no such method")]
    MethodNotAllowed,
    /// The principal may not decide about the call.
    #[error(transparent)]
    NotApprover(NotApprover),
    /// The resource does not exist.
    #[error("no such resource")]
    NotFound,
    /// The resource has another version.
    #[error("the resource has been changed in the meantime")]
    PreconditionFailed,
    /// The request must name the version that it changes.
    #[error("the header If-Match with the version of the resource is required")]
    PreconditionRequired,
    /// The body is too large.
    #[error("the body is larger than 256 KiB")]
    TooLarge,
    /// The request has no valid token.
    #[error("a valid bearer token is required")]
    Unauthenticated,
    /// The store or the system is unavailable.
    #[error("temporarily unavailable")]
    Unavailable(#[source] BoxError),
    /// The body is not JSON.
    #[error("expected the content type application/json")]
    UnsupportedMediaType,
}

/// Problem document (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// `about:blank`: the status has its general meaning.
    #[serde(rename = "type")]
    kind: &'static str,
    /// Phrase of the status.
    title: &'static str,
    /// HTTP status.
    status: u16,
    /// Description of the error.
    detail: String,
    /// Violations of invalid fields.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Violation>,
}

impl ApiError {
    /// Creates the error of a body that the parser has rejected: its message is the innermost cause.
    pub(super) fn invalid_body(error: &dyn Error) -> Self {
        let mut innermost = error;
        while let Some(cause) = innermost.source() {
            innermost = cause;
        }
        Self::invalid("", innermost.to_string())
    }

    /// Creates the error of one invalid field.
    pub(super) fn invalid(path: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation::new(path, message)])
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthenticated => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::NotApprover(_) => StatusCode::FORBIDDEN,
            Self::Absent(_) | Self::NotFound => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::PreconditionRequired => StatusCode::PRECONDITION_REQUIRED,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Busy(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Cluster(_) => StatusCode::BAD_GATEWAY,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if let Self::Unavailable(error) = &self {
            let error = mcp_gateway_core::error_chain(&**error);
            tracing::warn!(error, "administration unavailable");
        }
        let status = self.status();
        let detail = self.to_string();
        let errors = match self {
            Self::Invalid(violations) => violations,
            _ => Vec::new(),
        };
        let problem = Problem {
            kind: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail,
            errors,
        };
        let mut response = (status, Json(problem)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Unavailable(error) => Self::Unavailable(error),
            _ => Self::Unauthenticated,
        }
    }
}

impl From<AuthServerError> for ApiError {
    fn from(error: AuthServerError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<AuditError> for ApiError {
    fn from(error: AuditError) -> Self {
        Self::Unavailable(error.into())
    }
}

impl From<UserError> for ApiError {
    fn from(error: UserError) -> Self {
        match error {
            UserError::Authority(error) => error.into(),
            UserError::Name => Self::invalid("name", error.to_string()),
            UserError::Disabled
            | UserError::LastAdmin
            | UserError::NameTaken
            | UserError::NoPassword => Self::Conflict(error.to_string()),
            UserError::NotMember(_) => Self::invalid("administeredTeams", error.to_string()),
            UserError::Password => Self::invalid("password", error.to_string()),
            UserError::Role => Self::invalid("role", error.to_string()),
            UserError::Unknown => Self::NotFound,
            error => Self::Unavailable(error.into()),
        }
    }
}

impl From<ClientError> for ApiError {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Authority(error) => error.into(),
            ClientError::Configured | ClientError::Exists(_) => Self::Conflict(error.to_string()),
            ClientError::Id => Self::invalid("id", error.to_string()),
            ClientError::RedirectUriRequired => Self::invalid("redirectUris", error.to_string()),
            ClientError::IntrospectionSecretRequired | ClientError::SecretRequired => {
                Self::invalid("secret", error.to_string())
            }
            ClientError::Unknown => Self::NotFound,
        }
    }
}

impl From<EntriesError> for ApiError {
    fn from(error: EntriesError) -> Self {
        match error {
            EntriesError::Changed => Self::PreconditionFailed,
            EntriesError::Exists | EntriesError::ReadOnly | EntriesError::TooManyVersions => {
                Self::Conflict(error.to_string())
            }
            EntriesError::Unknown => Self::NotFound,
            error => Self::Unavailable(error.into()),
        }
    }
}

impl From<RequestError> for ApiError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Busy | RequestError::Decided | RequestError::TooMany => {
                Self::Conflict(error.to_string())
            }
            RequestError::Unknown => Self::NotFound,
            error => Self::Unavailable(error.into()),
        }
    }
}

impl From<StoreApprovalsError> for ApiError {
    fn from(error: StoreApprovalsError) -> Self {
        match error {
            StoreApprovalsError::Busy | StoreApprovalsError::Decide(_) => {
                Self::Conflict(error.to_string())
            }
            StoreApprovalsError::NotApprover(error) => Self::NotApprover(error),
            StoreApprovalsError::Unknown => Self::NotFound,
            error => Self::Unavailable(error.into()),
        }
    }
}

impl From<CatalogError> for ApiError {
    fn from(error: CatalogError) -> Self {
        match error {
            CatalogError::Changed => Self::PreconditionFailed,
            CatalogError::Exists | CatalogError::NoStore | CatalogError::ReadOnly => {
                Self::Conflict(error.to_string())
            }
            CatalogError::Invalid(violations) => Self::Invalid(violations),
            CatalogError::Unavailable(error) => Self::Unavailable(error),
            CatalogError::Unknown => Self::NotFound,
        }
    }
}

impl From<DeploymentError> for ApiError {
    fn from(error: DeploymentError) -> Self {
        match error {
            DeploymentError::Cluster(message) => Self::Cluster(message),
            DeploymentError::NotRunning(message) => Self::Conflict(message),
            DeploymentError::Unknown => Self::NotFound,
        }
    }
}

/// Media type of problem documents.
pub(super) const MEDIA_TYPE: &str = "application/problem+json";
