//! User login with a browser.
//!
//! [`Login`] is a [`LoginProvider`] for gateways without accounts of their own. It serves the
//! login pages and keeps browser sessions in a cookie. Users authenticate:
//!
//! - with a name and a password, for development and small teams;
//! - with GitHub, by allowed users and organizations;
//! - with any OpenID Connect provider, by allowed groups and domains.
//!
//! | request | purpose |
//! |---|---|
//! | `GET /api/auth/login?return_to=/path` | shows the login methods |
//! | `POST /api/auth/login` | accepts a name and a password |
//! | `GET /api/auth/login/{provider}` | redirects to an identity provider |
//! | `GET /api/auth/callback/{provider}` | redirection endpoint for the provider |
//! | `GET /api/auth/account` | shows the user and the authorized clients |
//! | `POST /api/auth/logout` | ends the session |
//!
//! Forms and callbacks from another site or another browser, replayed ones, and users who are not
//! allowed are rejected with 403. Too many attempts are rejected with 429.
//!
//! # Deployment
//!
//! The public URL must be `https`, except on `localhost`. Login attempts are limited per client
//! address. Requests carry that address as an extension: [`PeerAddr`], or axum's `ConnectInfo`.
//! Behind reverse proxies, configure [`Login::with_trusted_proxies`].
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use axum::Router;
//! use mcp_gateway_auth::login::Login;
//! use mcp_gateway_auth::users::Users;
//! use mcp_gateway_auth::{LoginProvider, Clock, Keyring};
//! use mcp_gateway_store::MemoryStore;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let users = Users::new(Arc::new(MemoryStore::new()), Clock::system());
//! let login = Login::new(users, Keyring::new(&[7; 32])?, "http://localhost:8080")?
//!     .with_local_accounts();
//! let service: Router = Router::new().merge(login.router());
//! assert_eq!(login.login_url("/x?y=1"), "/api/auth/login?return_to=%2Fx%3Fy%3D1");
//! # let _ = service;
//! # Ok(())
//! # }
//! ```
//!
//! [`PeerAddr`]: mcp_gateway_core::PeerAddr

mod account;
mod browser;
mod callback;
mod cookie;
mod error;
mod github;
mod local;
mod oidc;
mod origin;
mod pages;
mod provider;
mod provider_metadata;
mod return_to;
mod session;
mod throttle;
mod transactions;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use http::request::Parts;
use url::form_urlencoded::byte_serialize;

pub use self::github::GithubProvider;
pub use self::oidc::OidcProvider;
pub(crate) use self::origin::PublicOrigin;
pub use self::origin::PublicUrlError;
pub use self::pages::LoginPages;
use self::provider::IdentityProvider;
use self::session::Sessions;
use self::throttle::LoginThrottle;
use self::transactions::LoginTransactions;
pub use crate::authorized_client::{AuthorizedClient, AuthorizedClients};
use crate::pages::LOGIN;
use crate::users::{LinkedIdentity, User, Users};
use crate::{AuthServerError, Keyring, LoginProvider, TrustedProxies, UserInfo, UserSession};

/// Logs users in and keeps their browser sessions. Cheap to clone.
///
/// See the [module documentation](self) for the endpoints and an example.
#[derive(Clone)]
pub struct Login(Arc<Inner>);

/// The configuration and the state.
#[derive(Clone)]
struct Inner {
    attempts: LoginThrottle,
    keyring: Keyring,
    local: bool,
    max_login_age: u64,
    name: String,
    origin: PublicOrigin,
    providers: Vec<Arc<dyn IdentityProvider>>,
    proxies: TrustedProxies,
    sessions: Sessions,
    trips: LoginTransactions,
    users: Users,
}

impl Login {
    /// Creates a login without any method, for browsers that reach it at `public_url`.
    ///
    /// # Errors
    ///
    /// If `public_url` is neither `https` nor `http` on this machine.
    pub fn new(users: Users, keyring: Keyring, public_url: &str) -> Result<Self, PublicUrlError> {
        let origin = PublicOrigin::parse(public_url)?;
        Ok(Self(Arc::new(Inner {
            attempts: LoginThrottle::new(users.clock().clone()),
            trips: LoginTransactions::new(&users, keyring.clone(), origin.as_str().to_owned()),
            keyring,
            local: false,
            max_login_age: MAX_LOGIN_AGE.as_secs(),
            name: origin.host().to_owned(),
            origin,
            providers: Vec::new(),
            proxies: TrustedProxies::default(),
            sessions: Sessions::new(&users),
            users,
        })))
    }

    /// Enables login with a name and a password.
    #[must_use]
    pub fn with_local_accounts(self) -> Self {
        self.with(|inner| inner.local = true)
    }

    /// Enables login with GitHub.
    #[must_use]
    pub fn with_github(self, github: GithubProvider) -> Self {
        self.with(|inner| inner.providers.push(Arc::new(github)))
    }

    /// Enables login with an OpenID Connect provider.
    #[must_use]
    pub fn with_oidc(self, provider: OidcProvider) -> Self {
        self.with(|inner| inner.providers.push(Arc::new(provider)))
    }

