//! `/clients`.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::LOCATION;
use axum::response::IntoResponse;
use mcp_gateway_auth::Secret;
use mcp_gateway_auth::server::{
    ClientAuthentication, ClientOrigin, GrantType, OAuthClient, RedirectUri,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::access::Admin;
use super::extract::{Body, Filter, Id};
use super::label::{Label, check_name};
use super::page::{Page, PageQuery};
use super::problem::{ApiError, Problem};
use super::{AdminApi, BASE};
use crate::{Administration, NewClient};

/// OAuth client.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(as = Client)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ClientDocument {
    /// Client identifier.
    pub id: String,
    /// Display name, which a registered client chooses itself.
    pub name: String,
    /// `configuration`, `operator` or `registration`.
    pub from: &'static str,
    /// Redirect URIs.
    pub redirect_uris: Vec<String>,
    /// Permitted grant types.
    pub grant_types: Vec<&'static str>,
    /// Scopes that it may be granted; all if `null`.
    pub scopes: Option<String>,
    /// `true` if the client cannot authenticate.
    pub public: bool,
    /// `true` if it may introspect the tokens of all clients.
    pub introspection: bool,
    /// Time of registration; 0 for clients of the configuration.
    pub created: u64,
}

/// OAuth client to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ClientRequest {
    /// Client identifier; generated if absent.
    #[schema(pattern = "^[A-Za-z0-9._-]{1,128}$")]
    id: Option<String>,
    /// Display name; the identifier if absent.
    #[schema(value_type = Option<Label>)]
    name: Option<String>,
    /// Redirect URIs of a client for users.
    #[serde(default)]
    #[schema(max_items = 50)]
    redirect_uris: Vec<String>,
    /// `true` generates a client secret.
    #[serde(default)]
    secret: bool,
    /// Permitted grant types; if empty, those for users or, without redirect URIs, for machines.
    #[serde(default)]
    #[schema(max_items = 10)]
    grant_types: Vec<String>,
    /// Scopes that it may be granted; all if empty.
    #[serde(default)]
    #[schema(max_items = 100)]
    scopes: Vec<String>,
    /// `true` permits introspection of the tokens of all clients.
    #[serde(default)]
    introspection: bool,
}

/// Created OAuth client.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CreatedClient {
    client: ClientDocument,
    /// Client secret, which is not shown again.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
}

