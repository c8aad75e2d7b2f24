//! Versions of entries in the store, as entity tags (RFC 9110, section 8.8.3).

use axum::Json;
use axum::http::header::{ETAG, IF_MATCH, LOCATION};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use serde::Serialize;

use super::problem::ApiError;

/// Version that a request expects.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expected {
    /// Any version: `*`.
    Any,
    /// This version.
    Number(u64),
}

impl Expected {
    /// Returns the version; `None` for any.
    pub(super) fn number(self) -> Option<u64> {
        match self {
            Self::Any => None,
            Self::Number(number) => Some(number),
        }
    }
}

/// Returns the version in `If-Match`. One that no entry can have fails the precondition.
pub(super) fn expected(headers: &HeaderMap) -> Result<Option<Expected>, ApiError> {
    let Some(value) = headers.get(IF_MATCH) else {
        return Ok(None);
    };
    match value.to_str().unwrap_or_default().trim() {
        "*" => Ok(Some(Expected::Any)),
        text => {
            let number = text
                .strip_prefix('"')
                .and_then(|text| text.strip_suffix('"'));
            let number = number.and_then(|number| number.parse().ok());
            Ok(Some(Expected::Number(
                number.ok_or(ApiError::PreconditionFailed)?,
            )))
        }
    }
}

/// Returns the entity tag of `version`.
pub(super) fn tag(version: u64) -> String {
    format!("\"{version}\"")
}

/// Returns the response with `document`, and with the version of its entry if the store has one.
pub(super) fn versioned(document: impl Serialize, version: Option<u64>) -> Response {
    match version {
        Some(version) => ([(ETAG, tag(version))], Json(document)).into_response(),
        None => Json(document).into_response(),
    }
}

/// Returns the response with the created `document`, which is at `location`.
pub(super) fn created(location: String, document: impl Serialize, version: u64) -> Response {
    let headers = [(LOCATION, location), (ETAG, tag(version))];
    (StatusCode::CREATED, headers, Json(document)).into_response()
}
