//! `/pins`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mcp_gateway_audit::Change;
use mcp_gateway_core::catalog::{Definition, DefinitionKind};
use serde::Deserialize;

use super::AdminApi;
use super::access::Admin;
use super::extract::{Body, Filter, Id};
use super::page::{Page, PageQuery};
use super::problem::{ApiError, Problem};
use crate::Violation;
use crate::pins::PinnedServerDocument;

/// Approval of one definition.
#[derive(Debug, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Approval {
    /// `instructions`, `prompt` or `tool`.
    kind: String,
    /// Name on the server; empty for instructions.
    #[serde(default)]
    name: String,
    /// JSON text of the definition, as it has been reviewed: this text is approved, and no other.
    definition: String,
}

/// Returns the pinned servers, with the definitions that this replica has held back.
#[utoipa::path(
    get, path = "/pins", tag = "pins", operation_id = "listPins", params(PageQuery),
    responses((status = 200, body = Page<PinnedServerDocument>), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn list(
    State(api): State<AdminApi>,
    Filter(page): Filter<PageQuery>,
) -> Result<Json<Page<PinnedServerDocument>>, ApiError> {
    let (limit, after) = (page.limit()?, page.after()?);
    let mut found = api.pins()?.pinned();
    found.retain(|pinned| after.is_none_or(|after| *pinned.server > *after));
    Ok(Json(Page::of(found, limit, |pinned| &pinned.server)))
}

/// Approves a definition of a server whose approved definitions are in the store.
#[utoipa::path(
    post, path = "/pins/{server}/approvals", tag = "pins", operation_id = "approveDefinition", request_body = Approval,
    params(("server" = String, Path)),
    responses((status = 204), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn approve(
    State(api): State<AdminApi>,
    admin: Admin,
    Id(server): Id,
    Body(approval): Body<Approval>,
) -> Result<StatusCode, ApiError> {
    let mut kinds = DefinitionKind::ALL.into_iter();
    let kind = kinds.find(|kind| kind.as_str() == approval.kind);
    let kind = kind.ok_or_else(|| invalid("kind", "expected instructions, prompt or tool"))?;
    if approval.name.is_empty() != (kind == DefinitionKind::Instructions) {
        let message = "expected a name, and none for instructions";
        return Err(invalid("name", message));
    }
    let definition = Definition::new(kind, &approval.name, &approval.definition);
    let Some(digest) = definition.digest() else {
        let message = "expected JSON text without duplicate members";
        return Err(invalid("definition", message));
    };
    let name = approval.name;
    let record = api.trail().attachment(&admin.actor(), move |server| {
        let target = format!("pin/{server}/{kind}/{name}");
        Change::new("pin.approve", target).with_field(digest.to_string())
    });
    api.pins()?.approve(&server, definition, &record).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn invalid(path: &str, message: &str) -> ApiError {
    ApiError::Invalid(vec![Violation::new(path, message)])
}
