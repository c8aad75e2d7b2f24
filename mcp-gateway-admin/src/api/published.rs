//! `/v0.1` and `/v0`: the registry API, for clients of the official registry.
//!
//! Reading needs a token, unless the registry is public: then requests without one see the entries
//! of the organization. Web pages of other origins may read, because there are no cookies.

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    AUTHORIZATION, CACHE_CONTROL,
};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get};
use axum::{Json, Router, middleware};
use mcp_gateway_core::auth::Principal;
use mcp_gateway_registry::{EntryPage, FoundEntry, VersionFilter, Viewer, registry_api};
use serde::Deserialize;
use serde_json::json;

use super::AdminApi;
use super::access::viewer;
use super::extract::Filter;
use super::page::valid_cursor;
use super::problem::ApiError;

/// Query of a list.
#[derive(Debug, Default, Deserialize)]
pub(super) struct ListQuery {
    cursor: Option<String>,
    limit: Option<usize>,
    search: Option<String>,
    updated_since: Option<String>,
    version: Option<String>,
    #[serde(default)]
    include_deleted: bool,
}

/// Query of one entry.
#[derive(Debug, Default, Deserialize)]
pub(super) struct DeletedQuery {
    #[serde(default)]
    include_deleted: bool,
}

/// Returns the router of both versions, which have the same paths.
pub(super) fn router() -> Router<AdminApi> {
    let routes = ["/v0.1", "/v0"].iter().fold(Router::new(), |router, base| {
        router
            .route(&format!("{base}/servers"), readable(get(list)))
            .route(
                &format!("{base}/servers/{{name}}/versions"),
                readable(get(versions)),
            )
            .route(
                &format!("{base}/servers/{{name}}/versions/{{version}}"),
                readable(get(version)),
            )
    });
    routes
        .fallback(async || ApiError::NotFound)
        .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
        .layer(middleware::map_response(with_headers))
}

/// Adds the response to preflight requests of browsers.
fn readable(routes: MethodRouter<AdminApi>) -> MethodRouter<AdminApi> {
    routes.options(async || StatusCode::NO_CONTENT)
}

async fn list(
    State(api): State<AdminApi>,
    Filter(query): Filter<ListQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let reader = Reader::of(&api, request).await?;
    let cursor = query.cursor.as_deref().filter(|cursor| !cursor.is_empty());
    let cursor = valid_cursor(cursor)?;
    let since = match query.updated_since.as_deref() {
        Some(text) => {
            let invalid = || ApiError::BadRequest("updated_since: expected a time".to_owned());
            Some(registry_api::since(text).ok_or_else(invalid)?)
        }
        None => None,
    };
    let mut filter = VersionFilter::new(query.search, query.version, since);
    filter.deleted |= query.include_deleted;
    let limit = query.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let entries = &api.registry()?.entries;
    let page = entries
        .list_versions(&filter, reader.viewer(), cursor, limit)
        .await?;
    Ok(Json(registry_api::servers(&page)).into_response())
}

async fn versions(
    State(api): State<AdminApi>,
    axum::extract::Path(name): axum::extract::Path<String>,
    Filter(query): Filter<DeletedQuery>,
    request: Request,
) -> Result<Response, ApiError> {
    let reader = Reader::of(&api, request).await?;
    let mut found = api
        .registry()?
        .entries
        .versions(registry_api::name(&name))
        .await?;
    found.retain(|found| reader.sees(found, query.include_deleted));
    if found.is_empty() {
        return Ok(unknown());
    }
    let page = EntryPage::of(found);
    Ok(Json(registry_api::servers(&page)).into_response())
}

async fn version(
    State(api): State<AdminApi>,
    axum::extract::Path((name, version)): axum::extract::Path<(String, String)>,
    request: Request,
) -> Result<Response, ApiError> {
    let reader = Reader::of(&api, request).await?;
    let version = (version != "latest").then_some(&*version);
    let entries = &api.registry()?.entries;
    let found = entries.get(registry_api::name(&name), version).await?;
    // A client that has installed a deleted version needs to know that it is deleted.
    let found = found.filter(|found| reader.sees(found, version.is_some()));
    Ok(found.map_or_else(unknown, |found| {
        Json(registry_api::server(&found)).into_response()
    }))
}

/// Sender of a request.
struct Reader(Option<Principal>);

impl Reader {
    /// Authenticates the sender of `request`, who may be anonymous if the registry is public.
    async fn of(api: &AdminApi, request: Request) -> Result<Self, ApiError> {
        let (parts, _): (Parts, _) = request.into_parts();
        let is_anonymous = !parts.headers.contains_key(AUTHORIZATION);
        match is_anonymous && api.catalog()?.is_registry_public() {
            true => Ok(Self(None)),
            false => Ok(Self(Some(api.0.verifier.verify(&parts).await?))),
        }
    }

    fn viewer(&self) -> Viewer<'_> {
        self.0.as_ref().map_or(Viewer::Public, viewer)
    }

    fn sees(&self, found: &FoundEntry, deleted: bool) -> bool {
        let entry = &found.document.entry;
        let is_deleted = entry.status == mcp_gateway_registry::EntryStatus::Deleted;
        self.viewer().sees(entry.teams.as_deref()) && (deleted || !is_deleted)
    }
}

/// Returns the response for an entry that the sender does not see.
fn unknown() -> Response {
    let body = json!({ "error": "Server not found" });
    (StatusCode::NOT_FOUND, Json(body)).into_response()
}

/// Adds the headers of all responses.
async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    for (name, value) in [
        (ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        (ACCESS_CONTROL_ALLOW_METHODS, "GET, OPTIONS"),
        (ACCESS_CONTROL_ALLOW_HEADERS, "Authorization, Content-Type"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Default number of entries of a page.
const DEFAULT_LIMIT: usize = 30;

/// Maximum number of entries of a page.
const MAX_LIMIT: usize = 100;
