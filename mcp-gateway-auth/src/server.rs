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
mod consents;
mod endpoint;
mod error;
mod grant;
mod key;
mod limits;
mod resource;
mod scope;
mod settings;
mod token;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use mcp_gateway_store::Store;
use tokio::time;
use url::Url;

pub use self::builder::AuthorizationServerBuilder;
pub use self::client::assertions::AssertionIssuer;
use self::client::assertions::ClientKeySets;
use self::client::clients::ClientRegistry;
pub use self::client::redirect_uri::{RedirectUri, RedirectUriError};
pub use self::client::{ClientAuthentication, ClientKeys, ClientOrigin, GrantType, OAuthClient};
pub use self::consents::Consent;
use self::consents::ConsentStore;
pub use self::endpoint::protected_resources::ProtectedResources;
pub use self::error::OAuthError;
use self::grant::grants::GrantStore;
use self::key::SigningKeys;
use self::limits::EndpointLimiter;
pub use self::limits::RateLimits;
pub use self::resource::Resource;
use self::resource::Resources;
pub use self::scope::{ScopeError, Scopes};
pub use self::settings::{Lifetimes, RegistrationPolicy};
use self::token::access_token::AccessTokens;
pub use self::token::api_tokens::{ApiToken, ApiTokens, TokenOwner};
pub use self::token::issued_tokens::IssuedTokenVerifier;
use self::token::opaque::OpaqueTokens;
use self::token::revocations::RevocationLog;
use crate::token::Revocations;
use crate::{AuthServerError, Clock, Keyring, LoginProvider};

/// An OAuth 2.1 authorization server. Cheap to clone; all clones share the state.
///
/// See the [module documentation](self) for an example.
#[derive(Clone)]
#[doc(alias("OAuth", "RFC 8414"))]
pub struct AuthorizationServer(Arc<Inner>);

/// The parts that all clones share.
struct Inner {
    issuer: Arc<str>,
    base: Url,
    login_provider: Arc<dyn LoginProvider>,
    store: Arc<dyn Store>,
    keyring: Keyring,
    clock: Clock,
    resources: ProtectedResources,
    clients: ClientRegistry,
    grants: GrantStore,
    consents: ConsentStore,
    keys: SigningKeys,
    access_tokens: AccessTokens,
    api_tokens: ApiTokens,
    revocations: RevocationLog,
    limits: EndpointLimiter,
    registration: ArcSwap<RegistrationPolicy>,
    lifetimes: Lifetimes,
    assertion_issuers: Vec<AssertionIssuer>,
    client_keys: ClientKeySets,
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

    /// Returns the issuer identifier: the URL of the host, without a trailing slash.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Replaces the set of protected resources. The first one is the default for requests without
    /// `resource`.
    pub fn set_resources(&self, resources: impl IntoIterator<Item = Resource>) {
        self.0.resources.set_resources(resources);
    }

    /// Replaces the set of clients that the operator has configured.
    pub fn set_clients(&self, clients: impl IntoIterator<Item = OAuthClient>) {
        self.0.clients.set_static(clients);
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
        self.0.registration.store(Arc::new(registration));
    }

    /// Returns a verifier for tokens that were issued for `resource`, or for any resource if
    /// `None`.
    #[must_use]
    pub fn verifier(&self, resource: Option<&Resource>) -> IssuedTokenVerifier {
        let resources = self.resources();
        let all = || {
            resources
                .0
                .iter()
                .map(|resource| resource.uri.to_string())
                .collect()
        };
        IssuedTokenVerifier {
            issuer: Arc::clone(&self.0.issuer),
            keys: self.0.keys.clone(),
            opaque: OpaqueTokens::new(self.0.keyring.clone()),
            clock: self.0.clock.clone(),
            revocations: self.0.revocations.in_memory().clone(),
            resource: resource.cloned(),
            audiences: resource.map_or_else(all, |resource| vec![resource.uri.to_string()]),
        }
    }

    /// Returns a verifier for tokens that were issued for one of `resources`.
    #[must_use]
    pub fn verifier_of(&self, resources: &[Resource]) -> IssuedTokenVerifier {
        IssuedTokenVerifier {
            audiences: resources
                .iter()
                .map(|resource| resource.uri.to_string())
                .collect(),
            ..self.verifier(None)
        }
    }

    /// Returns the metadata of the protected resources, which refer clients to this server.
    #[must_use]
    pub fn protected_resources(&self) -> &ProtectedResources {
        &self.0.resources
    }

    /// Returns the API tokens, which are issued without a client.
    #[must_use]
    pub fn api_tokens(&self) -> &ApiTokens {
        &self.0.api_tokens
    }

    /// Returns the revocations that are known to this process, for a
    /// [`BearerVerifier`](crate::token::BearerVerifier).
    #[must_use]
    pub fn revocations(&self) -> Revocations {
        self.0.revocations.in_memory().clone()
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
        loop {
            let error = tokio::select! {
                error = self.0.keys.follow() => error,
                error = self.0.revocations.follow() => error,
                error = self.rotate() => error,
            };
            error.log("authorization server maintenance failed; retrying");
            time::sleep(RETRY).await;
        }
    }

    /// Runs housekeeping once a minute until an error occurs.
    async fn rotate(&self) -> AuthServerError {
        loop {
            time::sleep(HOUSEKEEPING).await;
            self.0.limits.purge();
            if let Err(error) = self.0.keys.refresh().await {
                return error;
            }
        }
    }

    /// Returns the URL of `path` on the public host.
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.0.issuer)
    }

    fn access_tokens(&self) -> &AccessTokens {
        &self.0.access_tokens
    }

    fn assertion_issuers(&self) -> &[AssertionIssuer] {
        &self.0.assertion_issuers
    }

    fn base(&self) -> &Url {
        &self.0.base
    }

    fn client_keys(&self) -> &ClientKeySets {
        &self.0.client_keys
    }

    fn clients(&self) -> &ClientRegistry {
        &self.0.clients
    }

    fn clock(&self) -> &Clock {
        &self.0.clock
    }

    fn consents(&self) -> &ConsentStore {
        &self.0.consents
    }

    fn grants(&self) -> &GrantStore {
        &self.0.grants
    }

    fn keyring(&self) -> &Keyring {
        &self.0.keyring
    }

    fn keys(&self) -> &SigningKeys {
        &self.0.keys
    }

    fn lifetimes(&self) -> &Lifetimes {
        &self.0.lifetimes
    }

    fn limits(&self) -> &EndpointLimiter {
        &self.0.limits
    }

    fn login_provider(&self) -> &dyn LoginProvider {
        &*self.0.login_provider
    }

    fn registration(&self) -> RegistrationPolicy {
        RegistrationPolicy::clone(&self.0.registration.load())
    }

    fn resources(&self) -> Arc<Resources> {
        self.0.resources.resources()
    }

    fn revocation_log(&self) -> &RevocationLog {
        &self.0.revocations
    }

    fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    /// Returns a verifier for the tokens of all resources.
    fn tokens(&self) -> IssuedTokenVerifier {
        self.verifier(None)
    }
}

impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizationServer")
            .field("issuer", &self.0.issuer)
            .finish_non_exhaustive()
    }
}

/// Interval of key rotation checks and cleanup.
const HOUSEKEEPING: Duration = Duration::from_secs(60);

/// Delay after an error.
const RETRY: Duration = Duration::from_secs(1);
