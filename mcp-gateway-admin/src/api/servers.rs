//! `/servers`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use mcp_gateway_audit::{Actor, Change};
use mcp_gateway_store::Attachment;
use serde_json::Value;

use super::access::Admin;
use super::extract::{Body, Filter, Id};
use super::installation;
use super::page::{Page, PageQuery};
use super::problem::{ApiError, Problem};
use super::version::{Expected, created, expected, versioned};
use super::{AdminApi, BASE, secrets};
use crate::catalog::ServerDocument;

/// Entry of a server: exactly one of `builtin`, `process`, `remote`, `kubernetes` and `entry`, and further keys as in an
/// entry of `servers` in a configuration file. Secrets are `{ "secret": TEXT }`.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it documents the entry, which others read")]
pub(super) struct ServerEntry {
    /// Name, which is also the prefix of its tools unless `prefix` is set.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    name: String,
    /// Prefix of the names of its tools.
    prefix: Option<String>,
    /// Name of a built-in server.
    builtin: Option<String>,
    /// Program on the machine of the gateway.
    #[schema(value_type = Option<Object>)]
    process: Option<Value>,
    /// Server over HTTP.
    #[schema(value_type = Option<Object>)]
    remote: Option<Value>,
    /// Server that is pods of a cluster.
    #[schema(value_type = Option<Object>)]
    kubernetes: Option<Value>,
    /// Entry of the registry, as `NAME` or `NAME@VERSION`. Without `builtin`, `process`, `remote`
    /// and `kubernetes`, it is installed.
    entry: Option<String>,
    /// Values of the inputs of the entry that is installed.
    values: Option<std::collections::BTreeMap<String, String>>,
}

/// Returns servers, ordered by name.
#[utoipa::path(
    get, path = "/servers", tag = "servers", operation_id = "listServers", params(PageQuery),
    responses((status = 200, body = Page<ServerDocument>), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn list(
    State(api): State<AdminApi>,
    Filter(page): Filter<PageQuery>,
) -> Result<Json<Page<ServerDocument>>, ApiError> {
    let (limit, after) = (page.limit()?, page.after()?);
    let found = api.catalog()?.servers(after, limit + 1);
    let mut page = Page::of(found, limit, |server: &ServerDocument| &server.name);
    installation::show(&api, &mut page.items).await?;
    Ok(Json(page))
}

/// Adds a server: an entry of `servers` in a configuration file, with secrets as
/// `{ "secret": TEXT }`; or an entry of the registry, with the values of its inputs.
#[utoipa::path(
    post, path = "/servers", tag = "servers", operation_id = "createServer", request_body = ServerEntry,
    responses((status = 201, body = ServerDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn create(
    State(api): State<AdminApi>,
    admin: Admin,
    Body(entry): Body<Value>,
) -> Result<Response, ApiError> {
    let entry = installation::resolve(&api, entry).await?;
    let record = record(&api, &admin.actor(), "server.create", (None, Some(&entry)));
    let (server, version) = api.catalog()?.create_server(entry, &record).await?;
    let server = installation::shown(&api, server).await?;
    let location = format!("{BASE}/servers/{}", server.name);
    Ok(created(location, server, version))
}

/// Returns a server. `ETag` is the version of its entry in the store.
#[utoipa::path(
    get, path = "/servers/{name}", tag = "servers", operation_id = "getServer", params(("name" = String, Path)),
    responses((status = 200, body = ServerDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn get(State(api): State<AdminApi>, Id(name): Id) -> Result<Response, ApiError> {
    let found = api.catalog()?.server(&name).ok_or(ApiError::NotFound)?;
    let (server, version) = found;
    let server = installation::shown(&api, server).await?;
    Ok(versioned(server, version))
}

/// Replaces the entry of a server, if it has the version in `If-Match`. A secret `true` stays as it
/// is.
#[utoipa::path(
    put, path = "/servers/{name}", tag = "servers", operation_id = "replaceServer", request_body = ServerEntry,
    params(("name" = String, Path), ("If-Match" = Option<String>, Header, description = "`ETag` of the entry; required")),
    responses((status = 200, body = ServerDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn replace(
    State(api): State<AdminApi>,
    admin: Admin,
    Id(name): Id,
    headers: HeaderMap,
    Body(entry): Body<Value>,
) -> Result<Response, ApiError> {
    let catalog = api.catalog()?;
    let (before, _) = catalog.server(&name).ok_or(ApiError::NotFound)?;
    let version = expected(&headers)?.ok_or(ApiError::PreconditionRequired)?;
    let entries = (before.entry.as_ref(), Some(&entry));
    let record = record(&api, &admin.actor(), "server.replace", entries);
    let (server, version) = catalog
        .replace_server(&name, entry, version.number(), &record)
        .await?;
    let server = installation::shown(&api, server).await?;
    Ok(versioned(server, Some(version)))
}

/// Removes a server of the store. In-flight calls finish.
#[utoipa::path(
    delete, path = "/servers/{name}", tag = "servers", operation_id = "deleteServer",
    params(("name" = String, Path), ("If-Match" = Option<String>, Header, description = "`ETag` of the entry")),
    responses((status = 204), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn delete(
    State(api): State<AdminApi>,
    admin: Admin,
    Id(name): Id,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    let version = expected(&headers)?.and_then(Expected::number);
    let catalog = api.catalog()?;
    let before = catalog.server(&name).and_then(|(server, _)| server.entry);
    let record = record(
        &api,
        &admin.actor(),
        "server.delete",
        (before.as_ref(), None),
    );
    catalog.delete_server(&name, version, &record).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the record of `action` on a server, with its secrets that differ between the entries
/// before and after the change.
pub(super) fn record(
    api: &AdminApi,
    actor: &Actor,
    action: &'static str,
    (before, after): (Option<&Value>, Option<&Value>),
) -> Attachment {
    let fields = secrets::changes(before, after);
    api.trail().attachment(actor, move |name| {
        let change = Change::new(action, format!("server/{name}"));
        fields.iter().fold(change, Change::with_field)
    })
}
