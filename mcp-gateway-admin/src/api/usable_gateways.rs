//! `/usable-gateways`: the gateways that the caller may use.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::AdminApi;
use super::access::Member;
use super::extract::{Filter, Id};
use super::page::{Page, PageQuery};
use super::problem::{ApiError, Problem};
use crate::catalog::GatewayDocument;

/// Gateway that the caller may use.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UsableGateway {
    /// Identifier, which outlives changes of the name.
    id: String,
    /// Name. The gateway is at `/v1/mcp/{name}`.
    name: String,
    /// Title for people.
    title: Option<String>,
    /// Description for people.
    description: Option<String>,
    /// `true` for the gateway at `/mcp`.
    default: bool,
}

/// Returns the gateways that the caller may use, ordered by name.
#[utoipa::path(
    get, path = "/usable-gateways", tag = "gateways", operation_id = "listUsableGateways", params(PageQuery),
    responses((status = 200, body = Page<UsableGateway>), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn list(
    State(api): State<AdminApi>,
    member: Member,
    Filter(page): Filter<PageQuery>,
) -> Result<Json<Page<UsableGateway>>, ApiError> {
    let (limit, after) = (page.limit()?, page.after()?);
    let mut found = api.catalog()?.gateways();
    found.retain(|gateway| {
        is_usable(gateway, &member) && after.is_none_or(|after| *gateway.name > *after)
    });
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    found.truncate(limit + 1);
    let found = found.into_iter().map(UsableGateway::from).collect();
    Ok(Json(Page::of(found, limit, |gateway: &UsableGateway| {
        &gateway.name
    })))
}

/// Returns a gateway that the caller may use, by its identifier or name.
#[utoipa::path(
    get, path = "/usable-gateways/{id}", tag = "gateways", operation_id = "getUsableGateway", params(("id" = String, Path)),
    responses((status = 200, body = UsableGateway), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn get(
    State(api): State<AdminApi>,
    member: Member,
    Id(id): Id,
) -> Result<Json<UsableGateway>, ApiError> {
    let found = api.catalog()?.gateway(&id).map(|(gateway, _)| gateway);
    let found = found.filter(|gateway| is_usable(gateway, &member));
    Ok(Json(found.ok_or(ApiError::NotFound)?.into()))
}

/// Returns `true` if `gateway` is served, and exists for `member`: one of a user exists for that user
/// alone, and one of teams for their members and administrators.
fn is_usable(gateway: &GatewayDocument, member: &Member) -> bool {
    let of_member = match (&gateway.user, &gateway.teams) {
        (Some(user), _) => **user == *member.subject(),
        (None, Some(teams)) => {
            let own = member.principal().teams();
            let has = |team: &String| own.iter().any(|own| **own == **team);
            member.is_admin() || teams.iter().any(has)
        }
        (None, None) => true,
    };
    of_member && gateway.violations.is_empty()
}

impl From<GatewayDocument> for UsableGateway {
    fn from(gateway: GatewayDocument) -> Self {
        Self {
            id: gateway.id,
            name: gateway.name,
            title: gateway.title,
            description: gateway.description,
            default: gateway.default,
        }
    }
}
