//! The pages of a login, and their routes.

use std::fmt;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::routing::{get, post};

use super::{AuthorizedClients, Login, account, callback, local, return_to};
use crate::pages;

/// The endpoints of a [`Login`], with the clients that users have authorized. Cheap to clone.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use axum::Router;
/// use mcp_gateway_auth::login::{Login, LoginPages};
/// use mcp_gateway_auth::server::AuthorizationServer;
/// use mcp_gateway_auth::users::Users;
/// use mcp_gateway_auth::{Clock, Keyring};
/// use mcp_gateway_store::MemoryStore;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (store, keyring) = (Arc::new(MemoryStore::new()), Keyring::new(&[7; 32])?);
/// let users = Users::new(store.clone(), Clock::system());
/// let login = Login::new(users, keyring.clone(), "https://gw.example.com")?.with_local_accounts();
/// let (base, login_provider) = ("https://gw.example.com".parse()?, Arc::new(login.clone()));
/// let server = AuthorizationServer::builder(base, store, keyring, login_provider).build();
/// let pages = LoginPages::new(login).with_clients(Arc::new(server.clone()));
/// let service: Router = server.router().merge(pages.router());
/// # let _ = service;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct LoginPages {
    pub(super) login: Login,
    pub(super) clients: Option<Arc<dyn AuthorizedClients>>,
}

impl LoginPages {
    /// Creates the pages of `login`, without authorized clients.
    #[must_use]
    pub fn new(login: Login) -> Self {
        Self {
            login,
            clients: None,
        }
    }

    /// Shows users the clients that they have authorized, and lets them revoke the access.
    #[must_use]
    pub fn with_clients(mut self, clients: Arc<dyn AuthorizedClients>) -> Self {
        self.clients = Some(clients);
        self
    }

    /// Returns the endpoints with their full paths, to be merged into the router of the service.
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
            .route(CONTINUE, get(return_to::go_on))
            .layer(DefaultBodyLimit::max(MAX_BODY))
            .with_state(self)
    }
}

impl FromRef<LoginPages> for Login {
    fn from_ref(pages: &LoginPages) -> Self {
        pages.login.clone()
    }
}

impl fmt::Debug for LoginPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LoginPages")
            .field("login", &self.login)
            .finish_non_exhaustive()
    }
}

/// Redirection endpoint for identity providers.
const CALLBACK: &str = "/api/auth/callback/{provider}";
/// Page that continues to the return path.
pub(super) const CONTINUE: &str = "/api/auth/continue";

/// Maximum size of a form, in bytes.
const MAX_BODY: usize = 64 * 1024;
