//! `/connections`.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use mcp_gateway_auth::accounts::{
    AccountCredentials, AccountId, ConnectionRecord, Owner, ProbeError, SupplyError,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Manager;
use super::extract::{Body, Filter, Id};
use super::page::{Page, PageQuery};
use super::problem::{ApiError, Problem};
use super::{AdminApi, BASE};
use crate::{Connections, Violation};

/// Connection of an owner to a server, without its tokens and values.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Connection)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ConnectionDocument {
    /// Identifier.
    pub id: String,
    /// Owner: `user/ID`, `team/NAME` or `organization`.
    pub owner: String,
    /// Name of the server.
    pub server: String,
    /// `account` of OAuth, or supplied `inputs`.
    pub kind: String,
    /// `connected`; `ended` by the authorization server; `outdated` because the server has been
    /// changed; `unused` because the server does not exist any more.
    pub status: String,
    /// Last error: the reason for which it has ended, or the last rejection of the values by the
    /// server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Time at which the owner has connected.
    pub connected: u64,
}

/// Connection to make with values for the inputs of a server.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewConnection {
    /// Owner: `team/NAME` or `organization`. Users make personal connections themselves.
    #[schema(
        max_length = 512,
        pattern = "^(organization|team/[^\\u0000-\\u001f\\u007f-\\u009f]+)$"
    )]
    owner: String,
    /// Name of the server.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$")]
    server: String,
    /// Values by the names of the inputs.
    values: BTreeMap<String, String>,
    /// Set to store the values without a test at the server.
    #[serde(default)]
    untested: bool,
}

