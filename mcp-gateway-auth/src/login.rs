//! Let people log in with a browser.
//!
//! [`Login`] is the [`Authenticator`] for gateways that have no accounts yet. It shows the page
//! where people say who they are, and knows them again by a cookie:
//!
//! - with a name and a password, for development and for small teams;
//! - at GitHub, for the users and members of organizations that are allowed;
//! - at any provider of OpenID Connect, with allow-lists of groups and domains.
//!
//! | request | what it does |
//! |---|---|
//! | `GET /api/auth/login?return_to=/path` | shows the ways to log in |
//! | `POST /api/auth/login` | takes a name and a password |
//! | `GET /api/auth/login/{provider}` | sends the browser to a provider |
//! | `GET /api/auth/callback/{provider}` | takes it back |
//! | `GET /api/auth/account` | shows who has logged in, and what they have allowed |
//! | `POST /api/auth/logout` | ends the session |
//!
//! What comes from another site, another browser or a second time is refused with 403, who is not
//! allowed too, and who tries too often with 429.
//!
//! # Deployment
//!
//! The public URL has to be `https`, except on `localhost`. Attempts are limited for each client
//! address, which requests have as an extension: [`PeerAddr`], or axum's `ConnectInfo`. Behind proxies,
//! [`Login::with_trusted_proxies`] says which of them are believed.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use axum::Router;
//! use mcp_gateway_auth::login::Login;
//! use mcp_gateway_auth::users::Users;
//! use mcp_gateway_auth::{Authenticator, Clock, Keyring};
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
mod attempts;
mod browser;
mod callback;
mod cookie;
mod discovery;
mod github;
mod local;
mod oidc;
mod origin;
mod provider;
mod refusal;
mod return_to;
mod session;
mod trips;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};
use http::request::Parts;
use url::form_urlencoded::byte_serialize;

pub use self::account::{AllowedClient, AllowedClients};
use self::attempts::Attempts;
pub use self::github::GithubProvider;
pub use self::oidc::OidcProvider;
pub(crate) use self::origin::PublicOrigin;
pub use self::origin::PublicUrlError;
use self::provider::IdentityProvider;
use self::session::Sessions;
use self::trips::Trips;
use crate::users::{Identity, User, Users};
use crate::{Authenticator, AuthorityError, Keyring, Person, TrustedProxies, UserSession, pages};

/// Lets people log in, and knows them again. Cheap to clone.
///
/// See the [module documentation](self) for what it serves, and an example.
#[derive(Clone)]
pub struct Login(Arc<Inner>);

#[derive(Clone)]
struct Inner {
    attempts: Attempts,
    clients: Option<Arc<dyn AllowedClients>>,
    keyring: Keyring,
    local: bool,
    max_login_age: u64,
    name: String,
    origin: PublicOrigin,
    providers: Vec<Arc<dyn IdentityProvider>>,
    proxies: TrustedProxies,
    sessions: Sessions,
    trips: Trips,
    users: Users,
}

