//! `/whoami`.

use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

use mcp_gateway_auth::AdministeredTeams;

use super::access::{Member, permits};
use super::operation::operations;
use super::problem::Problem;

/// Sender of a request.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Whoami)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct WhoamiDocument {
    /// Subject, which is the actor in the audit log.
    pub subject: String,
    /// Display name.
    pub name: Option<String>,
    /// `admin`, `teamAdmin` for an administrator of teams, or `member`.
    pub role: &'static str,
    /// Teams.
    pub teams: Vec<String>,
    /// Teams whose connections and gateways the sender manages.
    pub administered_teams: Vec<String>,
    /// Operations of this document that the sender may use, by `operationId`. Objects of others may
    /// still be hidden.
    pub abilities: Vec<&'static str>,
}

/// Returns the sender of the request, and the operations that it may use.
#[utoipa::path(
    get, path = "/whoami", tag = "whoami", operation_id = "whoami",
    responses((status = 200, body = WhoamiDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn get(member: Member) -> Json<WhoamiDocument> {
    let principal = member.principal();
    let administered = AdministeredTeams::of(principal);
    let texts = |names: &[std::sync::Arc<str>]| names.iter().map(ToString::to_string).collect();
    let permitted = operations()
        .iter()
        .filter(|operation| permits(principal, &operation.method, &operation.sample_path()));
    Json(WhoamiDocument {
        subject: principal.subject().to_owned(),
        name: principal.name().map(str::to_owned),
        role: match (member.is_admin(), administered.is_empty()) {
            (true, _) => "admin",
            (false, false) => "teamAdmin",
            (false, true) => "member",
        },
        teams: texts(principal.teams()),
        administered_teams: texts(administered),
        abilities: permitted.map(|operation| &*operation.id).collect(),
    })
}
