//! `/gateways`.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use mcp_gateway_audit::Change;
use mcp_gateway_store::Attachment;
use serde_json::Value;

use super::access::Manager;
use super::extract::{Body, Filter, Id};
use super::page::{Page, PageQuery};
use super::problem::{ApiError, Problem};
use super::version::{Expected, created, expected, versioned};
use super::{AdminApi, BASE, team_gateways};
use crate::Violation;
use crate::catalog::GatewayDocument;

/// Entry of a gateway: the keys of an entry of `gateways` in a configuration file.
#[derive(utoipa::ToSchema)]
#[expect(dead_code, reason = "it documents the entry, which others read")]
pub(super) struct GatewayEntry {
    /// Name, the last segment of its path.
    #[schema(pattern = "^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$")]
    name: String,
    /// Title for people.
    title: Option<String>,
    /// Description for people.
    description: Option<String>,
    /// Names of servers, with all of their features; all servers without this and `assignments`.
    servers: Option<Vec<String>>,
    /// Servers of which it has some tools, or that it calls with pinned connections or identities.
    #[schema(value_type = Option<Vec<Object>>)]
    assignments: Option<Value>,
    /// `list` for a list of all tools, which is the default, `search` for tools that search and run
    /// them, or `code` for tools that search them and run scripts.
    #[schema(pattern = "^(list|search|code)$")]
    exposure: Option<String>,
    /// Patterns of the tools that are listed beside the search.
    #[schema(rename = "visibleTools")]
    visible_tools: Option<Vec<String>>,
    /// Callers for whom it exists; all if absent.
    #[schema(required = false)]
    visibility: VisibilityEntry,
}

/// `"organization"`, or one property.
#[derive(serde::Deserialize, utoipa::ToSchema)]
#[schema(as = Visibility)]
#[serde(untagged)]
#[expect(dead_code, reason = "it documents the entry, which others read")]
pub(super) enum VisibilityEntry {
    /// `"organization"`.
    Word(String),
    /// Members of teams, and administrators.
    Teams {
        /// Names.
        teams: Vec<String>,
    },
    /// One user.
    User {
        /// Subject.
        user: String,
    },
}

