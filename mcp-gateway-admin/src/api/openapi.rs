//! The OpenAPI document.

use axum::Router;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::routing::get;
use bytes::Bytes;
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{Components, Info, OpenApi, OpenApiBuilder, RefOr};

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

/// Describes each response of `document` that has no description, which the specification requires,
/// by the phrase of its status.
pub(super) fn describe_responses(document: &mut OpenApi) {
    let items = document.paths.paths.values_mut();
    let operations = items.flat_map(|item| {
        let methods = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.patch,
            &mut item.delete,
        ];
        methods.into_iter().flatten()
    });
    for (status, response) in operations.flat_map(|found| &mut found.responses.responses) {
        let RefOr::T(response) = response else {
            continue;
        };
        if response.description.is_empty() {
            let status = StatusCode::from_bytes(status.as_bytes()).ok();
            let phrase = status.and_then(|status| status.canonical_reason());
            phrase
                .unwrap_or("Response")
                .clone_into(&mut response.description);
        }
    }
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
                           are in seconds since the Unix epoch, in the audit log in milliseconds. \
                           A POST request may have an Idempotency-Key: the same request with the \
                           same key has the same result for 24 hours. GET requests for one object \
                           return an ETag, and accept If-None-Match; changes accept If-Match.";

/// Name of the authentication scheme.
const SCHEME: &str = "bearer";