/// Returns the connections of all owners, in a stable order. An administrator of teams sees those of
/// the teams.
#[utoipa::path(
    get, path = "/connections", tag = "connections", operation_id = "listConnections", params(PageQuery),
    responses((status = 200, body = Page<ConnectionDocument>), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn list(
    State(api): State<AdminApi>,
    manager: Manager,
    Filter(page): Filter<PageQuery>,
) -> Result<Json<Page<ConnectionDocument>>, ApiError> {
    let limit = page.limit()?;
    let invalid = || ApiError::BadRequest("after: invalid cursor".to_owned());
    let after = page.after()?;
    let after = after.map(|after| AccountId::from_key(after).ok_or_else(invalid));
    let (connections, after) = (api.connections()?.credentials(), after.transpose()?);
    let found = match manager.teams() {
        Some(teams) => of_teams(connections, teams, after.as_ref()).await?,
        None => connections.connections(after.as_ref(), limit + 1).await?,
    };
    let found = found.into_iter().map(ConnectionDocument::from).collect();
    Ok(Json(Page::of(
        found,
        limit,
        |found: &ConnectionDocument| &found.id,
    )))
}

/// Connects a team or the organization with values for the inputs of a server, which are tested
/// first. An earlier connection is replaced.
#[utoipa::path(
    post, path = "/connections", tag = "connections", operation_id = "createConnection", request_body = NewConnection,
    responses((status = 201, body = ConnectionDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn create(
    State(api): State<AdminApi>,
    manager: Manager,
    Body(new): Body<NewConnection>,
) -> Result<impl IntoResponse, ApiError> {
    let connections = api.connections()?;
    let id = AccountId::new(shared_owner(&new.owner)?, new.server);
    if !manager.manages(&id.owner) {
        return Err(ApiError::Forbidden);
    }
    let principal = manager.principal();
    let probe = connections.probe().filter(|_| !new.untested);
    let credentials = connections.credentials();
    if let (Some(_), Owner::Team(team)) = (manager.teams(), &id.owner)
        && !credentials.is_for_team(team, &id.server)
    {
        // As if the server did not exist.
        return Err(SupplyError::NoInputs.into());
    }
    credentials
        .supply(principal, &id, &new.values, probe)
        .await?;
    let created = find(connections, &id).await?;
    let location = format!("{BASE}/connections/{}", created.id);
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(created)))
}

/// Returns a connection.
#[utoipa::path(
    get, path = "/connections/{id}", tag = "connections", operation_id = "getConnection", params(("id" = String, Path)),
    responses((status = 200, body = ConnectionDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn get(
    State(api): State<AdminApi>,
    manager: Manager,
    Id(id): Id,
) -> Result<Json<ConnectionDocument>, ApiError> {
    let id = managed(&manager, &id)?;
    Ok(Json(find(api.connections()?, &id).await?))
}

/// Ends a connection, and revokes its tokens.
#[utoipa::path(
    delete, path = "/connections/{id}", tag = "connections", operation_id = "deleteConnection", params(("id" = String, Path)),
    responses((status = 204), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn delete(
    State(api): State<AdminApi>,
    manager: Manager,
    Id(id): Id,
) -> Result<StatusCode, ApiError> {
    let id = managed(&manager, &id)?;
    let credentials = api.connections()?.credentials();
    let actor = manager.principal().subject();
    match credentials.disconnect(actor, &id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::NotFound),
    }
}

/// Returns the connections of `teams` after `after`, ordered by identifier.
async fn of_teams(
    connections: &AccountCredentials,
    teams: &[Arc<str>],
    after: Option<&AccountId>,
) -> Result<Vec<ConnectionRecord>, ApiError> {
    let mut found = Vec::new();
    for team in teams {
        let owner = Owner::Team(Arc::clone(team));
        found.extend(connections.connections_of(&owner).await?);
    }
    found.sort_by_cached_key(|record| record.id.key());
    let after = after.map(AccountId::key);
    found.retain(|record| after.as_ref().is_none_or(|after| record.id.key() > *after));
    Ok(found)
}

/// Returns the identity of the connection `id`, if `manager` may see it.
fn managed(manager: &Manager, id: &str) -> Result<AccountId, ApiError> {
    let id = AccountId::from_key(id).filter(|id| manager.manages(&id.owner));
    id.ok_or(ApiError::NotFound)
}

/// Returns the owner `text`, which is not a user.
fn shared_owner(text: &str) -> Result<Owner, ApiError> {
    match text.parse() {
        Ok(Owner::User(_)) => Err(ApiError::invalid("owner", "users connect themselves")),
        Ok(_) if text.contains(char::is_control) || text.len() > MAX_OWNER => {
            let message = format!("expected printable text of up to {MAX_OWNER} bytes");
            Err(ApiError::invalid("owner", message))
        }
        Ok(owner) => Ok(owner),
        Err(error) => Err(ApiError::invalid("owner", error.to_string())),
    }
}

async fn find(connections: &Connections, id: &AccountId) -> Result<ConnectionDocument, ApiError> {
    let found = connections.credentials().connection(id).await?;
    found
        .map(ConnectionDocument::from)
        .ok_or(ApiError::NotFound)
}

impl From<ConnectionRecord> for ConnectionDocument {
    fn from(record: ConnectionRecord) -> Self {
        Self {
            id: record.id.key(),
            owner: record.id.owner.to_string(),
            server: record.id.server.to_string(),
            kind: record.kind.to_string(),
            status: record.status.to_string(),
            error: record.error,
            connected: record.connected_at,
        }
    }
}

impl From<SupplyError> for ApiError {
    fn from(error: SupplyError) -> Self {
        match error {
            SupplyError::Unavailable(error) => error.into(),
            SupplyError::Invalid(violations) => {
                let violations = violations.into_iter().map(|(input, violation)| {
                    Violation::new(&format!("values.{input}"), violation.to_string())
                });
                Self::Invalid(violations.collect())
            }
            SupplyError::NoInputs => Self::invalid("server", error.to_string()),
            SupplyError::Probe(error @ ProbeError::Rejected(_)) => {
                Self::invalid("values", error.to_string())
            }
            error => Self::Conflict(error.to_string()),
        }
    }
}

/// Maximum size of the name of an owner in bytes.
const MAX_OWNER: usize = 512;
