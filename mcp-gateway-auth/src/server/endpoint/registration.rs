//! Dynamic client registration (RFC 7591) and its management (RFC 7592).
//!
//! A registered client receives a client ID, a client secret if its authentication method needs
//! one, and a registration access token. Only hashes of secret and token are stored. Updates
//! replace all metadata (RFC 7592, section 2.2) but neither ID nor secret.
//!
//! Anybody can register a client with any name. The name is therefore marked as unverified on the
//! consent page, registrations are limited per client address, and unused clients expire.

use std::sync::Arc;

use arc_swap::ArcSwap;
use axum::Json;
use axum::extract::{FromRequest as _, Path, Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use mcp_gateway_store::{Attachment, Versioned};
use serde_json::{Map, Value, json};

use super::payload::LimitedBody;
use crate::secret::random_id;
use crate::server::client::clients::{ClientRegistry, StoredClient};
use crate::server::client::registration_request::{AuthMethod, RegistrationRequest};
use crate::server::client::{ClientAuthentication, ClientOrigin, OAuthClient};
use crate::server::error::OAuthError;
use crate::server::issuer::IssuerUrl;
use crate::server::limits::EndpointLimiter;
use crate::server::settings::RegistrationPolicy;
use crate::{AuthServerError, Clock, Secret, SecretHash};

/// `POST /register`: registers a client.
///
/// See [RFC 7591, section 3](https://www.rfc-editor.org/rfc/rfc7591#section-3).
pub(in crate::server) async fn register(
    State(endpoint): State<Arc<RegistrationEndpoint>>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let registered = async {
        let LimitedBody(body) = LimitedBody::from_request(Request::new(body), &()).await?;
        endpoint.register(&parts, &body).await
    };
    match registered.await {
        Ok(document) => answer(StatusCode::CREATED, document),
        Err(error) => error.into_response(),
    }
}

/// `GET /register/{id}`: returns a registration.
///
/// See [RFC 7592, section 2](https://www.rfc-editor.org/rfc/rfc7592#section-2).
pub(in crate::server) async fn read(
    State(endpoint): State<Arc<RegistrationEndpoint>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    match endpoint.managed(&id, &headers).await {
        Ok(stored) => answer(
            StatusCode::OK,
            endpoint.describe_to_itself(&stored.value.client, &headers),
        ),
        Err(error) => error.into_response(),
    }
}

/// `PUT /register/{id}`: replaces a registration.
pub(in crate::server) async fn update(
    State(endpoint): State<Arc<RegistrationEndpoint>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    LimitedBody(body): LimitedBody,
) -> Response {
    match endpoint.update(&id, &headers, &body).await {
        Ok(client) => answer(
            StatusCode::OK,
            endpoint.describe_to_itself(&client, &headers),
        ),
        Err(error) => error.into_response(),
    }
}

/// `DELETE /register/{id}`: deletes a registration.
pub(in crate::server) async fn delete(
    State(endpoint): State<Arc<RegistrationEndpoint>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Response {
    let deleted = async {
        endpoint.managed(&id, &headers).await?;
        let removed = endpoint.clients.remove(&id, &Attachment::default()).await;
        removed.map_err(OAuthError::from)
    };
    match deleted.await {
        Ok(()) => (StatusCode::NO_CONTENT, NO_STORE).into_response(),
        Err(error) => error.into_response(),
    }
}

/// Registration and management endpoints.
#[derive(Debug)]
pub(in crate::server) struct RegistrationEndpoint {
    pub(in crate::server) issuer: IssuerUrl,
    pub(in crate::server) clients: ClientRegistry,
    pub(in crate::server) limits: Arc<EndpointLimiter>,
    pub(in crate::server) clock: Clock,
    pub(in crate::server) policy: Arc<ArcSwap<RegistrationPolicy>>,
}

impl RegistrationEndpoint {
    /// Validates a request, and stores the client.
    async fn register(
        &self,
        request: &Parts,
        body: &[u8],
    ) -> Result<Map<String, Value>, OAuthError> {
        self.limits.check_registration(request)?;
        match &**self.policy.load() {
            RegistrationPolicy::Off => {
                let message = "dynamic client registration is disabled (auth.oauth.registration)";
                return Err(OAuthError::UnauthorizedClient(message.into()));
            }
            RegistrationPolicy::Open => {}
            RegistrationPolicy::Token(hash) => {
                let token = bearer(&request.headers);
                if !token.is_some_and(|token| hash.matches(token)) {
                    let message =
                        "initial access token missing or invalid (auth.oauth.registration)";
                    return Err(OAuthError::InvalidToken(message.into()));
                }
            }
        }
        let wanted = RegistrationRequest::parse(body)?;
        let id = random_id("c_")?;
        let secret = secret(wanted.method)?;
        let client = self.client(
            id,
            wanted,
            secret.as_ref().map(Secret::hash),
            self.clock.now(),
        );
        let management = Secret::generate("mcpreg_")?;
        let client = self
            .clients
            .register(client, Some(management.hash()), &Attachment::default())
            .await?;
        tracing::info!(client = client.id, name = client.name, "client registered");
        let mut document = self.describe(&client);
        if let Some(secret) = secret {
            document.insert("client_secret".to_owned(), secret.expose().into());
        }
        document.insert(
            "registration_access_token".to_owned(),
            management.expose().into(),
        );
        Ok(document)
    }

    /// Returns the registration that the registration access token in `headers` permits to manage.
    async fn managed(
        &self,
        id: &str,
        headers: &HeaderMap,
    ) -> Result<Versioned<StoredClient>, OAuthError> {
        let stored = self.clients.registration(id).await?;
        let hash = stored
            .as_ref()
            .and_then(|stored| stored.value.management.clone());
        // Neither the response nor its time reveals whether the client exists.
        let is_known = hash.is_some();
        let hash = hash.unwrap_or_else(|| SecretHash::digest("nobody's"));
        let presented = bearer(headers).unwrap_or_default();
        let is_right = hash.matches(presented) && is_known;
        stored.filter(|_| is_right).ok_or_else(|| {
            OAuthError::InvalidToken("registration access token missing or invalid".into())
        })
    }

    /// Replaces a registration, and retries after conflicts.
    async fn update(
        &self,
        id: &str,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<OAuthClient, OAuthError> {
        // The loser of a race writes after the winner.
        for _ in 0..MAX_ATTEMPTS {
            let stored = self.managed(id, headers).await?;
            let after = self.updated(&stored.value, body)?;
            if self.clients.replace(&stored, &after).await? {
                return Ok(after.client);
            }
        }
        Err(AuthServerError::Busy.into())
    }

    /// Returns the registration after the update `body`.
    fn updated(&self, registered: &StoredClient, body: &[u8]) -> Result<StoredClient, OAuthError> {
        let before = &registered.client;
        let wanted = RegistrationRequest::parse_update(body, before)?;
        let hash = match (&before.authentication, wanted.method) {
            (ClientAuthentication::Secret { hash, .. }, AuthMethod::Basic | AuthMethod::Post) => {
                Some(hash.clone())
            }
            (_, AuthMethod::Basic | AuthMethod::Post) => {
                let message = "client secrets are issued at registration only";
                return Err(OAuthError::invalid_client_metadata(message));
            }
            (_, AuthMethod::None | AuthMethod::PrivateKey) => None,
        };
        let client = self.client(before.id.clone(), wanted, hash, before.issued_at);
        Ok(StoredClient {
            client,
            // An update does not extend the lifetime; the use of the client does.
            ..registered.clone()
        })
    }

    /// Creates the client of a request.
    fn client(
        &self,
        id: String,
        wanted: RegistrationRequest,
        hash: Option<SecretHash>,
        issued_at: u64,
    ) -> OAuthClient {
        let authentication = match (wanted.method, hash, wanted.keys) {
            (AuthMethod::Basic | AuthMethod::Post, Some(hash), _) => ClientAuthentication::Secret {
                hash,
                in_body: wanted.method == AuthMethod::Post,
            },
            (AuthMethod::PrivateKey, _, Some(keys)) => ClientAuthentication::PrivateKey(keys),
            _ => ClientAuthentication::None,
        };
        OAuthClient {
            name: wanted.name.unwrap_or_else(|| id.clone()),
            id,
            redirect_uris: wanted.redirect_uris,
            authentication,
            grant_types: wanted.grant_types,
            scopes: wanted.scopes,
            origin: ClientOrigin::Dynamic,
            uri: wanted.uri,
            metadata: wanted.metadata,
            issued_at,
            is_resource_server: false,
        }
    }

    /// Returns the registration for the client, with its registration access token.
    fn describe_to_itself(&self, client: &OAuthClient, headers: &HeaderMap) -> Map<String, Value> {
        let mut document = self.describe(client);
        if let Some(token) = bearer(headers) {
            document.insert("registration_access_token".to_owned(), token.into());
        }
        document
    }

    /// Returns the registration without secrets.
    fn describe(&self, client: &OAuthClient) -> Map<String, Value> {
        let mut document = client.metadata.clone();
        let mut add = |name: &str, value: Value| {
            document.insert(name.to_owned(), value);
        };
        add("client_id", client.id.as_str().into());
        add("client_id_issued_at", client.issued_at.into());
        add("client_name", client.name.as_str().into());
        add("redirect_uris", json!(client.redirect_uris));
        add("grant_types", json!(client.grant_types));
        add(
            "token_endpoint_auth_method",
            client.authentication.method().into(),
        );
        if let ClientAuthentication::Secret { .. } = client.authentication {
            add("client_secret_expires_at", 0.into());
        }
        if let ClientAuthentication::PrivateKey(keys) = &client.authentication {
            let (name, value) = keys.member();
            add(name, value);
        }
        if let Some(scopes) = &client.scopes {
            add("scope", scopes.to_string().into());
        }
        if let Some(uri) = &client.uri {
            add("client_uri", uri.as_str().into());
        }
        let uri = self.issuer.url(&format!("{MANAGEMENT}/{}", client.id));
        add("registration_client_uri", uri.into());
        document
    }
}

/// Generates a client secret if the method needs one.
fn secret(method: AuthMethod) -> Result<Option<Secret>, AuthServerError> {
    match method {
        AuthMethod::Basic | AuthMethod::Post => Secret::generate("mcpsec_").map(Some),
        AuthMethod::None | AuthMethod::PrivateKey => Ok(None),
    }
}

/// Returns the bearer token in `headers`.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (value, None) = (values.next()?.to_str().ok()?, values.next()) else {
        return None;
    };
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then(|| token.trim())
}

/// Responds with a registration that must not be cached.
fn answer(status: StatusCode, document: Map<String, Value>) -> Response {
    (status, NO_STORE, Json(document)).into_response()
}

const NO_STORE: [(header::HeaderName, &str); 1] = [(header::CACHE_CONTROL, "no-store")];

/// Path of registrations.
const MANAGEMENT: &str = "/api/auth/oauth2/register";

/// Maximum number of attempts. One of the concurrent attempts succeeds each time.
const MAX_ATTEMPTS: usize = 16;
