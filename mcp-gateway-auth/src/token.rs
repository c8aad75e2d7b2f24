//! Verification of access tokens (RFC 6750, RFC 9068, RFC 7662).
//!
//! A [`TokenVerifier`] verifies the tokens of one kind: [`ExternalIssuers`] the JWTs of identity
//! providers, [`Introspection`] tokens that only their authorization server can validate, and
//! [`StaticTokens`](crate::StaticTokens) tokens that an operator has issued. A [`ChainVerifier`]
//! combines several of them. A [`BearerVerifier`] makes one an [`AuthVerifier`] of a gateway: it
//! extracts the token from a request, verifies it once, and caches the result until the token
//! expires or is [revoked](Revocations). Tokens that are [bound to a key](BoundTokens) need a proof
//! with each request.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use http::Request;
//! use mcp_gateway_auth::jose::{Algorithm, Validation, JwkSet, KeySet, SigningKey};
//! use mcp_gateway_auth::token::{BearerVerifier, ExternalIssuers, Issuer};
//! use mcp_gateway_auth::Clock;
//! use mcp_gateway_core::auth::{AuthError, AuthVerifier};
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // In production, the keys are `RemoteJwks::discover("https://idp.example.com", egress)`.
//! let key = SigningKey::generate(Algorithm::Es256)?;
//! let keys = KeySet::from(&JwkSet::new([key.public().clone()]));
//! let expectation = Validation::new("https://idp.example.com", "https://gw.example.com/mcp");
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
//!
//! [`AuthVerifier`]: mcp_gateway_core::auth::AuthVerifier

mod bearer;
mod bound;
mod chain;
mod external;
mod introspection;
mod issuer;
mod known;
mod mapping;
mod revocations;
mod verified;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::auth::AuthError;

pub use self::bearer::BearerVerifier;
pub use self::bound::BoundTokens;
pub use self::chain::ChainVerifier;
pub use self::external::ExternalToken;
pub use self::introspection::Introspection;
pub use self::issuer::{ExternalIssuers, Issuer, IssuerKeys};
pub use self::mapping::ClaimMapping;
pub use self::revocations::{RevocationTarget, Revocations};
pub use self::verified::VerifiedToken;

/// Verifies the access tokens of an issuer.
///
/// A [`BearerVerifier`] calls it once per token, and again when the cached result is stale.
///
/// # Cancel safety
///
/// The future is dropped when the caller disconnects, at any `.await`.
///
/// # Example
///
/// ```
/// use async_trait::async_trait;
/// use mcp_gateway_auth::token::{TokenVerifier, VerifiedToken};
/// use mcp_gateway_core::auth::{AuthError, Principal};
///
/// /// Tokens such as `session:alice`.
/// #[derive(Debug)]
/// struct Sessions;
///
/// #[async_trait]
/// impl TokenVerifier for Sessions {
///     async fn verify_token(&self, token: &str) -> Result<Option<VerifiedToken>, AuthError> {
///         match token.strip_prefix("session:") {
///             None => Ok(None),
///             Some("") => Err(AuthError::InvalidToken),
///             Some(name) => Ok(Some(VerifiedToken::new(Principal::new(name), u64::MAX))),
///         }
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), AuthError> {
/// let verified = Sessions.verify_token("session:alice").await?;
/// assert!(verified.is_some_and(|verified| verified.principal().subject() == "alice"));
/// assert!(Sessions.verify_token("eyJhbGciOi").await?.is_none());
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait TokenVerifier: fmt::Debug + Send + Sync + 'static {
    /// Verifies `token`. Returns `None` if the token belongs to another issuer, so that other
    /// verifiers may be tried.
    ///
    /// # Errors
    ///
    /// [`AuthError::InvalidToken`] if it is a token of this issuer and is invalid,
    /// [`AuthError::InsufficientScope`], or [`AuthError::Unavailable`] if it cannot be verified
    /// now. No other verifier is tried then.
    async fn verify_token(&self, token: &str) -> Result<Option<VerifiedToken>, AuthError>;
}

#[async_trait]
impl<V: TokenVerifier + ?Sized> TokenVerifier for Arc<V> {
    async fn verify_token(&self, token: &str) -> Result<Option<VerifiedToken>, AuthError> {
        (**self).verify_token(token).await
    }
}
