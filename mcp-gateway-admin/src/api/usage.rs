//! `/usage`.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;

use super::AdminApi;
use super::extract::Filter;
use super::page::{Page, check_length, valid_cursor, valid_limit};
use super::problem::{ApiError, Problem};
use crate::quotas::UsageDocument;

/// Selection of uses.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageQuery {
    /// Name of the quota.
    #[param(max_length = 512)]
    quota: Option<String>,
    /// Maximum number of entries.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Cursor of the page: `next` of the page before it.
    #[param(max_length = 2048, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    after: Option<String>,
}

/// Returns the use of quotas in their current windows, ordered by identifier.
#[utoipa::path(
    get, path = "/usage", tag = "usage", operation_id = "listUsage", params(UsageQuery),
    responses((status = 200, body = Page<UsageDocument>), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn list(
    State(api): State<AdminApi>,
    Filter(query): Filter<UsageQuery>,
) -> Result<Json<Page<UsageDocument>>, ApiError> {
    let quota = query.quota.as_deref();
    check_length("quota", quota, MAX_NAME)?;
    let after = valid_cursor(query.after.as_deref())?;
    let limit = valid_limit(query.limit)?;
    let found = api.quotas()?.usage(quota, after, limit + 1).await;
    let found = found.map_err(ApiError::Unavailable)?;
    Ok(Json(Page::of(found, limit, |usage| &usage.id)))
}

/// Maximum length of a name in characters.
const MAX_NAME: usize = 512;
