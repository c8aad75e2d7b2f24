//! Who may call an MCP gateway, and with which credential the gateway calls its servers.
//!
//! The data plane, `mcp-gateway-core`, asks two questions and leaves the answers to others: its
//! [`AuthVerifier`] says who sent a request, its [`CredentialResolver`] what to present to a server
//! on the sender's behalf. This crate is where the answers live that are not one line long. It
//! knows nothing of configuration files, of Kubernetes, or of how requests are routed.
//!
//! | type | answers | by |
//! |---|---|---|
//! | [`StaticTokens`] | who is calling | bearer tokens that an operator has handed out |
//! | [`token::BearerVerifier`] | who is calling | bearer tokens that a [`token::TokenVerifier`] knows: JWTs of identity providers, tokens that an authorization server is asked about, or several of these |
//! | [`server::AuthorizationServer`] | how clients get tokens | OAuth 2.1: codes with PKCE, consent, refresh, registration, keys that rotate |
//! | [`login::Login`] | who is at the browser | accounts, GitHub, any provider of OpenID Connect |
//! | [`users::Users`] | who there is | accounts, and what is known of people from providers |
//! | [`forward::ForwardAuth`] | who is calling a server that a reverse proxy is in front of | any verifier |
//! | [`jwt::JwtVerifier`] | what a JWT says | strict checks that cannot be switched off |
//! | [`jwks::RemoteKeys`] | with which key it was signed | the key set of an issuer, fetched when it is needed |
//! | [`egress::Egress`] | what is at an address that a stranger has named | requests that stay out of the gateway's own network |
//!
//! Each of them can be used without the others and without the gateway: the example
//! `authorization-server` of the repository is a web service of its own with a login. State is in a
//! [`Store`](mcp_gateway_store::Store).
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use mcp_gateway_auth::StaticTokens;
//! use mcp_gateway_core::Gateway;
//! use mcp_gateway_core::auth::Principal;
//! use mcp_gateway_core::credential::NoCredentials;
//! use mcp_gateway_core::route::PrefixRouter;
//! use mcp_gateway_core::session::Sessions;
//! use mcp_gateway_core::upstream::ServerPool;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let token = "a token of a person, from where secrets are kept";
//! let tokens = StaticTokens::new().with_token(token, Principal::new("alice"));
//! let gateway = Gateway::builder(
//!     Arc::new(tokens),
//!     Arc::new(PrefixRouter::by_name(["github"])?),
//!     Arc::new(NoCredentials::new()),
//!     ServerPool::new(),
//!     Sessions::ephemeral()?,
//! )
//! .build();
//! # let _ = gateway;
//! # Ok(())
//! # }
//! ```
//!
//! People log in, and clients get tokens for one resource, which a verifier knows:
//!
//! ```
//! use std::sync::Arc;
//!
//! use mcp_gateway_auth::login::Login;
//! use mcp_gateway_auth::server::{AuthorizationServer, Registration, Resource};
//! use mcp_gateway_auth::token::BearerVerifier;
//! use mcp_gateway_auth::users::Users;
//! use mcp_gateway_auth::{Clock, Keyring};
//! use mcp_gateway_core::auth::{AuthError, AuthVerifier};
//! use mcp_gateway_store::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let (store, keyring) = (Arc::new(MemoryStore::new()), Keyring::new(&[7; 32])?);
//! let users = Users::new(store.clone(), Clock::system());
//! let login = Login::new(users, keyring.clone(), "http://localhost:8080")?.with_local_accounts();
//! let people = Arc::new(login.clone());
//! let base = "http://localhost:8080".parse()?;
//! let server = AuthorizationServer::builder(base, store, keyring, people)
//!     .with_registration(Registration::Open)
//!     .build();
//! let notes = Resource::new("http://localhost:8080/notes".parse()?, "Notes");
//! server.set_resources([notes.clone()]);
//! let pages: axum::Router = server.router().merge(login.router());
//!
//! let tokens = BearerVerifier::new(Arc::new(server.verifier(Some(&notes))))
//!     .with_revocations(server.revocations_known());
//! let request = http::Request::get("/notes").header("authorization", "Bearer made-up").body(())?;
//! let refused = tokens.verify(&request.into_parts().0).await;
//! assert!(matches!(refused, Err(AuthError::InvalidToken)));
//! # let _ = pages;
//! # Ok(())
//! # }
//! ```
//!
//! # Cancel safety
//!
//! Every future of this crate may be dropped at any `.await`; nothing is left half-written.
//!
//! [`AuthVerifier`]: mcp_gateway_core::auth::AuthVerifier
//! [`CredentialResolver`]: mcp_gateway_core::credential::CredentialResolver

#![cfg_attr(docsrs, feature(doc_cfg))]

mod bearer;
mod clock;
pub mod egress;
mod error;
pub mod forward;
pub mod jwks;
pub mod jwt;
mod keyring;
pub mod login;
mod pages;
mod peer;
mod person;
mod secret;
pub mod server;
mod static_tokens;
pub mod token;
pub mod users;
#[cfg(test)]
mod yielding;

pub use self::clock::Clock;
pub use self::error::AuthorityError;
pub use self::keyring::{Handle, Keyring};
pub use self::peer::TrustedProxies;
pub use self::person::{Authenticator, Person, UserSession};
pub use self::secret::{Secret, SecretHash};
pub use self::static_tokens::StaticTokens;
