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
//! | [`jwt::JwtVerifier`] | what a JWT says | strict checks that cannot be switched off |
//! | [`jwks::RemoteKeys`] | with which key it was signed | the key set of an issuer, fetched when it is needed |
//! | [`egress::Egress`] | what is at an address that a stranger has named | requests that stay out of the gateway's own network |
//!
//! Its further answers come with later releases: an OAuth 2.1 authorization server and the tokens
//! that it issues, tokens of other identity providers, and the credentials that callers have
//! connected, exchanged or been granted.
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
//! # Cancel safety
//!
//! Every future of this crate may be dropped at any `.await`; nothing is left half-written.
//!
//! [`AuthVerifier`]: mcp_gateway_core::auth::AuthVerifier
//! [`CredentialResolver`]: mcp_gateway_core::credential::CredentialResolver

#![cfg_attr(docsrs, feature(doc_cfg))]

mod bearer;
mod clock;
mod documents;
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