    /// Sets how long a login at an identity provider remains valid: 30 days by default.
    ///
    /// Afterwards, the user must log in there again before clients get new tokens. A user whom the
    /// provider has removed thereby loses access here too.
    #[must_use]
    pub fn with_max_login_age(self, age: Duration) -> Self {
        self.with(|inner| inner.max_login_age = age.as_secs())
    }

    /// Sets the name of the gateway on the pages. By default, it is the host of the public URL.
    #[must_use]
    pub fn with_name(self, name: impl Into<String>) -> Self {
        self.with(|inner| inner.name = name.into())
    }

    /// Sets the idle and the absolute timeout of sessions: 12 hours and 7 days by default.
    #[must_use]
    pub fn with_session_limits(self, idle: Duration, absolute: Duration) -> Self {
        self.with(|inner| inner.sessions.limit(idle, absolute))
    }

    /// Accepts the client addresses that `proxies` forward.
    #[must_use]
    pub fn with_trusted_proxies(self, proxies: TrustedProxies) -> Self {
        self.with(|inner| inner.proxies = proxies)
    }

    /// Changes a copy of the configuration. Earlier clones keep theirs.
    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// Returns the endpoints with their full paths, to be merged into the router of the service.
    ///
    /// [`LoginPages`] adds the authorized clients to the account page.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use axum::body::Body;
    /// use http::Request;
    /// use mcp_gateway_auth::login::Login;
    /// # use mcp_gateway_auth::users::Users;
    /// # use mcp_gateway_auth::{Clock, Keyring};
    /// # use mcp_gateway_store::MemoryStore;
    /// use tower::ServiceExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let users = Users::new(Arc::new(MemoryStore::new()), Clock::system());
    /// # let keyring = Keyring::new(&[7; 32])?;
    /// let login = Login::new(users, keyring, "https://gw.example.com")?.with_local_accounts();
    /// let router = login.router();
    ///
    /// let request = Request::get("/api/auth/login").body(Body::empty())?;
    /// let page = router.clone().oneshot(request).await?;
    /// assert_eq!(page.status(), 200);
    /// assert_eq!(page.headers()["x-frame-options"], "DENY");
    ///
    /// // A form without a valid CSRF token is rejected.
    /// let request = Request::post("/api/auth/login")
    ///     .header("content-type", "application/x-www-form-urlencoded")
    ///     .body(Body::from("csrf=forged&name=ada&password=guess"))?;
    /// assert_eq!(router.oneshot(request).await?.status(), 403);
    /// # Ok(())
    /// # }
    /// ```
    pub fn router(&self) -> Router {
        LoginPages::new(self.clone()).router()
    }

    /// Returns the user accounts.
    #[must_use]
    pub fn users(&self) -> &Users {
        &self.0.users
    }

    /// Returns `true` if the current configuration allows `user` to log in.
    fn is_allowed(&self, user: &User) -> bool {
        let is_local = self.0.local && user.has_password();
        let is_known = || user.identities.iter().any(|identity| self.knows(identity));
        !user.disabled && (is_local || is_known())
    }

    /// Returns `true` if the identity is recent enough and its provider still allows it.
    fn knows(&self, identity: &LinkedIdentity) -> bool {
        let until = identity.last_seen.saturating_add(self.0.max_login_age);
        let mut providers = self.0.providers.iter();
        let allows = |provider: &Arc<dyn IdentityProvider>| {
            provider.issuer() == identity.issuer && provider.allows(identity)
        };
        self.0.users.clock().now() < until && providers.any(allows)
    }
}

#[async_trait]
impl LoginProvider for Login {
    async fn session(&self, request: &Parts) -> Result<Option<UserSession>, AuthServerError> {
        let Some(handle) = self.session_handle(&request.headers) else {
            return Ok(None);
        };
        let Some((id, session)) = self.0.sessions.find(handle).await? else {
            return Ok(None);
        };
        let user = self.0.users.find(&session.user).await?;
        let user = user.filter(|user| {
            self.is_allowed(user) && user.accepts_session_of(session.authenticated_at)
        });
        Ok(user.map(|user| UserSession::new(id, user.user(), session.authenticated_at)))
    }

    async fn user(&self, id: &str) -> Result<Option<UserInfo>, AuthServerError> {
        let user = self.0.users.find(id).await?;
        Ok(user
            .filter(|user| self.is_allowed(user))
            .map(|user| user.user()))
    }

    async fn user_by_identity(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<UserInfo>, AuthServerError> {
        let user = self.0.users.find_by_identity(issuer, subject).await?;
        Ok(user
            .filter(|user| self.is_allowed(user))
            .map(|user| user.user()))
    }

    fn login_url(&self, return_to: &str) -> String {
        let return_to: String = byte_serialize(return_to.as_bytes()).collect();
        format!("{LOGIN}?return_to={return_to}")
    }
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login")
            .field("origin", &self.0.origin)
            .field("local", &self.0.local)
            .field("providers", &self.0.providers)
            .finish_non_exhaustive()
    }
}

/// Default of [`Login::with_max_login_age`]: the idle timeout of refresh tokens.
const MAX_LOGIN_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);
