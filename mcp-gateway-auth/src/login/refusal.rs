use std::fmt;

use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER};

use crate::AuthorityError;
use crate::pages::{ErrorPage, page};

/// Why a browser does not get what it wants.
#[derive(Debug)]
pub(super) enum Refusal {
    /// A parameter is missing, twice there, or not what it can be.
    BadRequest,
    /// A form or a callback does not come from a page of ours, in this browser, for the first time.
    Forged,
    /// There is nothing of that name.
    NotFound,
    /// Too many attempts; when to come back, in seconds.
    TooMany(u64),
    /// It cannot be done now.
    Unavailable(AuthorityError),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let (status, title, message) = match &self {
            Self::BadRequest => (
                StatusCode::BAD_REQUEST,
                "This link does not work",
                "It is incomplete or damaged. Go back to where you came from, and try again.",
            ),
            Self::Forged => (
                StatusCode::FORBIDDEN,
                "This page is no longer good",
                "It was opened in another browser, was used before, or is too old. \
                 Go back to where you came from, and begin again.",
            ),
            Self::NotFound => (
                StatusCode::NOT_FOUND,
                "There is nothing here",
                "The address does not exist.",
            ),
            Self::TooMany(_) => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too many attempts",
                "Wait a moment before you try again.",
            ),
            Self::Unavailable(error) => {
                tracing::error!(%error, "a login failed");
                (
                    StatusCode::SERVICE_UNAVAILABLE,
                    "That did not work",
                    "Something that is needed does not answer. Try again in a moment.",
                )
            }
        };
        let error = ErrorPage {
            title,
            message,
            detail: None,
        };
        let mut response = page(status, &error, None);
        let wait = match self {
            Self::TooMany(seconds) => Some(seconds),
            Self::Unavailable(_) => Some(BACK_SOON),
            Self::BadRequest | Self::Forged | Self::NotFound => None,
        };
        if let Some(seconds) = wait {
            let seconds = HeaderValue::from(seconds);
            response.headers_mut().insert(RETRY_AFTER, seconds);
        }
        response
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

impl From<AuthorityError> for Refusal {
    fn from(error: AuthorityError) -> Self {
        Self::Unavailable(error)
    }
}

impl From<FormRejection> for Refusal {
    fn from(_: FormRejection) -> Self {
        Self::BadRequest
    }
}

impl From<QueryRejection> for Refusal {
    fn from(_: QueryRejection) -> Self {
        Self::BadRequest
    }
}

const BACK_SOON: u64 = 5;
