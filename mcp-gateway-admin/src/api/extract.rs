//! Extractors whose rejections are problem documents.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::problem::ApiError;

/// Body of a request, as JSON.
#[derive(Debug)]
pub(super) struct Body<T>(pub(super) T);

/// Identifier in the path of a request.
#[derive(Debug)]
pub(super) struct Id(pub(super) String);

/// Query of a request.
#[derive(Debug)]
pub(super) struct Filter<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let read = Json::from_request(request, state).await;
        read.map(|Json(value)| Self(value))
            .map_err(|rejection| match rejection {
                JsonRejection::JsonDataError(error) => ApiError::invalid_body(&error),
                JsonRejection::MissingJsonContentType(_) => ApiError::UnsupportedMediaType,
                rejection if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                    ApiError::TooLarge
                }
                rejection => ApiError::BadRequest(rejection.body_text()),
            })
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        // A segment that is not UTF-8 names nothing.
        let id = Path::from_request_parts(parts, state).await;
        id.map(|Path(id)| Self(id)).map_err(|_| ApiError::NotFound)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Filter<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let query = Query::from_request_parts(parts, state).await;
        query
            .map(|Query(query)| Self(query))
            .map_err(|rejection| ApiError::BadRequest(rejection.body_text()))
    }
}
