//! An OAuth 2.1 authorization server, by which users authorize MCP clients.
//!
//! Mount [`AuthorizationServer::router`] at the root of the host that clients use, next to the
//! gateway:
//!
//! | path | endpoint |
//! |---|---|
//! | `/.well-known/oauth-authorization-server`, `/.well-known/openid-configuration` | server metadata, [RFC 8414] |
//! | `/.well-known/oauth-protected-resource/{path}` | metadata of each resource, [RFC 9728]; of those on other hosts at `verify/{name}` too |
//! | `/api/auth/oauth2/authorize`, `/authorize` | authorization codes with PKCE, [OAuth 2.1] |
//! | `/api/auth/oauth2/token`, `/token` | tokens |
//! | `/api/auth/oauth2/register`, `/register` | dynamic client registration and its management, [RFC 7591] and [RFC 7592] |
//! | `/api/auth/oauth2/introspect` | token introspection, [RFC 7662] |
//! | `/api/auth/oauth2/revoke` | token revocation, [RFC 7009] |
//! | `/api/auth/oauth2/jwks` | public keys, RFC 7517 |
//!
//! The state is in a [`Store`], so that any replica can serve any request. A copy of the store
//! alone is useless to an attacker: secrets are hashed or sealed, and codes and refresh tokens need
//! a [`Keyring`].
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use http::request::Parts;
//! use mcp_gateway_auth::server::{AuthorizationServer, RegistrationPolicy, Resource};
//! use mcp_gateway_auth::{LoginProvider, AuthServerError, Keyring, UserInfo, UserSession};
//! use mcp_gateway_store::MemoryStore;
//!
//! /// Every browser belongs to Alice.
//! #[derive(Debug)]
//! struct OnlyAlice;
//!
//! #[async_trait]
//! impl LoginProvider for OnlyAlice {
//!     async fn session(&self, _: &Parts) -> Result<Option<UserSession>, AuthServerError> {
//!         Ok(Some(UserSession::new("s", UserInfo::new("alice", "Alice"), 0)))
//!     }
//!
//!     async fn user(&self, id: &str) -> Result<Option<UserInfo>, AuthServerError> {
//!         Ok((id == "alice").then(|| UserInfo::new("alice", "Alice")))
//!     }
//!
//!     fn login_url(&self, _: &str) -> String {
//!         "/".to_owned()
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let server = AuthorizationServer::builder(
//!     "https://gw.example.com".parse()?,
//!     Arc::new(MemoryStore::new()),
//!     Keyring::new(&[7; 32])?,
//!     Arc::new(OnlyAlice),
//! )
//! .with_registration(RegistrationPolicy::Open)
//! .build();
//! server.set_resources([Resource::new("https://gw.example.com/mcp".parse()?, "main")]);
//! assert_eq!(server.issuer(), "https://gw.example.com");
//! let router: axum::Router = server.router();
//! # let _ = router;
//! # Ok(())
//! # }
//! ```
//!
//! [OAuth 2.1]: https://datatracker.ietf.org/doc/draft-ietf-oauth-v2-1/
//! [RFC 7009]: https://www.rfc-editor.org/rfc/rfc7009
//! [RFC 7591]: https://www.rfc-editor.org/rfc/rfc7591
//! [RFC 7592]: https://www.rfc-editor.org/rfc/rfc7592
//! [RFC 7662]: https://www.rfc-editor.org/rfc/rfc7662
//! [RFC 8414]: https://www.rfc-editor.org/rfc/rfc8414
//! [RFC 9728]: https://www.rfc-editor.org/rfc/rfc9728
//! [`Store`]: mcp_gateway_store::Store

mod administration;
#[cfg(feature = "login")]
mod allowed_clients;
mod builder;
mod client;
mod endpoint;
mod error;
mod grant;
mod hidden_resources;
mod issuer;
mod key;
mod limits;
mod resource;
mod scope;
mod settings;
mod token;
mod workload;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Router;
use mcp_gateway_store::{Attachment, Store};
use tokio::time;
use url::Url;

pub use self::builder::AuthorizationServerBuilder;
pub use self::client::assertions::AssertionIssuer;
use self::client::clients::ClientRegistry;
pub use self::client::redirect_uri::{RedirectUri, RedirectUriError};
pub use self::client::{ClientAuthentication, ClientKeys, ClientOrigin, GrantType, OAuthClient};
use self::endpoint::Endpoints;
pub use self::endpoint::protected_resources::ProtectedResources;
pub use self::error::OAuthError;
use self::grant::Grants;
pub use self::grant::consents::Consent;
pub use self::hidden_resources::HiddenResources;
use self::issuer::IssuerUrl;
pub use self::key::has_foreign_signing_keys;
use self::limits::EndpointLimiter;
pub use self::limits::RateLimits;
pub use self::resource::{Resource, TokenBinding};
pub use self::scope::{ScopeError, Scopes};
pub use self::settings::{Lifetimes, RegistrationPolicy};
pub use self::token::api_tokens::{ApiToken, ApiTokens, TokenOwner};
pub use self::token::issued_tokens::IssuedTokenVerifier;
use self::token::tokens::Tokens;
pub use self::workload::{
    WorkloadExchange, WorkloadIssuer, WorkloadName, WorkloadNameError, WorkloadObserver,
    WorkloadRule,
};
use crate::token::Revocations;
use crate::{AuthServerError, Keyring, LoginProvider};

/// An OAuth 2.1 authorization server. Cheap to clone; all clones share the state.
///
/// See the [module documentation](self) for an example.
#[derive(Clone)]
#[doc(alias("OAuth", "RFC 8414"))]
pub struct AuthorizationServer {
    attachment: Attachment,
    rooms: Arc<Rooms>,
    endpoints: Endpoints,
}

/// State of the server, shared by its endpoints and its administration.
#[derive(Debug)]
struct Rooms {
    issuer: IssuerUrl,
    resources: ProtectedResources,
    clients: ClientRegistry,
    registration: Arc<ArcSwap<RegistrationPolicy>>,
    grants: Grants,
    tokens: Tokens,
    api_tokens: ApiTokens,
    limits: Arc<EndpointLimiter>,
    workloads: Arc<ArcSwap<Vec<WorkloadIssuer>>>,
}

impl AuthorizationServer {
    /// Returns a builder for a server with the issuer `base`, the URL of a host, whose users
    /// `login_provider` authenticates.
    pub fn builder(
        base: Url,
        store: Arc<dyn Store>,
        keyring: Keyring,
        login_provider: Arc<dyn LoginProvider>,
    ) -> AuthorizationServerBuilder {
        AuthorizationServerBuilder::new(base, store, keyring, login_provider)
    }

    /// Returns all endpoints, to be mounted at the root of the host.
    ///
    /// Cross-origin requests (CORS) are permitted everywhere but at the authorization and consent
    /// endpoints, which browsers visit.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use axum::body::{Body, to_bytes};
    /// use http::Request;
    /// # use mcp_gateway_auth::login::LoginSessions;
    /// use mcp_gateway_auth::server::AuthorizationServer;
    /// # use mcp_gateway_auth::users::Users;
    /// # use mcp_gateway_auth::{Clock, Keyring};
    /// # use mcp_gateway_store::MemoryStore;
    /// use serde_json::{Value, json};
    /// use tower::ServiceExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (store, keyring) = (Arc::new(MemoryStore::new()), Keyring::new(&[7; 32])?);
    /// # let users = Users::new(store.clone(), Clock::system());
    /// # let login = Arc::new(LoginSessions::new(users, keyring.clone(), "https://gw.example.com")?);
    /// # let base = "https://gw.example.com".parse()?;
    /// let server = AuthorizationServer::builder(base, store, keyring, login).build();
    /// let router = server.router();
    ///
    /// let request = Request::get("/.well-known/oauth-authorization-server").body(Body::empty())?;
    /// let response = router.clone().oneshot(request).await?;
    /// let body = to_bytes(response.into_body(), 64 * 1024).await?;
    /// let metadata: Value = serde_json::from_slice(&body)?;
    /// assert_eq!(metadata["issuer"], "https://gw.example.com");
    /// assert_eq!(metadata["code_challenge_methods_supported"], json!(["S256"]));
    /// // Registration is off by default.
    /// assert!(metadata.get("registration_endpoint").is_none());
    ///
    /// // An unknown client is rejected.
    /// let request = Request::post("/token")
    ///     .header("content-type", "application/x-www-form-urlencoded")
    ///     .body(Body::from("grant_type=authorization_code&code=1&client_id=unknown"))?;
    /// let response = router.oneshot(request).await?;
    /// assert_eq!(response.status(), 401);
    /// let body = to_bytes(response.into_body(), 64 * 1024).await?;
    /// assert_eq!(serde_json::from_slice::<Value>(&body)?["error"], "invalid_client");
    /// # Ok(())
    /// # }
    /// ```
    pub fn router(&self) -> Router {
        let resources = self.rooms.resources.router();
        self.endpoints.router().merge(resources)
    }

    /// Returns the issuer identifier: the URL of the host, without a trailing slash.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.rooms.issuer.as_str()
    }

    /// Replaces the set of protected resources. The first one is the default for requests without
    /// `resource`.
    pub fn set_resources(&self, resources: impl IntoIterator<Item = Resource>) {
        self.rooms.resources.set_resources(resources);
    }

    /// Replaces the set of clients that the operator has configured.
    pub fn set_clients(&self, clients: impl IntoIterator<Item = OAuthClient>) {
        self.rooms.clients.set_static(clients);
    }

    /// Replaces the policy for dynamic client registration.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use axum::body::Body;
    /// use http::Request;
    /// # use mcp_gateway_auth::login::LoginSessions;
    /// use mcp_gateway_auth::server::{AuthorizationServer, RegistrationPolicy};
    /// # use mcp_gateway_auth::users::Users;
    /// # use mcp_gateway_auth::{Clock, Keyring};
    /// # use mcp_gateway_store::MemoryStore;
    /// use tower::ServiceExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (store, keyring) = (Arc::new(MemoryStore::new()), Keyring::new(&[7; 32])?);
    /// # let users = Users::new(store.clone(), Clock::system());
    /// # let login = Arc::new(LoginSessions::new(users, keyring.clone(), "https://gw.example.com")?);
    /// # let base = "https://gw.example.com".parse()?;
    /// let server = AuthorizationServer::builder(base, store, keyring, login).build();
    /// let router = server.router();
    /// let register = async || {
    ///     let client = r#"{"redirect_uris": ["http://127.0.0.1/callback"]}"#;
    ///     let request = Request::post("/register").body(Body::from(client)).unwrap();
    ///     router.clone().oneshot(request).await.unwrap().status()
    /// };
    /// assert_eq!(register().await, 400);
    /// server.set_registration(RegistrationPolicy::Open);
    /// assert_eq!(register().await, 201);
    /// # Ok(())
    /// # }
    /// ```
    pub fn set_registration(&self, registration: RegistrationPolicy) {
        self.rooms.registration.store(Arc::new(registration));
    }

    /// Replaces the issuers of workloads, whose JWTs are exchanged for access tokens (RFC 7523,
    /// section 2.1).
    ///
    /// Earlier access tokens remain valid until they expire.
    pub fn set_workload_issuers(&self, issuers: impl IntoIterator<Item = WorkloadIssuer>) {
        let issuers = issuers.into_iter().collect();
        self.rooms.workloads.store(Arc::new(issuers));
    }

    /// Returns a verifier for tokens that were issued for `resource`, or for any resource if
    /// `None`.
    #[must_use]
    pub fn verifier(&self, resource: Option<&Resource>) -> IssuedTokenVerifier {
        self.rooms.tokens.verifier(resource)
    }

    /// Returns a verifier for tokens that were issued for one of `resources`.
    #[must_use]
    pub fn verifier_of(&self, resources: &[Resource]) -> IssuedTokenVerifier {
        self.rooms.tokens.verifier_of(resources)
    }

    /// Returns the metadata of the protected resources, which refer clients to this server.
    #[must_use]
    pub fn protected_resources(&self) -> &ProtectedResources {
        &self.rooms.resources
    }

    /// Returns the API tokens, which are issued without a client.
    #[must_use]
    pub fn api_tokens(&self) -> &ApiTokens {
        &self.rooms.api_tokens
    }

    /// Returns the revocations that are known to this process, for a
    /// [`BearerVerifier`](crate::token::BearerVerifier).
    #[must_use]
    pub fn revocations(&self) -> Revocations {
        self.rooms.tokens.revocations.in_memory().clone()
    }

    /// Rotates keys and follows the changes of other replicas for as long as it is polled.
    ///
    /// Run it next to the server. It never completes; errors of the store are logged and retried
    /// after a second.
    ///
    /// # Cancel safety
    ///
    /// It may be dropped and called again at any time.
    pub async fn maintain(&self) {
        let tokens = &self.rooms.tokens;
        loop {
            let error = tokio::select! {
                error = tokens.keys.follow() => error,
                error = tokens.revocations.follow() => error,
                error = self.follow_users() => error,
                error = self.rotate() => error,
            };
            error.log("authorization server maintenance failed; retrying");
            time::sleep(RETRY).await;
        }
    }

    /// Requires another verification of the tokens of each changed user.
    async fn follow_users(&self) -> AuthServerError {
        let tokens = &self.rooms.tokens;
        let revocations = tokens.revocations.in_memory();
        let changed = |user: Option<&str>| revocations.recheck(user);
        tokens.login_provider.follow(&changed).await
    }

    /// Runs housekeeping once a minute until an error occurs.
    async fn rotate(&self) -> AuthServerError {
        loop {
            time::sleep(HOUSEKEEPING).await;
            self.rooms.limits.purge();
            if let Err(error) = self.rooms.tokens.keys.refresh().await {
                return error;
            }
        }
    }
}

impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationServer")
            .field("issuer", &self.issuer())
            .finish_non_exhaustive()
    }
}

/// Interval of key rotation checks and cleanup.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// Delay after an error.
const RETRY: Duration = Duration::from_secs(1);
