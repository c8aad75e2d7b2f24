//! `/sessions`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mcp_gateway_audit::Change;

use super::AdminApi;
use super::access::Admin;
use super::extract::{Filter, Id};
use super::page::{Page, PageQuery};
use super::problem::{ApiError, Problem};
use crate::sessions::SessionDocument;

/// Returns the sessions of clients that this replica has in memory, ordered by identifier. Clients of
/// MCP 2026-07-28 have none.
#[utoipa::path(
    get, path = "/sessions", tag = "sessions", operation_id = "listSessions", params(PageQuery),
    responses((status = 200, body = Page<SessionDocument>), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn list(
    State(api): State<AdminApi>,
    Filter(page): Filter<PageQuery>,
) -> Result<Json<Page<SessionDocument>>, ApiError> {
    let (limit, after) = (page.limit()?, page.after()?);
    let mut found = api.sessions()?.sessions();
    found.retain(|session| after.is_none_or(|after| *session.id > *after));
    Ok(Json(Page::of(found, limit, |session: &SessionDocument| {
        &session.id
    })))
}

/// Ends a session and its calls. Its client may begin another one: revoke its token to keep it away.
#[utoipa::path(
    delete, path = "/sessions/{id}", tag = "sessions", operation_id = "endSession", params(("id" = String, Path)),
    responses((status = 204), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn end(
    State(api): State<AdminApi>,
    admin: Admin,
    Id(id): Id,
) -> Result<StatusCode, ApiError> {
    if !api.sessions()?.end(&id) {
        return Err(ApiError::NotFound);
    }
    let change = Change::new("session.end", format!("session/{id}"));
    api.trail().record(&admin.actor(), change);
    Ok(StatusCode::NO_CONTENT)
}
