//! `/tokens`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use mcp_gateway_auth::server::{ApiToken, TokenOwner};
use mcp_gateway_auth::users::UserError;
use mcp_gateway_auth::{Clock, Secret};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Admin;
use super::extract::{Body, Filter, Id};
use super::label::{Label, check_name};
use super::page::{Page, PageQuery};
use super::problem::{ApiError, Problem};
use super::{AdminApi, BASE};

/// API token, without its secret.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Token)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct TokenDocument {
    /// Identifier, which is part of the token.
    pub id: String,
    /// Purpose of the token.
    pub name: String,
    /// Identifier of the user whose access it has.
    pub user: Option<String>,
    /// Team whose access it has; without user and team, the organization.
    pub team: Option<String>,
    /// Time of creation.
    pub created: u64,
    /// Expiration time; never if `null`.
    pub expires: Option<u64>,
    /// Time of the last use, with a resolution of one minute.
    pub last_used: Option<u64>,
}

/// API token to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct NewToken {
    /// Purpose of the token.
    #[schema(value_type = Label)]
    name: String,
    /// Identifier of the user whose access it has.
    user: Option<String>,
    /// Team whose access it has; without user and team, the organization.
    #[schema(value_type = Option<Label>)]
    team: Option<String>,
    /// Lifetime in seconds; unlimited if absent.
    #[schema(minimum = 1, maximum = 3_153_600_000u64)]
    expires_in: Option<u64>,
}

/// Created API token.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedToken {
    token: TokenDocument,
    /// Bearer token, which is not shown again.
    secret: String,
}

/// Returns API tokens, ordered by identifier.
#[utoipa::path(
    get, path = "/tokens", tag = "tokens", operation_id = "listTokens", params(PageQuery),
    responses((status = 200, body = Page<TokenDocument>), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn list(
    State(api): State<AdminApi>,
    Filter(page): Filter<PageQuery>,
) -> Result<Json<Page<TokenDocument>>, ApiError> {
    let limit = page.limit()?;
    let tokens = api.administration()?.server().api_tokens();
    let found = tokens.list(page.after()?, limit + 1).await?;
    let found = found.iter().map(TokenDocument::from).collect();
    Ok(Json(Page::of(found, limit, |token: &TokenDocument| {
        &token.id
    })))
}

/// Creates an API token. Its secret is shown only in this response.
#[utoipa::path(
    post, path = "/tokens", tag = "tokens", operation_id = "createToken", request_body = NewToken,
    responses((status = 201, body = CreatedToken), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn create(
    State(api): State<AdminApi>,
    admin: Admin,
    Body(new): Body<NewToken>,
) -> Result<impl IntoResponse, ApiError> {
    let administration = api.administration()?;
    check_name("name", &new.name)?;
    let owner = match (new.user, new.team) {
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid(
                "team",
                "user and team are mutually exclusive",
            ));
        }
        (Some(user), None) => TokenOwner::User(user),
        (None, Some(team)) => {
            check_name("team", &team)?;
            TokenOwner::Team(team)
        }
        (None, None) => TokenOwner::Organization,
    };
    let expires = expiration(new.expires_in)?;
    let administrator = administration.administrator(admin.actor());
    let issued = administrator.create_token(&new.name, owner, expires).await;
    Ok(created(issued.map_err(owner_error)?))
}

/// Returns an API token, without its secret.
#[utoipa::path(
    get, path = "/tokens/{id}", tag = "tokens", operation_id = "getToken", params(("id" = String, Path)),
    responses((status = 200, body = TokenDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn get(
    State(api): State<AdminApi>,
    Id(id): Id,
) -> Result<Json<TokenDocument>, ApiError> {
    let token = api
        .administration()?
        .server()
        .api_tokens()
        .find(&id)
        .await?;
    let token = token.ok_or(ApiError::NotFound)?;
    Ok(Json(TokenDocument::from(&token)))
}

/// Replaces an API token by a new one, and revokes the old one.
#[utoipa::path(
    post, path = "/tokens/{id}/rotate", tag = "tokens", operation_id = "rotateToken", params(("id" = String, Path)),
    responses((status = 201, body = CreatedToken), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn rotate(
    State(api): State<AdminApi>,
    admin: Admin,
    Id(id): Id,
) -> Result<impl IntoResponse, ApiError> {
    let administrator = api.administration()?.administrator(admin.actor());
    let rotated = administrator.rotate_token(&id).await.map_err(owner_error)?;
    Ok(created(rotated.ok_or(ApiError::NotFound)?))
}

/// Revokes an API token.
#[utoipa::path(
    delete, path = "/tokens/{id}", tag = "tokens", operation_id = "revokeToken", params(("id" = String, Path)),
    responses((status = 204), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn revoke(
    State(api): State<AdminApi>,
    admin: Admin,
    Id(id): Id,
) -> Result<StatusCode, ApiError> {
    let administrator = api.administration()?.administrator(admin.actor());
    match administrator.revoke_token(&id).await? {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(ApiError::NotFound),
    }
}

/// Returns the error of a token whose owner may have none.
fn owner_error(error: UserError) -> ApiError {
    match error {
        UserError::Unknown => ApiError::Conflict("no such user".to_owned()),
        error => error.into(),
    }
}

/// Returns the response with a new token.
fn created((token, secret): (ApiToken, Secret)) -> impl IntoResponse {
    let location = format!("{BASE}/tokens/{}", token.id);
    let created = CreatedToken {
        token: TokenDocument::from(&token),
        secret: secret.expose().to_owned(),
    };
    (StatusCode::CREATED, [(LOCATION, location)], Json(created))
}

/// Returns the expiration time of a token with the lifetime `seconds`.
fn expiration(seconds: Option<u64>) -> Result<Option<u64>, ApiError> {
    match seconds {
        None => Ok(None),
        Some(seconds @ 1..=MAX_LIFETIME) => Ok(Some(Clock::system().now() + seconds)),
        Some(_) => {
            let message = format!("expected a number from 1 to {MAX_LIFETIME}");
            Err(ApiError::invalid("expiresIn", message))
        }
    }
}

impl From<&ApiToken> for TokenDocument {
    fn from(token: &ApiToken) -> Self {
        let (user, team) = match &token.owner {
            TokenOwner::User(id) => (Some(id.clone()), None),
            TokenOwner::Team(team) => (None, Some(team.clone())),
            _ => (None, None),
        };
        Self {
            id: token.id.clone(),
            name: token.name.clone(),
            user,
            team,
            created: token.created,
            expires: token.expires,
            last_used: token.last_used,
        }
    }
}

/// Maximum lifetime in seconds: a hundred years.
const MAX_LIFETIME: u64 = 3_153_600_000;
