//! The pages of a login, and their routes.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::routing::{get, post};

use super::throttle::LoginThrottle;
use super::transactions::LoginTransactions;
use super::{AuthorizedClients, KeptIdTokens, LoginSessions, account, callback, local, return_to};
use crate::{TrustedProxies, pages};

/// Pages on which users log in, log out, and revoke the clients that they have authorized.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use axum::Router;
/// use mcp_gateway_auth::login::{LoginPages, LoginSessions};
/// use mcp_gateway_auth::server::AuthorizationServer;
/// use mcp_gateway_auth::users::Users;
/// use mcp_gateway_auth::{Clock, Keyring};
/// use mcp_gateway_store::MemoryStore;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (store, keyring) = (Arc::new(MemoryStore::new()), Keyring::new(&[7; 32])?);
/// let users = Users::new(store.clone(), Clock::system());
/// let sessions = LoginSessions::new(users, keyring.clone(), "https://gw.example.com")?
///     .with_local_accounts();
/// let (base, login_provider) = ("https://gw.example.com".parse()?, Arc::new(sessions.clone()));
/// let server = AuthorizationServer::builder(base, store, keyring, login_provider).build();
/// let pages = LoginPages::new(sessions).with_clients(Arc::new(server.clone()));
/// let service: Router = server.router().merge(pages.router());
/// # let _ = service;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LoginPages {
    pub(super) sessions: LoginSessions,
    pub(super) clients: Option<Arc<dyn AuthorizedClients>>,
    /// Set if there is a page of connected accounts.
    pub(super) has_connections: bool,
    pub(super) id_tokens: Option<KeptIdTokens>,
    /// Name of the gateway on the pages.
    pub(super) name: String,
    pub(super) proxies: TrustedProxies,
    pub(super) throttle: LoginThrottle,
    pub(super) transactions: LoginTransactions,
}

impl LoginPages {
    /// Creates the pages on which `sessions` begin, without authorized clients.
    #[must_use]
    pub fn new(sessions: LoginSessions) -> Self {
        let (users, cookies) = (sessions.users(), sessions.cookies());
        let (keyring, origin) = (cookies.keyring().clone(), cookies.origin());
        Self {
            throttle: LoginThrottle::new(users.clock().clone()),
            transactions: LoginTransactions::new(users, keyring, origin.as_str().to_owned()),
            name: origin.host().to_owned(),
            proxies: TrustedProxies::default(),
            clients: None,
            has_connections: false,
            id_tokens: None,
            sessions,
        }
    }

    /// Shows users the clients that they have authorized, and lets them revoke the access.
    #[must_use]
    pub fn with_clients(mut self, clients: Arc<dyn AuthorizedClients>) -> Self {
        self.clients = Some(clients);
        self
    }

    /// Keeps the ID tokens of providers that [keep
    /// them](super::OidcProvider::with_kept_id_tokens) in `tokens`.
    #[must_use]
    pub fn with_id_tokens(mut self, tokens: KeptIdTokens) -> Self {
        self.id_tokens = Some(tokens);
        self
    }

    /// Links to the page of connected accounts, which is served at `/connect`.
    #[must_use]
    pub fn with_connections(mut self) -> Self {
        self.has_connections = true;
        self
    }

    /// Sets the name of the gateway on the pages. By default, it is the host of the public URL.
    #[must_use]
    pub fn with_name(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Accepts the client addresses that `proxies` forward.
    #[must_use]
    pub fn with_trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// Returns the endpoints with their full paths, to be merged into the router of the service.
    ///
    /// # Example
    ///
    /// ```
    /// # use std::sync::Arc;
    /// use axum::body::Body;
    /// use http::Request;
    /// use mcp_gateway_auth::login::{LoginPages, LoginSessions};
    /// # use mcp_gateway_auth::users::Users;
    /// # use mcp_gateway_auth::{Clock, Keyring};
    /// # use mcp_gateway_store::MemoryStore;
    /// use tower::ServiceExt;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let users = Users::new(Arc::new(MemoryStore::new()), Clock::system());
    /// # let keyring = Keyring::new(&[7; 32])?;
    /// let sessions = LoginSessions::new(users, keyring, "https://gw.example.com")?;
    /// let router = LoginPages::new(sessions.with_local_accounts()).router();
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
    pub fn router(self) -> Router {
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
            .route(return_to::CONTINUE, get(return_to::go_on))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(Arc::new(self))
    }
}

impl fmt::Debug for LoginPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginPages")
            .field("sessions", &self.sessions)
            .finish_non_exhaustive()
    }
}

/// Maximum size of a form, in bytes.
const MAX_BODY: usize = 64 * 1024;

/// Redirection endpoint for identity providers.
const CALLBACK: &str = "/api/auth/callback/{provider}";
