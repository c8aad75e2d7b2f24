//! Style sheet, script and icon.

use axum::extract::Path;
use axum::response::IntoResponse as _;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

use super::Answer;
use crate::assets;
use crate::failure::Failure;

/// `GET /console/assets/{name}`: serves a file, which caches may keep for good.
pub(crate) async fn get(Path(name): Path<String>) -> Answer {
    let asset = assets::find(&name).ok_or(Failure::NotFound)?;
    let headers = [
        (CONTENT_TYPE, asset.media_type),
        (CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    Ok((headers, asset.content).into_response())
}
