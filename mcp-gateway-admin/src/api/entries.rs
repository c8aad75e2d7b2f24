//! `/entries`.

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use mcp_gateway_audit::Change;
use mcp_gateway_registry::{
    Entry, EntryDocument, EntryFilter, EntryStatus, EntrySummary, FoundEntry, Violation,
    server_json,
};
use mcp_gateway_store::Attachment;
use serde::Deserialize;

use super::access::{Admin, Member};
use super::extract::{Body, Filter, Id};
use super::page::{Page, check_length, valid_cursor, valid_limit};
use super::problem::{ApiError, Problem};
use super::version::{Expected, expected, versioned};
use super::{AdminApi, BASE, installation};

/// Selection of entries.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EntryQuery {
    /// Text in the name, the title or the description.
    #[param(max_length = 200)]
    search: Option<String>,
    /// Status; without one, all but deleted entries.
    #[param(inline)]
    status: Option<EntryStatus>,
    /// Maximum number of entries. A page of a search may be shorter.
    #[param(minimum = 1, maximum = 500, default = 50)]
    limit: Option<usize>,
    /// Cursor of the page: `next` of the page before it.
    #[param(max_length = 2048, pattern = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$")]
    after: Option<String>,
}

/// Selection of a version.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct VersionQuery {
    /// Version; the latest if absent.
    #[param(max_length = 255)]
    version: Option<String>,
}