/// Returns gateways, ordered by identifier. An administrator of teams sees those that exist for the
/// teams.
#[utoipa::path(
    get, path = "/gateways", tag = "gateways", operation_id = "listGateways", params(PageQuery),
    responses((status = 200, body = Page<GatewayDocument>), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn list(
    State(api): State<AdminApi>,
    manager: Manager,
    Filter(page): Filter<PageQuery>,
) -> Result<Json<Page<GatewayDocument>>, ApiError> {
    let (limit, after) = (page.limit()?, page.after()?);
    let mut found = api.catalog()?.gateways();
    found.retain(|gateway| manager.sees(gateway));
    found.retain(|gateway| after.is_none_or(|after| *gateway.id > *after));
    found.sort_unstable_by(|a, b| a.id.cmp(&b.id));
    Ok(Json(Page::of(found, limit, |gateway| &gateway.id)))
}

/// Adds a gateway. An administrator of teams adds gateways for these, with what their members have
/// in other gateways.
#[utoipa::path(
    post, path = "/gateways", tag = "gateways", operation_id = "createGateway", request_body = GatewayEntry,
    responses((status = 201, body = GatewayDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn create(
    State(api): State<AdminApi>,
    manager: Manager,
    Body(entry): Body<Value>,
) -> Result<Response, ApiError> {
    check_texts(&entry)?;
    manager.check(&api, &entry, None)?;
    let record = record(&api, &manager, "gateway.create");
    let added = api.catalog()?.create_gateway(entry, &record).await;
    let (gateway, version) = added?;
    let location = format!("{BASE}/gateways/{}", gateway.id);
    Ok(created(location, gateway, version))
}

/// Returns a gateway by its identifier or name. `ETag` is the version of its entry in the store.
#[utoipa::path(
    get, path = "/gateways/{id}", tag = "gateways", operation_id = "getGateway", params(("id" = String, Path)),
    responses((status = 200, body = GatewayDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn get(
    State(api): State<AdminApi>,
    manager: Manager,
    Id(id): Id,
) -> Result<Response, ApiError> {
    let (gateway, version) = manager.gateway(&api, &id)?;
    Ok(versioned(gateway, version))
}

/// Replaces the entry of a gateway, if it has the version in `If-Match`. The identifier stays when
/// the name changes.
#[utoipa::path(
    put, path = "/gateways/{id}", tag = "gateways", operation_id = "replaceGateway", request_body = GatewayEntry,
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "`ETag` of the entry; required")),
    responses((status = 200, body = GatewayDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn replace(
    State(api): State<AdminApi>,
    manager: Manager,
    Id(id): Id,
    headers: HeaderMap,
    Body(entry): Body<Value>,
) -> Result<Response, ApiError> {
    let catalog = api.catalog()?;
    let before = manager.managed_gateway(&api, &id)?;
    let version = expected(&headers)?.ok_or(ApiError::PreconditionRequired)?;
    check_texts(&entry)?;
    manager.check(&api, &entry, Some(&before))?;
    let record = record(&api, &manager, "gateway.replace");
    let replaced = catalog.replace_gateway(&id, entry, version.number(), &record);
    let (gateway, version) = replaced.await?;
    Ok(versioned(gateway, Some(version)))
}

/// Removes a gateway of the store. In-flight calls finish, open streams end.
#[utoipa::path(
    delete, path = "/gateways/{id}", tag = "gateways", operation_id = "deleteGateway",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "`ETag` of the entry")),
    responses((status = 204), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn delete(
    State(api): State<AdminApi>,
    manager: Manager,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    if manager.teams().is_some() {
        manager.managed_gateway(&api, &id)?;
    }
    let version = expected(&headers)?.and_then(Expected::number);
    let record = record(&api, &manager, "gateway.delete");
    api.catalog()?.delete_gateway(&id, version, &record).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Rejects numbers and booleans as texts, which configuration files accept.
fn check_texts(entry: &Value) -> Result<(), ApiError> {
    let mut violations = Vec::new();
    for path in [
        "name",
        "title",
        "description",
        "servers",
        "exposure",
        "visibleTools",
        "visibility.teams",
        "visibility.user",
    ] {
        let pointer = format!("/{}", path.replace('.', "/"));
        let found = entry.pointer(&pointer);
        let items = found.and_then(Value::as_array).into_iter().flatten();
        if found
            .into_iter()
            .chain(items)
            .any(|text| text.is_number() || text.is_boolean())
        {
            violations.push(Violation::new(path, "expected a string"));
        }
    }
    match violations.is_empty() {
        true => Ok(()),
        false => Err(ApiError::Invalid(violations)),
    }
}

impl Manager {
    /// Returns `true` if the principal may see `gateway`.
    fn sees(&self, gateway: &GatewayDocument) -> bool {
        let teams = self.teams();
        teams.is_none_or(|teams| team_gateways::is_visible(gateway, teams))
    }

    /// Returns the gateway `key` and the version of its entry, if the principal may see it.
    fn gateway(
        &self,
        api: &AdminApi,
        key: &str,
    ) -> Result<(GatewayDocument, Option<u64>), ApiError> {
        let found = api.catalog()?.gateway(key);
        let found = found.filter(|(gateway, _)| self.sees(gateway));
        found.ok_or(ApiError::NotFound)
    }

    /// Returns the gateway `key`, if the principal may change it.
    fn managed_gateway(&self, api: &AdminApi, key: &str) -> Result<GatewayDocument, ApiError> {
        let (gateway, _) = self.gateway(api, key)?;
        let teams = self.teams();
        match teams.is_none_or(|teams| team_gateways::is_managed(&gateway, teams)) {
            true => Ok(gateway),
            false => Err(ApiError::Forbidden),
        }
    }

    /// Validates the entry of a gateway of an administrator of teams, which replaces `before`.
    fn check(
        &self,
        api: &AdminApi,
        entry: &Value,
        before: Option<&GatewayDocument>,
    ) -> Result<(), ApiError> {
        let Some(teams) = self.teams() else {
            return Ok(());
        };
        let catalog = api.catalog()?;
        let mut gateway = catalog.describe_gateway(entry)?;
        if let Some(before) = before {
            gateway.id.clone_from(&before.id);
        }
        let violations = team_gateways::violations(&gateway, teams, &catalog.gateways());
        match violations.is_empty() {
            true => Ok(()),
            false => Err(ApiError::Invalid(violations)),
        }
    }
}

/// Returns the record of `action` on a gateway.
fn record(api: &AdminApi, manager: &Manager, action: &'static str) -> Attachment {
    let change = move |id: &str| Change::new(action, format!("gateway/{id}"));
    api.trail().attachment(&manager.actor(), change)
}
