//! Extraction of request bodies with a size limit.

use axum::body::{Body, Bytes};
use axum::extract::FromRequest;
use http::Request;

use crate::server::error::OAuthError;

/// The body of a request, within the size limit.
#[derive(Debug)]
pub(in crate::server) struct LimitedBody(pub(in crate::server) Bytes);

impl<S: Sync> FromRequest<S> for LimitedBody {
    type Rejection = OAuthError;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, OAuthError> {
        let body = axum::body::to_bytes(request.into_body(), MAX_BODY).await;
        body.map(Self).map_err(|_| OAuthError::TooLarge)
    }
}

/// Maximum size of a body, in bytes.
const MAX_BODY: usize = 64 * 1024;
