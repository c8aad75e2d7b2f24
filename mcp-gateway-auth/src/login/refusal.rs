use std::error::Error as _;
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
    /// A provider has let nobody in; its name.
    Declined(String),
    /// A form or a callback does not come from a page of ours, in this browser, for the first time.
    Forged,
    /// They are known, by this name, and may not use the gateway.
    NotAllowed(String),
    /// There is nothing of that name.
    NotFound,
    /// Too many attempts; when to come back, in seconds.
    TooMany(u64),
    /// It cannot be done now.
    Unavailable(AuthorityError),
}

impl Refusal {
    /// What the browser is shown: a status, a title and what to do.
    fn shown(&self) -> (StatusCode, &'static str, &'static str) {
        match self {
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
            Self::Declined(_) => (
                StatusCode::FORBIDDEN,
                "You are not logged in",
                "You have stopped there, or were not let in.",
            ),
            Self::NotAllowed(_) => (
                StatusCode::FORBIDDEN,
                "You may not use this gateway",
                "You are not among the people who may. Ask whoever runs it.",
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
            Self::Unavailable(_) => (
                StatusCode::SERVICE_UNAVAILABLE,
                "That did not work",
                "Something that is needed does not answer. Try again in a moment.",
            ),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        if let Self::Unavailable(error) = &self {
            let cause = error.source().map(ToString::to_string);
            tracing::error!(%error, cause, "a login failed");
        }
        let (status, title, message) = self.shown();
        let detail = match &self {
            Self::Declined(provider) => Some(format!("No login from {provider}.")),
            Self::NotAllowed(name) => Some(format!("You have logged in as {name}.")),
            _ => None,
        };
        let error = ErrorPage {
            title,
            message,
            detail: detail.as_deref(),
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
