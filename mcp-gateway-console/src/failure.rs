//! Reasons for which a page is not shown, and their pages.

use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::Value;

use crate::json::Members as _;
use crate::response::{render, see_other};
use crate::view::{Page, Shell, Tone};

/// The reason for which a request of a browser is rejected.
#[derive(Debug)]
pub(crate) enum Failure {
    /// A form is damaged or too large.
    BadForm,
    /// A form does not belong to the session, or comes from another site.
    Forged,
    /// The page does not exist, or not for this person.
    NotFound,
    /// The API has rejected a request, with a problem document.
    Problem(Problem),
    /// The person is sent elsewhere.
    Redirect(String),
    /// A temporary failure.
    Unavailable,
}

/// Problem document of the API (RFC 9457).
#[derive(Clone, Debug)]
pub(crate) struct Problem {
    pub(crate) status: StatusCode,
    pub(crate) detail: String,
    /// Paths and messages of invalid fields.
    pub(crate) errors: Vec<(String, String)>,
}

impl Problem {
    /// Reads the problem document `body` of a response with `status`.
    pub(crate) fn read(status: StatusCode, body: &Value) -> Self {
        let error = |error: &Value| {
            let path = error.text("/path").to_owned();
            (path, error.text("/message").to_owned())
        };
        Self {
            status,
            detail: body.some_text("/detail").unwrap_or("no details").to_owned(),
            errors: body.list("/errors").iter().map(error).collect(),
        }
    }

    /// Returns the error for people.
    pub(crate) fn sentence(&self) -> String {
        match self.status {
            StatusCode::PRECONDITION_FAILED => {
                "Somebody has changed this in the meantime. Load the page again, and repeat your \
                 change."
                    .to_owned()
            }
            _ => {
                let mut text = self.detail.clone();
                if let Some(first) = text.get(..1).map(str::to_uppercase) {
                    text.replace_range(..1, &first);
                }
                format!("{text}.")
            }
        }
    }
}

impl Failure {
    /// Returns the problem of the API, or the failure if it is another one, or if it hides an object
    /// from the person.
    pub(crate) fn into_problem(self) -> Result<Problem, Self> {
        match self {
            Self::Problem(problem) if problem.status == StatusCode::FORBIDDEN => {
                Err(Self::NotFound)
            }
            Self::Problem(problem) if problem.status == StatusCode::NOT_FOUND => {
                Err(Self::NotFound)
            }
            Self::Problem(problem) if problem.status == StatusCode::UNAUTHORIZED => {
                Err(Self::NotFound)
            }
            Self::Problem(problem) => Ok(problem),
            other => Err(other),
        }
    }

    fn page(&self) -> (StatusCode, &'static str, String) {
        match self {
            Self::BadForm => (
                StatusCode::BAD_REQUEST,
                "This form does not work",
                "It is incomplete, damaged or too large. Go back, and try again.".to_owned(),
            ),
            Self::Forged => (
                StatusCode::FORBIDDEN,
                "This page is no longer valid",
                "It was opened in another session, or is too old. Go back, load the page again, \
                 and repeat your change."
                    .to_owned(),
            ),
            Self::Problem(problem)
                if !matches!(
                    problem.status,
                    StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::UNAUTHORIZED
                ) =>
            {
                (problem.status, "That did not work", problem.sentence())
            }
            Self::NotFound | Self::Problem(_) | Self::Redirect(_) => (
                StatusCode::NOT_FOUND,
                "Page not found",
                "The page does not exist, or is not for you.".to_owned(),
            ),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "That did not work",
                "A required service does not respond. Try again in a moment.".to_owned(),
            ),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        if let Self::Redirect(to) = &self {
            return see_other(to);
        }
        let (status, title, message) = self.page();
        let page = Page::new(title)
            .note(message, Tone::Plain)
            .link("/console", "Overview");
        render(status, &Shell::default(), &page)
    }
}
