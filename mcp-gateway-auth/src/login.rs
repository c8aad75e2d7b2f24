//! User login with a browser.
//!
//! [`LoginSessions`] is a [`LoginProvider`] for gateways without accounts of their own: it
//! authenticates a browser by its cookie, and has no HTTP. [`LoginPages`] serves the pages on which
//! users log in. Users authenticate:
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
//! Behind reverse proxies, configure [`LoginPages::with_trusted_proxies`].
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use axum::Router;
//! use mcp_gateway_auth::login::{LoginPages, LoginSessions};
//! use mcp_gateway_auth::users::Users;
//! use mcp_gateway_auth::{Clock, Keyring, LoginProvider};
//! use mcp_gateway_store::MemoryStore;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let users = Users::new(Arc::new(MemoryStore::new()), Clock::system());
//! let sessions = LoginSessions::new(users, Keyring::new(&[7; 32])?, "http://localhost:8080")?
//!     .with_local_accounts();
//! let service: Router = Router::new().merge(LoginPages::new(sessions.clone()).router());
//! assert_eq!(sessions.login_url("/x?y=1"), "/api/auth/login?return_to=%2Fx%3Fy%3D1");
//! # let _ = service;
//! # Ok(())
//! # }
//! ```
//!
//! [`LoginProvider`]: crate::LoginProvider
//! [`PeerAddr`]: mcp_gateway_core::PeerAddr

mod account;
mod browser;
mod callback;
mod cookie;
mod error;
mod github;
mod id_tokens;
mod local;
#[cfg(feature = "token-exchange")]
mod login_identities;
mod oidc;
mod origin;
mod pages;
mod provider;
mod provider_metadata;
mod return_to;
mod session;
mod sessions;
mod throttle;
mod transactions;

#[cfg(feature = "accounts")]
pub(crate) use self::browser::BrowserId;
pub use self::github::GithubProvider;
pub use self::id_tokens::KeptIdTokens;
#[cfg(feature = "token-exchange")]
pub use self::login_identities::LoginIdentities;
pub use self::oidc::OidcProvider;
#[cfg(feature = "accounts")]
pub(crate) use self::origin::PublicOrigin;
pub use self::origin::PublicUrlError;
pub use self::pages::LoginPages;
pub(crate) use self::return_to::see_other;
pub use self::sessions::LoginSessions;
pub use crate::authorized_client::{AuthorizedClient, AuthorizedClients};