/// Returns the entries that the caller sees, in their latest versions, ordered by name.
#[utoipa::path(
    get, path = "/entries", tag = "entries", operation_id = "listEntries", params(EntryQuery),
    responses((status = 200, body = Page<EntrySummary>), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn list(
    State(api): State<AdminApi>,
    member: Member,
    Filter(query): Filter<EntryQuery>,
) -> Result<Json<Page<EntrySummary>>, ApiError> {
    let limit = valid_limit(query.limit)?;
    let after = valid_cursor(query.after.as_deref())?;
    check_length("search", query.search.as_deref(), 200)?;
    let filter = EntryFilter::new(query.search.clone(), query.status);
    let entries = &api.registry()?.entries;
    let page = entries.list(&filter, member.viewer(), after, limit).await?;
    Ok(Json(Page {
        items: page.items,
        next: page.next,
    }))
}

/// Adds a version of an entry.
#[utoipa::path(
    post, path = "/entries", tag = "entries", operation_id = "createEntry", request_body = Entry,
    responses((status = 201, body = EntryDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn create(
    State(api): State<AdminApi>,
    admin: Admin,
    Body(entry): Body<Entry>,
) -> Result<Response, ApiError> {
    check(&api, &entry)?;
    let document = EntryDocument::new(entry, now());
    let record = record(&api, &admin, "entry.create");
    let found = api.registry()?.entries.create(&document, &record).await?;
    let name = found.document.entry.name.replace('/', "%2F");
    let location = format!("{BASE}/entries/{name}");
    Ok((StatusCode::CREATED, [(LOCATION, location)], shown(found)).into_response())
}

/// Returns an entry that the caller sees. `ETag` is the version of its document.
#[utoipa::path(
    get, path = "/entries/{name}", tag = "entries", operation_id = "getEntry",
    params(("name" = String, Path), VersionQuery),
    responses((status = 200, body = EntryDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn get(
    State(api): State<AdminApi>,
    member: Member,
    Id(name): Id,
    Filter(query): Filter<VersionQuery>,
) -> Result<Response, ApiError> {
    Ok(shown(visible(&api, &member, &name, &query).await?))
}

/// Replaces a version of an entry, if its document has the version in `If-Match`.
#[utoipa::path(
    put, path = "/entries/{name}", tag = "entries", operation_id = "replaceEntry", request_body = Entry,
    params(("name" = String, Path), ("If-Match" = Option<String>, Header, description = "`ETag` of the entry; required")),
    responses((status = 200, body = EntryDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn replace(
    State(api): State<AdminApi>,
    admin: Admin,
    Id(name): Id,
    headers: HeaderMap,
    Body(entry): Body<Entry>,
) -> Result<Response, ApiError> {
    let entries = &api.registry()?.entries;
    let before = entries.get(&name, Some(&entry.version)).await?;
    let before = before.ok_or(ApiError::NotFound)?;
    let version = expected(&headers)?.ok_or(ApiError::PreconditionRequired)?;
    if entry.name != name {
        return Err(ApiError::invalid("name", format!("expected {name:?}")));
    }
    check(&api, &entry)?;
    let tag = version.number().or(before.tag).unwrap_or_default();
    let (id, status) = (entry.id(), entry.status);
    let mut document = before.document.clone();
    let has_changed = is_changed(&document.entry, &entry);
    document.published = document.published.filter(|_| !has_changed);
    (document.entry, document.updated) = (entry, now());
    let record = record(&api, &admin, "entry.replace");
    let found = entries.replace(&document, tag, &record).await?;
    if status != before.document.entry.status {
        installation::warn(&api, &id, status);
    }
    Ok(shown(found))
}

/// Deletes a version of an entry. Servers that have been installed from it keep running.
#[utoipa::path(
    delete, path = "/entries/{name}", tag = "entries", operation_id = "deleteEntry",
    params(("name" = String, Path), VersionQuery, ("If-Match" = Option<String>, Header, description = "`ETag` of the entry")),
    responses((status = 204), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn delete(
    State(api): State<AdminApi>,
    admin: Admin,
    Id(name): Id,
    Filter(query): Filter<VersionQuery>,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let entries = &api.registry()?.entries;
    let found = entries.get(&name, query.version.as_deref()).await?;
    let found = found.ok_or(ApiError::NotFound)?;
    let tag = expected(&headers)?.and_then(Expected::number).or(found.tag);
    let entry = found.document.entry;
    let record = record(&api, &admin, "entry.delete");
    let tag = tag.unwrap_or_default();
    entries.delete(&name, &entry.version, tag, &record).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the `server.json` of an entry that the caller sees.
#[utoipa::path(
    get, path = "/entries/{name}/server.json", tag = "entries", operation_id = "exportEntry",
    params(("name" = String, Path), VersionQuery),
    responses((status = 200, body = Object), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn export(
    State(api): State<AdminApi>,
    member: Member,
    Id(name): Id,
    Filter(query): Filter<VersionQuery>,
) -> Result<Response, ApiError> {
    let found = visible(&api, &member, &name, &query).await?;
    Ok(Json(server_json::write(&found.document)).into_response())
}

/// Returns the entry `name` if the caller sees it.
async fn visible(
    api: &AdminApi,
    member: &Member,
    name: &str,
    query: &VersionQuery,
) -> Result<FoundEntry, ApiError> {
    let entries = &api.registry()?.entries;
    let found = entries.get(name, query.version.as_deref()).await?;
    let found = found.filter(|found| {
        let teams = found.document.entry.teams.as_deref();
        member.viewer().sees(teams)
    });
    found.ok_or(ApiError::NotFound)
}

/// Checks an entry, and its server with sample values.
fn check(api: &AdminApi, entry: &Entry) -> Result<(), ApiError> {
    let mut violations = entry.violations();
    if entry.server.is_some() {
        let catalog = api.catalog()?;
        let found = entry.template_violations(&|server| catalog.check_server(server));
        let below = |violation: Violation| match violation.path.starts_with("server") {
            true => violation,
            false => Violation::new(&format!("server.{}", violation.path), violation.message),
        };
        violations.extend(found.into_iter().map(below));
    }
    match violations.is_empty() {
        true => Ok(()),
        false => Err(ApiError::Invalid(violations)),
    }
}

/// Returns `true` if `after` describes another server than `before`: visibility and status are not
/// part of what has been published.
fn is_changed(before: &Entry, after: &Entry) -> bool {
    let mut before = before.clone();
    before.teams.clone_from(&after.teams);
    before.status = after.status;
    before.status_message.clone_from(&after.status_message);
    before != *after
}

/// Returns the response with an entry.
fn shown(found: FoundEntry) -> Response {
    versioned(found.document, found.tag)
}

/// Returns the record of `action` on an entry.
pub(super) fn record(api: &AdminApi, admin: &Admin, action: &'static str) -> Attachment {
    let change = move |id: &str| Change::new(action, format!("entry/{id}"));
    api.trail().attachment(&admin.actor(), change)
}

/// Returns the time, in seconds since the Unix epoch.
fn now() -> u64 {
    mcp_gateway_auth::Clock::system().now()
}
