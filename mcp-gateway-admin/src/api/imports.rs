//! `/imports`.

use axum::Json;
use axum::extract::State;
use mcp_gateway_auth::egress::Egress;
use mcp_gateway_registry::{ImportOptions, ImportReport, RegistryClient, RegistryQuery};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::access::Admin;
use super::extract::Body;
use super::label::check_name;
use super::problem::{ApiError, Problem};
use super::{AdminApi, entries, installation};

/// Import of entries: of a page of a registry, or of files.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct NewImport {
    /// URL of a registry with the registry API v0.1.
    #[schema(max_length = 2048)]
    registry: Option<String>,
    /// Cursor of the page of the registry: `next` of the import before it.
    #[schema(max_length = 2048)]
    cursor: Option<String>,
    /// Text in the names of the registry.
    #[schema(max_length = 200)]
    search: Option<String>,
    /// Time of the last import (RFC 3339): only entries that have changed since.
    #[schema(max_length = 64)]
    updated_since: Option<String>,
    /// `true` for all versions instead of the latest of each name.
    #[serde(default)]
    all_versions: bool,
    /// Files `server.json`, instead of a registry.
    #[schema(value_type = Option<Vec<Object>>)]
    documents: Option<Vec<Value>>,
    /// Teams that see the new entries; everybody if absent.
    teams: Option<Vec<String>>,
}

/// Result of an import.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Import {
    report: ImportReport,
    /// Cursor of the next page of the registry; `null` at the end.
    next: Option<String>,
}

/// Imports a page of another registry, or files.
///
/// An invalid entry is left out and reported.
#[utoipa::path(
    post, path = "/imports", tag = "entries", operation_id = "importEntries", request_body = NewImport,
    responses((status = 200, body = Import), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn create(
    State(api): State<AdminApi>,
    admin: Admin,
    Body(import): Body<NewImport>,
) -> Result<Json<Import>, ApiError> {
    for team in import.teams.iter().flatten() {
        check_name("teams", team)?;
    }
    let registry = api.registry()?;
    let (documents, origin, next) = match (&import.registry, import.documents) {
        (Some(url), None) => {
            let egress = Egress::new(registry.policy.clone());
            let egress = egress.map_err(|error| ApiError::Unavailable(error.into()))?;
            let client = RegistryClient::new(egress, url);
            let client = client.ok_or_else(|| ApiError::invalid("registry", "expected a URL"))?;
            let page = client.page(RegistryQuery {
                cursor: import.cursor.as_deref(),
                search: import.search.as_deref(),
                updated_since: import.updated_since.as_deref(),
                all_versions: import.all_versions,
            });
            let page = page
                .await
                .map_err(|it| ApiError::Conflict(it.to_string()))?;
            (page.servers, Some(client.registry().to_owned()), page.next)
        }
        (None, Some(documents)) => (documents, None, None),
        _ => {
            let message = "exactly one of registry and documents is required";
            return Err(ApiError::invalid("registry", message));
        }
    };
    let catalog = api.catalog()?;
    let options = ImportOptions::new(origin, import.teams).with_records(
        entries::record(&api, &admin, "entry.create"),
        entries::record(&api, &admin, "entry.replace"),
    );
    let check = |server: &Value| catalog.check_server(server);
    let report = registry
        .entries
        .import(&documents, &options, &check)
        .await?;
    warn(&api, &report).await?;
    Ok(Json(Import { report, next }))
}

/// Warns of installed servers whose entries have a new status.
async fn warn(api: &AdminApi, report: &ImportReport) -> Result<(), ApiError> {
    for id in &report.statuses {
        let (name, version) = id.split_once('@').unwrap_or((id, ""));
        let found = api.registry()?.entries.get(name, Some(version)).await?;
        if let Some(found) = found {
            installation::warn(api, id, found.document.entry.status);
        }
    }
    Ok(())
}