impl Login {
    /// Lets nobody log in yet. Browsers reach it at `public_url`.
    ///
    /// # Errors
    ///
    /// When `public_url` is neither `https` nor `http` on this machine.
    pub fn new(users: Users, keyring: Keyring, public_url: &str) -> Result<Self, PublicUrlError> {
        let origin = PublicOrigin::parse(public_url)?;
        Ok(Self(Arc::new(Inner {
            attempts: Attempts::new(users.clock().clone()),
            clients: None,
            trips: Trips::new(&users, keyring.clone(), origin.as_str().to_owned()),
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

    /// Lets people log in with a name and a password.
    #[must_use]
    pub fn with_local_accounts(self) -> Self {
        self.with(|inner| inner.local = true)
    }

    /// Lets people log in at GitHub.
    #[must_use]
    pub fn with_github(self, github: GithubProvider) -> Self {
        self.with(|inner| inner.providers.push(Arc::new(github)))
    }

    /// Lets people log in at a provider of OpenID Connect.
    #[must_use]
    pub fn with_oidc(self, provider: OidcProvider) -> Self {
        self.with(|inner| inner.providers.push(Arc::new(provider)))
    }

    /// Takes people for those whom a provider knows for `age` after they have logged in there;
    /// 30 days if it is not said. Then they have to do it again before their clients get new tokens,
    /// so that whom the provider has removed is gone here too.
    #[must_use]
    pub fn with_max_login_age(self, age: Duration) -> Self {
        self.with(|inner| inner.max_login_age = age.as_secs())
    }

    /// What the gateway is called on the pages; by default the host of its public URL.
    #[must_use]
    pub fn with_name(self, name: impl Into<String>) -> Self {
        self.with(|inner| inner.name = name.into())
    }

    /// Shows people the clients that they have allowed, so that they can take it back: those of an
    /// [`AuthorizationServer`](crate::server::AuthorizationServer), which was made with a clone of
    /// this before.
    #[must_use]
    pub fn with_clients(self, clients: Arc<dyn AllowedClients>) -> Self {
        self.with(|inner| inner.clients = Some(clients))
    }

    /// Ends sessions that are not used for `idle`, and all of them after `absolute`; by default
    /// after 12 hours and 7 days.
    #[must_use]
    pub fn with_session_limits(self, idle: Duration, absolute: Duration) -> Self {
        self.with(|inner| inner.sessions.limit(idle, absolute))
    }

    /// Believes `proxies` when they say where a request has come from.
    #[must_use]
    pub fn with_trusted_proxies(self, proxies: TrustedProxies) -> Self {
        self.with(|inner| inner.proxies = proxies)
    }

    fn with(mut self, change: impl FnOnce(&mut Inner)) -> Self {
        change(Arc::make_mut(&mut self.0));
        self
    }

    /// What is served, with its full paths: to be merged into the service of the embedder.
    pub fn router(&self) -> Router {
        Router::new()
            .route(pages::LOGIN, get(local::show).post(local::submit))
            .route(
                &format!("{}/{{provider}}", pages::LOGIN),
                get(callback::start),
            )
            .route(CALLBACK, get(callback::finish))
            .route(pages::LOGOUT, post(account::log_out))
            .route(pages::ACCOUNT, get(account::show))
            .route(pages::REVOKE, post(account::revoke))
            .route(pages::ICON, get(pages::icon))
            .route(CONTINUE, get(return_to::go_on))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self.clone())
    }

    /// The people who may log in.
    #[must_use]
    pub fn users(&self) -> &Users {
        &self.0.users
    }

    /// Whether `user` may use the gateway, as it is configured now.
    fn is_allowed(&self, user: &User) -> bool {
        let is_local = self.0.local && user.has_password();
        let is_known = || user.identities.iter().any(|identity| self.knows(identity));
        !user.disabled && (is_local || is_known())
    }

    fn knows(&self, identity: &Identity) -> bool {
        let until = identity.seen.saturating_add(self.0.max_login_age);
        let mut providers = self.0.providers.iter();
        let allows = |provider: &Arc<dyn IdentityProvider>| {
            provider.issuer() == identity.issuer && provider.allows(identity)
        };
        self.0.users.clock().now() < until && providers.any(allows)
    }
}

#[async_trait]
impl Authenticator for Login {
    async fn session(&self, request: &Parts) -> Result<Option<UserSession>, AuthorityError> {
        let Some(handle) = self.session_handle(&request.headers) else {
            return Ok(None);
        };
        let Some((id, session)) = self.0.sessions.find(handle).await? else {
            return Ok(None);
        };
        let user = self.0.users.find(&session.person).await?;
        let user = user.filter(|user| {
            self.is_allowed(user) && user.accepts_session_of(session.authenticated_at)
        });
        Ok(user.map(|user| UserSession::new(id, user.person(), session.authenticated_at)))
    }

    async fn person(&self, id: &str) -> Result<Option<Person>, AuthorityError> {
        let user = self.0.users.find(id).await?;
        Ok(user
            .filter(|user| self.is_allowed(user))
            .map(|user| user.person()))
    }

    async fn identified(
        &self,
        issuer: &str,
        subject: &str,
    ) -> Result<Option<Person>, AuthorityError> {
        let user = self.0.users.find_by_identity(issuer, subject).await?;
        Ok(user
            .filter(|user| self.is_allowed(user))
            .map(|user| user.person()))
    }

    fn login_url(&self, return_to: &str) -> String {
        let return_to: String = byte_serialize(return_to.as_bytes()).collect();
        format!("{}?return_to={return_to}", pages::LOGIN)
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

const CALLBACK: &str = "/api/auth/callback/{provider}";
const CONTINUE: &str = "/api/auth/continue";

/// As long as refresh tokens are good that nobody uses.
const MAX_LOGIN_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Far more than any form of ours has.
const MAX_BODY: usize = 64 * 1024;
