//! The OpenAPI document.

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use bytes::Bytes;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Info, OpenApi, OpenApiBuilder};

use super::BASE;

/// Returns the document without paths.
pub(super) fn description() -> OpenApi {
    let mut info = Info::new("mcp-gateway", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
    let mut components = Components::new();
    components.add_security_scheme(SCHEME, bearer);
    OpenApiBuilder::new()
        .info(info)
        .components(Some(components))
        .security(Some([SecurityRequirement::new(SCHEME, [""; 0])]))
        .build()
}

/// Returns the route of `document`.
pub(super) fn router<S: Clone + Send + Sync + 'static>(document: &OpenApi) -> Router<S> {
    let text = Bytes::from(document.to_json().unwrap_or_default());
    let path = format!("{BASE}/openapi.json");
    Router::new().route(
        &path,
        get(async move || ([(CONTENT_TYPE, "application/json")], text.clone())),
    )
}

/// Description of the API.
const DESCRIPTION: &str = "Administration of a gateway by principals with the role admin. Times \
                           are in seconds since the Unix epoch, in the audit log in milliseconds.";

/// Name of the authentication scheme.
const SCHEME: &str = "bearer";
