//! `/users`.

use std::ops::RangeInclusive;

use axum::Json;
use axum::extract::State;
use axum::http::header::LOCATION;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use mcp_gateway_auth::Secret;
use mcp_gateway_auth::users::{LinkedIdentity, NewUser, Role, User, UserUpdate};
use mcp_gateway_store::{Attachment, DocumentVersion};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Admin;
use super::extract::{Body, Filter, Id};
use super::label::{Label, check_name};
use super::page::{Page, PageQuery};
use super::problem::{ApiError, Problem};
use super::version::{Expected, expected, versioned};
use super::{AdminApi, BASE};

/// User.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = User)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct UserDocument {
    /// Identifier, which is never reassigned.
    pub id: String,
    /// Display name.
    pub name: String,
    /// Login name of a local account.
    pub username: Option<String>,
    /// Email address that an identity provider has verified.
    pub email: Option<String>,
    /// `admin` or `member`.
    #[schema(value_type = RoleName)]
    pub role: &'static str,
    /// Teams.
    pub teams: Vec<String>,
    /// Teams whose connections and gateways the user manages.
    pub administered_teams: Vec<String>,
    /// `true` if the user must not log in, and tokens are rejected.
    pub disabled: bool,
    /// Time of creation.
    pub created: u64,
    /// Identities at identity providers.
    pub identities: Vec<IdentityDocument>,
}

/// Identity of a user at an identity provider.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Identity)]
#[non_exhaustive]
pub struct IdentityDocument {
    /// Identity provider.
    pub issuer: String,
    /// Subject at the provider.
    pub subject: String,
    /// Login name at the provider.
    pub login: Option<String>,
}

/// Role of a user.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = Role)]
enum RoleName {
    /// Administers the gateway.
    Admin,
    /// Uses the gateway only.
    #[default]
    Member,
}

/// User to create.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(as = NewUser)]
#[serde(deny_unknown_fields)]
pub(super) struct UserToCreate {
    /// Login name, without regard to case.
    #[schema(pattern = "^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$")]
    name: String,
    /// Password; generated if absent.
    #[schema(min_length = 8, max_length = 256)]
    password: Option<String>,
    #[serde(default)]
    #[schema(inline)]
    role: RoleName,
    /// Teams.
    #[serde(default)]
    #[schema(max_items = 100, value_type = Vec<Label>)]
    teams: Vec<String>,
    /// Teams whose connections and gateways the user manages, among those of the user.
    #[serde(default, rename = "administeredTeams")]
    #[schema(max_items = 100, value_type = Vec<Label>)]
    administered_teams: Vec<String>,
}

/// Created user.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedUser {
    user: UserDocument,
    /// Generated password, which is not shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<String>,
}

/// Changes of a user. Absent fields stay as they are.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserChanges {
    /// New role.
    #[schema(inline)]
    role: Option<RoleName>,
    /// New teams. A login at an identity provider sets those of its users again.
    #[schema(max_items = 100, value_type = Option<Vec<Label>>)]
    teams: Option<Vec<String>>,
    /// New teams whose connections and gateways the user manages, among those of the user.
    #[serde(rename = "administeredTeams")]
    #[schema(max_items = 100, value_type = Option<Vec<Label>>)]
    administered_teams: Option<Vec<String>>,
    /// `true` ends all sessions and revokes all tokens of the user, for good.
    disabled: Option<bool>,
    /// New password of a local account, which ends its sessions.
    #[schema(min_length = 8, max_length = 256)]
    password: Option<String>,
}

/// Returns users, ordered by identifier.
#[utoipa::path(
    get, path = "/users", tag = "users", operation_id = "listUsers", params(PageQuery),
    responses((status = 200, body = Page<UserDocument>), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn list(
    State(api): State<AdminApi>,
    Filter(page): Filter<PageQuery>,
) -> Result<Json<Page<UserDocument>>, ApiError> {
    let limit = page.limit()?;
    let users = api.administration()?.users();
    let found = users.list(page.after()?, limit + 1).await?;
    let found = found.iter().map(UserDocument::from).collect();
    Ok(Json(Page::of(found, limit, |user: &UserDocument| &user.id)))
}

/// Creates a user with a password.
#[utoipa::path(
    post, path = "/users", tag = "users", operation_id = "createUser", request_body = UserToCreate,
    responses((status = 201, body = CreatedUser), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn create(
    State(api): State<AdminApi>,
    admin: Admin,
    Body(new): Body<UserToCreate>,
) -> Result<impl IntoResponse, ApiError> {
    check_teams(&new.teams)?;
    check_teams(&new.administered_teams)?;
    check_password(new.password.as_ref())?;
    let generated = match new.password {
        Some(_) => None,
        None => Some(Secret::generate("")?),
    };
    let password = new.password.as_deref();
    let password = password.or_else(|| generated.as_ref().map(Secret::expose));
    let user = api
        .administration()?
        .administrator(admin.actor())
        .create_user(
            NewUser::new(new.name, password.unwrap_or_default())
                .with_role(new.role.into())
                .with_teams(new.teams)
                .with_administered_teams(new.administered_teams),
        )
        .await?;
    let location = format!("{BASE}/users/{}", user.id);
    let created = CreatedUser {
        user: UserDocument::from(&user),
        password: generated.map(|secret| secret.expose().to_owned()),
    };
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(created)))
}