/// Returns the clients of the configuration and of the store, ordered by identifier.
#[utoipa::path(
    get, path = "/clients", tag = "clients", operation_id = "listClients", params(PageQuery),
    responses((status = 200, body = Page<ClientDocument>), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn list(
    State(api): State<AdminApi>,
    Filter(page): Filter<PageQuery>,
) -> Result<Json<Page<ClientDocument>>, ApiError> {
    let (limit, after) = (page.limit()?, page.after()?);
    let server = api.administration()?.server();
    let stored = server.clients_after(after, limit + 1).await?;
    let mut found: Vec<_> = stored.iter().map(ClientDocument::registered).collect();
    let configured = server.configured_clients().into_iter();
    let configured = configured.filter(|client| after.is_none_or(|after| *client.id > *after));
    found.extend(configured.map(|client| ClientDocument::configured(&client)));
    // A client of the configuration comes first, and hides one of the store.
    found.sort_by(|a, b| (&a.id, a.from).cmp(&(&b.id, b.from)));
    found.dedup_by(|second, first| second.id == first.id);
    Ok(Json(Page::of(found, limit, |client| &client.id)))
}

/// Creates a client. Its secret is shown only in this response.
#[utoipa::path(
    post, path = "/clients", tag = "clients", operation_id = "createClient", request_body = ClientRequest,
    responses((status = 201, body = CreatedClient), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn create(
    State(api): State<AdminApi>,
    admin: Admin,
    Body(request): Body<ClientRequest>,
) -> Result<impl IntoResponse, ApiError> {
    let administrator = api.administration()?.administrator(admin.actor());
    let (client, secret) = administrator.create_client(request.parse()?).await?;
    let location = format!("{BASE}/clients/{}", client.id);
    let created = CreatedClient {
        client: ClientDocument::registered(&client),
        secret: secret.as_ref().map(Secret::expose).map(str::to_owned),
    };
    Ok((StatusCode::CREATED, [(LOCATION, location)], Json(created)))
}

/// Returns a client.
#[utoipa::path(
    get, path = "/clients/{id}", tag = "clients", operation_id = "getClient", params(("id" = String, Path)),
    responses((status = 200, body = ClientDocument), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn get(
    State(api): State<AdminApi>,
    Id(id): Id,
) -> Result<Json<ClientDocument>, ApiError> {
    let found = find(api.administration()?, &id).await?;
    Ok(Json(found.ok_or(ApiError::NotFound)?))
}

/// Deletes a client of the store, and revokes its tokens.
#[utoipa::path(
    delete, path = "/clients/{id}", tag = "clients", operation_id = "deleteClient", params(("id" = String, Path)),
    responses((status = 204), (status = "default", body = Problem, description = "Problem", content_type = "application/problem+json")),
)]
pub(super) async fn delete(
    State(api): State<AdminApi>,
    admin: Admin,
    Id(id): Id,
) -> Result<StatusCode, ApiError> {
    let administrator = api.administration()?.administrator(admin.actor());
    administrator.delete_client(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Returns the client `id` of the configuration or the store.
async fn find(all: &Administration, id: &str) -> Result<Option<ClientDocument>, ApiError> {
    let mut configured = all.server().configured_clients().into_iter();
    if let Some(client) = configured.find(|client| client.id == id) {
        return Ok(Some(ClientDocument::configured(&client)));
    }
    let registered = all.server().registered_client(id).await?;
    Ok(registered.as_ref().map(ClientDocument::registered))
}

impl ClientRequest {
    /// Parses the fields that have a form.
    fn parse(self) -> Result<NewClient, ApiError> {
        let mut new = NewClient::default();
        if let Some(name) = &self.name {
            check_name("name", name)?;
        }
        for (at, text) in self.redirect_uris.iter().enumerate() {
            let uri = text.parse::<RedirectUri>();
            new.redirect_uris.push(uri.map_err(|error| {
                ApiError::invalid(&format!("redirectUris[{at}]"), error.to_string())
            })?);
        }
        for (at, text) in self.grant_types.iter().enumerate() {
            let kind = GrantType::from_name(text);
            new.grant_types.push(kind.ok_or_else(|| {
                ApiError::invalid(&format!("grantTypes[{at}]"), "unknown grant type")
            })?);
        }
        for (at, scope) in self.scopes.iter().enumerate() {
            if scope.is_empty() || scope.len() > MAX_SCOPE || !scope.bytes().all(is_scope_byte) {
                let path = format!("scopes[{at}]");
                return Err(ApiError::invalid(&path, "not a valid scope"));
            }
        }
        (new.id, new.name, new.scopes) = (self.id, self.name, self.scopes);
        (new.has_secret, new.has_introspection) = (self.secret, self.introspection);
        Ok(new)
    }
}

/// Returns `true` if `byte` may be part of a scope (RFC 6749, section 3.3).
fn is_scope_byte(byte: u8) -> bool {
    byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\')
}

impl ClientDocument {
    /// Returns the document of a client of the configuration.
    #[must_use]
    pub fn configured(client: &OAuthClient) -> Self {
        Self::new(client, "configuration")
    }

    /// Returns the document of a client of the store.
    #[must_use]
    pub fn registered(client: &OAuthClient) -> Self {
        let from = match client.origin {
            ClientOrigin::Dynamic => "registration",
            _ => "operator",
        };
        Self::new(client, from)
    }

    fn new(client: &OAuthClient, from: &'static str) -> Self {
        let uris = client.redirect_uris.iter().map(RedirectUri::as_str);
        let grants = client.grant_types.iter().map(|kind| kind.as_str());
        Self {
            id: client.id.clone(),
            name: client.name.clone(),
            from,
            redirect_uris: uris.map(str::to_owned).collect(),
            grant_types: grants.collect(),
            scopes: client.scopes.as_ref().map(ToString::to_string),
            public: matches!(client.authentication, ClientAuthentication::None),
            introspection: client.is_resource_server,
            created: client.issued_at,
        }
    }
}

/// Maximum length of a scope in bytes.
const MAX_SCOPE: usize = 256;
