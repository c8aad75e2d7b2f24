//! Verify the tokens that callers present.
//!
//! A [`TokenVerifier`] knows the tokens of somebody: [`ExternalIssuers`] the JWTs of identity
//! providers, [`Introspection`] those that an authorization server is asked about, and
//! [`StaticTokens`](crate::StaticTokens) those that an operator has handed out. A [`ChainVerifier`]
//! asks several of them. A [`BearerVerifier`] is what a gateway takes: it finds the token in a
//! request, asks a verifier about it once, and remembers the answer for as long as the token is
//! good and not [revoked](Revocations).
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use http::Request;
//! use mcp_gateway_auth::jwks::{JwkSet, KeySet};
//! use mcp_gateway_auth::jwt::{Algorithm, Expectation, SigningKey};
//! use mcp_gateway_auth::token::{BearerVerifier, ExternalIssuers, Issuer};
//! use mcp_gateway_auth::Clock;
//! use mcp_gateway_core::auth::{AuthError, AuthVerifier};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In earnest, the keys are `RemoteKeys::discover("https://idp.example.com", egress)`.
//! let key = SigningKey::generate(Algorithm::Es256)?;
//! let keys = KeySet::from(&JwkSet::new([key.public().clone()]));
//! let expectation = Expectation::new("https://idp.example.com", "https://gw.example.com/mcp");
//! let issuers = ExternalIssuers::new([Issuer::new(expectation, keys)]);
//! let verifier = BearerVerifier::new(Arc::new(issuers));
//!
//! let token = key.sign("at+jwt", &json!({
//!     "iss": "https://idp.example.com",
//!     "aud": "https://gw.example.com/mcp",
//!     "sub": "alice",
//!     "exp": Clock::system().now() + 60,
//! }))?;
//! let verify = async |token: &str| {
//!     let request = Request::builder().header("authorization", format!("Bearer {token}"));
//!     verifier.verify(&request.body(()).unwrap().into_parts().0).await
//! };
//! assert_eq!(verify(&token).await?.subject(), "https://idp.example.com#alice");
//! assert!(matches!(verify("another one").await, Err(AuthError::InvalidToken)));
//! # Ok(())
//! # }
//! ```

mod bearer;
mod chain;
mod introspection;
mod issuer;
mod mapping;
mod revocations;
mod verified;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::auth::AuthError;

pub use self::bearer::BearerVerifier;
pub use self::chain::ChainVerifier;
pub use self::introspection::Introspection;
pub use self::issuer::{ExternalIssuers, Issuer, IssuerKeys};
pub use self::mapping::ClaimMapping;
pub use self::revocations::{Revocations, Revoked};
pub use self::verified::VerifiedToken;

/// Knows the tokens of an issuer.
///
/// Asked by a [`BearerVerifier`] once for each token, and again when what it said has become old.
///
/// # Cancel safety
///
/// The future is dropped when the caller goes away, at any `.await`.
#[async_trait]
pub trait TokenVerifier: fmt::Debug + Send + Sync + 'static {
    /// What `token` stands for; nothing if it is no token of this issuer, so that others may be
    /// asked about it.
    ///
    /// # Errors
    ///
    /// When it is a token of this issuer, but not a good one, or when that cannot be told. Nobody
    /// else is asked then.
    async fn verify_token(&self, token: &str) -> Result<Option<VerifiedToken>, AuthError>;
}

#[async_trait]
impl<V: TokenVerifier + ?Sized> TokenVerifier for Arc<V> {
    async fn verify_token(&self, token: &str) -> Result<Option<VerifiedToken>, AuthError> {
        (**self).verify_token(token).await
    }
}
