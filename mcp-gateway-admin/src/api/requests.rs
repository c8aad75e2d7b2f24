//! `/requests`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use mcp_gateway_audit::{Actor, Change};
use mcp_gateway_registry::{Decision, EntryReference, EntryRequest};
use mcp_gateway_store::Attachment;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;

use super::access::{Admin, Member};
use super::extract::{Body, Filter, Id};
use super::page::{Page, PageQuery};
use super::problem::{ApiError, Problem};
use super::{AdminApi, BASE, installation, servers};

/// Request for an entry.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewRequest {
    /// Entry, as `NAME` or `NAME@VERSION`; the latest version without one.
    #[schema(min_length = 1, max_length = 512)]
    entry: String,
    /// Reason.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
}

/// Approval of a request: the installation of its entry.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Approval {
    /// Name of the server.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    server: String,
    /// Values of the inputs of the entry.
    #[serde(default)]
    values: BTreeMap<String, String>,
    /// Message for the requester.
    #[schema(min_length = 1, max_length = 1000)]
    message: Option<String>,
}

/// Denial of a request.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Denial {
    /// Message for the requester.
    #[schema(min_length = 1, max_length = 1000)]
    message: Option<String>,
}

/// Returns requests, ordered by time: all for administrators, and otherwise those of the caller.
#[utoipa::path(
    get, path = "/requests", tag = "requests", operation_id = "listRequests", params(PageQuery),
    responses((status = 200, body = Page<EntryRequest>), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn list(
    State(api): State<AdminApi>,
    member: Member,
    Filter(page): Filter<PageQuery>,
) -> Result<Json<Page<EntryRequest>>, ApiError> {
    let requests = &api.registry()?.requests;
    let select = |request: &EntryRequest| is_visible(&member, request);
    let page = requests.list(&select, page.after()?, page.limit()?).await?;
    Ok(Json(Page {
        items: page.items,
        next: page.next,
    }))
}

/// Requests an entry that the caller sees.
#[utoipa::path(
    post, path = "/requests", tag = "requests", operation_id = "createRequest", request_body = NewRequest,
    responses((status = 201, body = EntryRequest), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn create(
    State(api): State<AdminApi>,
    member: Member,
    Body(new): Body<NewRequest>,
) -> Result<impl IntoResponse, ApiError> {
    check_text("reason", Some(&new.reason))?;
    let registry = api.registry()?;
    let entry: EntryReference = new
        .entry
        .parse()
        .map_err(|message: String| ApiError::invalid("entry", message))?;
    let found = registry
        .entries
        .get(&entry.name, entry.version.as_deref())
        .await?;
    let found = found.map(|found| found.document.entry);
    let found = found.filter(|entry| member.viewer().sees(entry.teams.as_deref()));
    let entry = found.ok_or_else(|| ApiError::invalid("entry", "no such entry"))?;
    if !entry.is_installable() {
        return Err(ApiError::invalid("entry", "the entry cannot be installed"));
    }
    let requests = &registry.requests;
    let record = record(&api, &member.actor(), "request.create");
    let new = (&*entry.id(), &*new.reason);
    let request = requests.create(new, member.subject(), &record).await?;
    let location = format!("{BASE}/requests/{}", request.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(request)))
}

/// Returns a request: any for administrators, and otherwise one of the caller.
#[utoipa::path(
    get, path = "/requests/{id}", tag = "requests", operation_id = "getRequest", params(("id" = String, Path)),
    responses((status = 200, body = EntryRequest), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn get(
    State(api): State<AdminApi>,
    member: Member,
    Id(id): Id,
) -> Result<Json<EntryRequest>, ApiError> {
    let found = api.registry()?.requests.get(&id).await?;
    let found = found.filter(|request| is_visible(&member, request));
    Ok(Json(found.ok_or(ApiError::NotFound)?))
}

/// Approves a request, and installs its entry.
///
/// The request is open again if the installation fails.
#[utoipa::path(
    post, path = "/requests/{id}/approve", tag = "requests", operation_id = "approveRequest",
    request_body = Approval, params(("id" = String, Path)),
    responses((status = 200, body = EntryRequest), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn approve(
    State(api): State<AdminApi>,
    admin: Admin,
    Id(id): Id,
    Body(approval): Body<Approval>,
) -> Result<Json<EntryRequest>, ApiError> {
    check_text("message", approval.message.as_deref())?;
    let requests = &api.registry()?.requests;
    let request = requests.get(&id).await?.ok_or(ApiError::NotFound)?;
    let installation = json!({
        "name": approval.server, "entry": request.entry, "values": approval.values,
    });
    let server = installation::resolve(&api, installation).await?;
    let actor = admin.actor();
    let decision = Decision::approved(
        admin.principal().subject(),
        &approval.server,
        approval.message,
    );
    let decided = record(&api, &actor, "request.approve");
    let request = requests.decide(&id, decision.clone(), &decided).await?;
    let created = servers::record(&api, &actor, "server.create", (None, Some(&server)));
    if let Err(error) = api.catalog()?.create_server(server, &created).await {
        let reopened = record(&api, &actor, "request.reopen");
        requests.reopen(&id, &decision, &reopened).await?;
        return Err(error.into());
    }
    Ok(Json(request))
}

/// Denies a request.
#[utoipa::path(
    post, path = "/requests/{id}/deny", tag = "requests", operation_id = "denyRequest",
    request_body = Denial, params(("id" = String, Path)),
    responses((status = 200, body = EntryRequest), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn deny(
    State(api): State<AdminApi>,
    admin: Admin,
    Id(id): Id,
    Body(denial): Body<Denial>,
) -> Result<Json<EntryRequest>, ApiError> {
    check_text("message", denial.message.as_deref())?;
    let actor = admin.actor();
    let decision = Decision::denied(admin.principal().subject(), denial.message);
    let record = record(&api, &actor, "request.deny");
    let requests = &api.registry()?.requests;
    let request = requests.decide(&id, decision, &record).await?;
    Ok(Json(request))
}

fn is_visible(member: &Member, request: &EntryRequest) -> bool {
    member.is_admin() || request.requester == member.subject()
}

/// Checks a text that other people read.
pub(super) fn check_text(path: &str, text: Option<&str>) -> Result<(), ApiError> {
    let is_valid = |text: &str| {
        let is_text = |it: char| !it.is_control() || it == '\n';
        !text.trim().is_empty() && text.chars().count() <= 1000 && text.chars().all(is_text)
    };
    match text.is_none_or(is_valid) {
        true => Ok(()),
        false => Err(ApiError::invalid(
            path,
            "expected text of up to 1000 characters",
        )),
    }
}

/// Returns the record of `action` on a request.
fn record(api: &AdminApi, actor: &Actor, action: &'static str) -> Attachment {
    let change = move |id: &str| Change::new(action, format!("request/{id}"));
    api.trail().attachment(actor, change)
}