/// Returns a user.
#[utoipa::path(
    get, path = "/users/{id}", tag = "users", operation_id = "getUser", params(("id" = String, Path)),
    responses((status = 200, body = UserDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn get(State(api): State<AdminApi>, Id(id): Id) -> Result<Response, ApiError> {
    shown(&api, &id).await
}

/// Changes a user, if it has the version in `If-Match`. The last admin who is not disabled stays one.
#[utoipa::path(
    patch, path = "/users/{id}", tag = "users", operation_id = "updateUser",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "`ETag` of the user")),
    request_body = UserChanges,
    responses((status = 200, body = UserDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn update(
    State(api): State<AdminApi>,
    admin: Admin,
    Id(id): Id,
    headers: HeaderMap,
    Body(changes): Body<UserChanges>,
) -> Result<Response, ApiError> {
    check_teams(changes.teams.as_deref().unwrap_or_default())?;
    check_teams(changes.administered_teams.as_deref().unwrap_or_default())?;
    check_password(changes.password.as_ref())?;
    let version = unchanged(&api, &id, &headers).await?;
    let condition = match version {
        Some(version) => api.administration()?.users().if_version(&id, version),
        None => Attachment::default(),
    };
    let administrator = api.administration()?.administrator(admin.actor());
    let update = changes.into();
    let updating = administrator.update_user_if(&id, &update, condition);
    if let Err(error) = updating.await {
        // The condition has failed if somebody else was faster.
        unchanged(&api, &id, &headers).await?;
        return Err(error.into());
    }
    shown(&api, &id).await
}

/// Deletes a user with all sessions, tokens and accounts at servers. The last admin who is not
/// disabled stays.
#[utoipa::path(
    delete, path = "/users/{id}", tag = "users", operation_id = "deleteUser",
    params(("id" = String, Path), ("If-Match" = Option<String>, Header, description = "`ETag` of the user")),
    responses((status = 204), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn delete(
    State(api): State<AdminApi>,
    admin: Admin,
    Id(id): Id,
    headers: HeaderMap,
) -> Result<StatusCode, ApiError> {
    unchanged(&api, &id, &headers).await?;
    let administrator = api.administration()?.administrator(admin.actor());
    administrator.delete_user(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the response with a user and the version of the document.
async fn shown(api: &AdminApi, id: &str) -> Result<Response, ApiError> {
    let found = api.administration()?.users().find_versioned(id).await?;
    let found = found.ok_or(ApiError::NotFound)?;
    let document = UserDocument::from(&found.value);
    Ok(versioned(document, Some(found.version.0)))
}

/// Returns the version of the user that `If-Match` requires; `None` without one.
///
/// # Errors
///
/// [`ApiError::PreconditionFailed`] if the user has another version.
async fn unchanged(
    api: &AdminApi,
    id: &str,
    headers: &HeaderMap,
) -> Result<Option<DocumentVersion>, ApiError> {
    let Some(expected) = expected(headers)?.and_then(Expected::number) else {
        return Ok(None);
    };
    let found = api.administration()?.users().find_versioned(id).await?;
    let version = found.ok_or(ApiError::NotFound)?.version;
    match version.0 == expected {
        true => Ok(Some(version)),
        false => Err(ApiError::PreconditionFailed),
    }
}

/// Validates a password.
fn check_password(password: Option<&String>) -> Result<(), ApiError> {
    let length = password.map(|password| password.chars().count());
    match length.is_none_or(|length| PASSWORD_LENGTHS.contains(&length)) {
        true => Ok(()),
        false => Err(ApiError::invalid(
            "password",
            "expected 8 to 256 characters",
        )),
    }
}

/// Validates the names of teams.
fn check_teams(teams: &[String]) -> Result<(), ApiError> {
    if teams.len() > MAX_TEAMS {
        let message = format!("expected at most {MAX_TEAMS} teams");
        return Err(ApiError::invalid("teams", message));
    }
    teams.iter().try_for_each(|team| check_name("teams", team))
}

impl From<&User> for UserDocument {
    fn from(user: &User) -> Self {
        Self {
            id: user.id.clone(),
            name: user.name.clone(),
            username: user.username.clone(),
            email: user.email.clone(),
            role: user.role.as_str(),
            teams: user.teams.clone(),
            administered_teams: user.administered_teams.clone(),
            disabled: user.disabled,
            created: user.created,
            identities: user.identities.iter().map(IdentityDocument::from).collect(),
        }
    }
}

impl From<&LinkedIdentity> for IdentityDocument {
    fn from(identity: &LinkedIdentity) -> Self {
        Self {
            issuer: identity.issuer.clone(),
            subject: identity.subject.clone(),
            login: identity.login.clone(),
        }
    }
}

impl From<UserChanges> for UserUpdate {
    fn from(changes: UserChanges) -> Self {
        let UserChanges {
            role,
            teams,
            administered_teams,
            disabled,
            password,
        } = changes;
        let mut update = Self::new();
        if let Some(role) = role {
            update = update.with_role(role.into());
        }
        if let Some(teams) = teams {
            update = update.with_teams(teams);
        }
        if let Some(teams) = administered_teams {
            update = update.with_administered_teams(teams);
        }
        if let Some(disabled) = disabled {
            update = update.with_disabled(disabled);
        }
        if let Some(password) = password {
            update = update.with_password(password);
        }
        update
    }
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Admin => Self::Admin,
            RoleName::Member => Self::Member,
        }
    }
}

/// Maximum number of teams of a user.
const MAX_TEAMS: usize = 100;

/// Permitted lengths of a password in characters.
const PASSWORD_LENGTHS: RangeInclusive<usize> = 8..=256;
