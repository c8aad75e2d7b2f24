//! Authentication for MCP gateways: verification of callers, and an OAuth 2.1 authorization server.
//!
//! The data plane, `mcp-gateway-core`, delegates two decisions. An [`AuthVerifier`] authenticates a
//! request; a [`CredentialResolver`] selects the credential for an upstream server. This crate
//! contains the implementations that are more than a few lines. It is independent of configuration
//! files, of Kubernetes, and of the routing of requests.
//!
//! | type | purpose | method |
//! |---|---|---|
//! | [`StaticTokens`] | authenticates callers | bearer tokens that an operator has issued |
//! | [`token::BearerVerifier`] | authenticates callers | bearer tokens that a [`token::TokenVerifier`] verifies: JWTs of identity providers, introspected tokens, or a chain of both |
//! | [`server::AuthorizationServer`] | issues tokens | OAuth 2.1: authorization codes with PKCE, consent, refresh, registration, rotating keys |
//! | [`login::LoginSessions`], [`login::LoginPages`] | authenticate users in a browser | local accounts, GitHub, OpenID Connect |
//! | [`users::Users`] | stores users | local accounts and external identities |
//! | [`forward::ForwardAuth`] | authenticates callers of a server behind a reverse proxy | any verifier |
//! | [`jose::JwtVerifier`] | verifies a JWT | strict checks without opt-outs |
//! | [`dpop::DpopKey`] | binds tokens to a key of their client | proofs of possession (RFC 9449) |
//! | [`jwks::RemoteJwks`] | provides the keys of an issuer | its JWK set, fetched on demand and cached |
//! | [`accounts::AccountCredentials`] | selects credentials for servers | the account that each caller has connected, with OAuth |
//! | [`TokenForwarding`] | selects credentials for servers | the caller's own token of an identity provider |
//! | [`egress::Egress`] | fetches from untrusted addresses | requests that cannot reach the gateway's own network |
//!
//! Each of them works without the others and without the gateway: the example
//! `authorization-server` of the repository is a standalone web service with a login. State is kept
//! in a [`Store`](mcp_gateway_store::Store).
//!
//! # Example
//!
//! ```
//! use mcp_gateway_auth::StaticTokens;
//! use mcp_gateway_core::Gateway;
//! use mcp_gateway_core::auth::Principal;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let token = "a token from the secret store";
//! let tokens = StaticTokens::new().with_token(token, Principal::new("alice"));
//! let gateway = Gateway::builder(tokens).build()?;
//! # let _ = gateway;
//! # Ok(())
//! # }
//! ```
//!
//! Users log in, and clients obtain tokens for one resource, which a verifier accepts:
//!
//! ```
//! use std::sync::Arc;
//!
//! use mcp_gateway_auth::login::{LoginPages, LoginSessions};
//! use mcp_gateway_auth::server::{AuthorizationServer, RegistrationPolicy, Resource};
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
//! let sessions = LoginSessions::new(users, keyring.clone(), "http://localhost:8080")?
//!     .with_local_accounts();
//! let login_provider = Arc::new(sessions.clone());
//! let base = "http://localhost:8080".parse()?;
//! let server = AuthorizationServer::builder(base, store, keyring, login_provider)
//!     .with_registration(RegistrationPolicy::Open)
//!     .build();
//! let notes = Resource::new("http://localhost:8080/notes".parse()?, "Notes");
//! server.set_resources([notes.clone()]);
//! let pages: axum::Router = server.router().merge(LoginPages::new(sessions).router());
//!
//! let tokens = BearerVerifier::new(Arc::new(server.verifier(Some(&notes))))
//!     .with_revocations(server.revocations());
//! let request = http::Request::get("/notes").header("authorization", "Bearer forged").body(())?;
//! let rejected = tokens.verify(&request.into_parts().0).await;
//! assert!(matches!(rejected, Err(AuthError::InvalidToken)));
//! # let _ = pages;
//! # Ok(())
//! # }
//! ```
//!
//! # Cancel safety
//!
//! Every future of this crate may be dropped at any `.await` without partial writes: each change of
//! state is one atomic batch.
//!
//! [`AuthVerifier`]: mcp_gateway_core::auth::AuthVerifier
//! [`CredentialResolver`]: mcp_gateway_core::credential::CredentialResolver

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "accounts")]
pub mod accounts;
mod administered_teams;
#[cfg(feature = "login")]
mod authorized_client;
mod bearer;
#[cfg(feature = "client")]
pub mod client;
mod clock;
#[cfg(feature = "jwt")]
pub mod dpop;
#[cfg(feature = "egress")]
pub mod egress;
mod error;
#[cfg(feature = "server")]
pub mod forward;
mod input_format;
#[cfg(feature = "jwt")]
pub mod jose;
#[cfg(feature = "jwt")]
pub mod jwks;
mod keyring;
#[cfg(feature = "login")]
mod landing;
#[cfg(feature = "login")]
pub mod login;
mod login_provider;
#[cfg(feature = "jwt")]
mod metadata;
#[cfg(any(feature = "login", feature = "loopback", feature = "server"))]
mod pages;
#[cfg(any(feature = "login", feature = "server"))]
mod peer;
mod secret;
#[cfg(feature = "server")]
pub mod server;
mod static_credentials;
mod static_tokens;
#[cfg(feature = "jwt")]
pub mod token;
#[cfg(feature = "jwt")]
mod token_forwarding;
#[cfg(feature = "login")]
pub mod users;
#[cfg(all(test, feature = "login"))]
mod yielding;

pub use self::administered_teams::AdministeredTeams;
pub use self::clock::Clock;
pub use self::error::AuthServerError;
pub use self::input_format::InputFormat;
pub use self::keyring::{Handle, Keyring};
#[cfg(feature = "login")]
pub use self::landing::Landing;
pub use self::login_provider::{LoginProvider, UserInfo, UserSession};
#[cfg(any(feature = "login", feature = "server"))]
pub use self::peer::TrustedProxies;
pub use self::secret::{Secret, SecretHash};
pub use self::static_credentials::StaticCredentials;
pub use self::static_tokens::StaticTokens;
#[cfg(feature = "jwt")]
pub use self::token_forwarding::TokenForwarding;
