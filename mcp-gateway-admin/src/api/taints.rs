//! `/taints`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use mcp_gateway_audit::{Actor, Change};
use mcp_gateway_store::{Batch, CommitOutcome, Documents};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::AdminApi;
use super::access::Admin;
use super::extract::{Filter, Id};
use super::page::{Page, PageQuery};
use super::problem::{ApiError, Problem};

/// Prefix of the documents of taints in the store.
pub const TAINTS: &str = "taint/";

/// Caller whose context is untrusted, because it has received an untrusted result.
#[derive(Clone, Debug, Deserialize, Serialize, ToSchema)]
#[schema(as = Taint)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::exhaustive_structs, reason = "the platform makes them")]
pub struct TaintDocument {
    /// Identifier.
    pub id: String,
    /// Identifier of the gateway.
    pub gateway: String,
    /// Principal.
    pub subject: String,
    /// OAuth client.
    pub client: Option<String>,
    /// `session`, `conversation`, or `caller` if the client names neither.
    pub kind: String,
    /// Name of the conversation.
    pub conversation: Option<String>,
    /// Rule about the result.
    pub rule: String,
    /// Server that sent the result.
    pub server: String,
    /// Name of the tool, prompt or resource.
    pub tool: Option<String>,
    /// Time of the last untrusted result.
    pub since: u64,
    /// Time at which the taint ends.
    pub expires: u64,
}

/// Returns the taints, ordered by identifier.
#[utoipa::path(
    get, path = "/taints", tag = "taints", operation_id = "listTaints", params(PageQuery),
    responses((status = 200, body = Page<TaintDocument>), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn list(
    State(api): State<AdminApi>,
    Filter(page): Filter<PageQuery>,
) -> Result<Json<Page<TaintDocument>>, ApiError> {
    let limit = page.limit()?;
    let found = documents(&api)?.list("", page.after()?, limit + 1).await;
    let found = found.map_err(|error| ApiError::Unavailable(error.into()))?;
    let found = found.into_iter().map(|(_, taint)| taint.value).collect();
    Ok(Json(Page::of(found, limit, |taint: &TaintDocument| {
        &taint.id
    })))
}

/// Ends a taint: the context of its caller is trusted again.
#[utoipa::path(
    delete, path = "/taints/{id}", tag = "taints", operation_id = "clearTaint", params(("id" = String, Path)),
    responses((status = 204), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn clear(
    State(api): State<AdminApi>,
    admin: Admin,
    Id(id): Id,
) -> Result<StatusCode, ApiError> {
    let documents = documents(&api)?;
    let found = documents.get(&id).await;
    let found = found.map_err(|error| ApiError::Unavailable(error.into()))?;
    let found = found.ok_or(ApiError::NotFound)?;
    let key = documents.key(&id);
    let batch = Batch::new()
        .if_version(key.clone(), found.version)
        .delete(key);
    let actor: Actor = admin.actor();
    let change = |id: &str| Change::new("taint.clear", format!("taint/{id}"));
    let record = api.trail().attachment(&actor, change);
    let committed = documents.store().commit(record.add_to(batch, &id)).await;
    match committed.map_err(|error| ApiError::Unavailable(error.into()))? {
        CommitOutcome::Committed => Ok(StatusCode::NO_CONTENT),
        // It has been renewed meanwhile, by another untrusted result.
        CommitOutcome::Conflict => Err(ApiError::Conflict("the taint has been renewed".to_owned())),
    }
}

fn documents(api: &AdminApi) -> Result<Documents<TaintDocument>, ApiError> {
    let absent = ApiError::Absent("the gateway has no store for taints");
    let store = api.0.taints.clone().ok_or(absent)?;
    Ok(Documents::new(store, TAINTS))
}
