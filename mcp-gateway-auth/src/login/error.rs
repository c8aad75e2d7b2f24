//! Error pages of the login.
//!
//! Pages never reveal the internal cause: the log contains it.

use std::error::Error as _;
use std::fmt;

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};

use crate::AuthServerError;
use crate::pages::{ErrorPage, page};

/// The reason for which a request of a browser is rejected.
#[derive(Debug)]
pub(crate) enum LoginError {
    /// A parameter is missing, duplicated or invalid.
    BadRequest,
    /// The provider with this name has denied the login.
    Declined(String),
    /// A form or callback does not belong to this browser, comes from another origin, or was used
    /// before.
    Forged,
    /// The user with this name is identified and not allowed.
    NotAllowed(String),
    /// The path or the provider does not exist.
    NotFound,
    /// Too many attempts. Contains the time until the next one, in seconds.
    TooMany(u64),
    /// A temporary failure.
    Unavailable(AuthServerError),
}

impl LoginError {
    /// Returns the status, the title and the message of the page.
    fn page(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadRequest => (
                StatusCode::BAD_REQUEST,
                "This link does not work",
                "It is incomplete or damaged. Go back to where you came from, and try again.",
            ),
            Self::Forged => (
                StatusCode::FORBIDDEN,
                "This page is no longer valid",
                "It was opened in another browser, was used before, or is too old. \
                 Go back to where you came from, and start again.",
            ),
            Self::Declined(_) => (
                StatusCode::FORBIDDEN,
                "You are not logged in",
                "The login was canceled or denied there.",
            ),
            Self::NotAllowed(_) => (
                StatusCode::FORBIDDEN,
                "You may not use this gateway",
                "Your account is not allowed. Ask the administrator of the gateway.",
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "Page not found",
                "The address does not exist.",
            ),
            Self::TooMany(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too many attempts",
                "Wait a moment before you try again.",
            ),
            Self::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "That did not work",
                "A required service does not respond. Try again in a moment.",
            ),
        }
    }
}

impl IntoResponse for LoginError {
    fn into_response(self) -> Response {
        if let Self::Unavailable(error) = &self {
            let cause = error.source().map(ToString::to_string);
            tracing::error!(%error, cause, "login failed");
        }
        let (status, title, message) = self.page();
        let detail = match &self {
            Self::Declined(provider) => Some(format!("No login from {provider}.")),
            Self::NotAllowed(name) => Some(format!("You have logged in as {name}.")),
            _ => None,
        };
        let error = ErrorPage {
            title,
            message,
            detail: detail.as_deref(),
            links: &[],
        };
        let mut response = page(status, &error, None);
        let wait = match self {
            Self::TooMany(seconds) => Some(seconds),
            Self::Unavailable(_) => Some(BACK_SOON),
            _ => None,
        };
        if let Some(seconds) = wait {
            let seconds = HeaderValue::from(seconds);
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }
}

impl fmt::Display for LoginError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl From<AuthServerError> for LoginError {
    fn from(error: AuthServerError) -> Self {
        Self::Unavailable(error)
    }
}

impl From<FormRejection> for LoginError {
    fn from(_: FormRejection) -> Self {
        Self::BadRequest
    }
}

impl From<QueryRejection> for LoginError {
    fn from(_: QueryRejection) -> Self {
        Self::BadRequest
    }
}

/// `Retry-After` of temporary failures, in seconds.
const BACK_SOON: u64 = 5;
