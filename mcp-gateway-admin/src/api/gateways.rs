//! `/gateways`.

use axum::Json;
use axum::extract::State;

use super::AdminApi;
use super::extract::{Filter, Id};
use super::page::{Page, PageQuery};
use super::problem::{ApiError, Problem};
use crate::catalog::GatewayDocument;

/// Returns gateways, ordered by name.
#[utoipa::path(
    get, path = "/gateways", tag = "gateways", operation_id = "listGateways", params(PageQuery),
    responses((status = 200, body = Page<GatewayDocument>), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn list(
    State(api): State<AdminApi>,
    Filter(page): Filter<PageQuery>,
) -> Result<Json<Page<GatewayDocument>>, ApiError> {
    let (limit, after) = (page.limit()?, page.after()?);
    let mut found = api.catalog()?.gateways();
    found.retain(|gateway| after.is_none_or(|after| *gateway.name > *after));
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    Ok(Json(Page::of(found, limit, |gateway| &gateway.name)))
}

/// Returns a gateway.
#[utoipa::path(
    get, path = "/gateways/{name}", tag = "gateways", operation_id = "getGateway", params(("name" = String, Path)),
    responses((status = 200, body = GatewayDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn get(
    State(api): State<AdminApi>,
    Id(name): Id,
) -> Result<Json<GatewayDocument>, ApiError> {
    let mut gateways = api.catalog()?.gateways().into_iter();
    let found = gateways.find(|gateway| gateway.name == name);
    Ok(Json(found.ok_or(ApiError::NotFound)?))
}
