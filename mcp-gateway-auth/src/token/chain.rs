//! A chain of token verifiers for gateways with several kinds of tokens.

use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::auth::AuthError;

use super::{TokenVerifier, VerifiedToken};

/// Tries several verifiers in order, until one of them recognizes the token.
///
/// A verifier that rejects a token as an invalid one of its own ends the search: no token is tried
/// with the keys of another issuer. Add an [`Introspection`](super::Introspection) last, because it
/// sends tokens to another server.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_auth::StaticTokens;
/// use mcp_gateway_auth::token::{ChainVerifier, TokenVerifier};
/// use mcp_gateway_core::auth::{AuthError, Principal};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), AuthError> {
/// let login_provider = StaticTokens::new().with_token("wU3mtk8x", Principal::new("alice"));
/// let jobs = StaticTokens::new().with_token("qT4ncu2z", Principal::new("nightly"));
/// let chain = ChainVerifier::new().with(Arc::new(login_provider)).with(Arc::new(jobs));
///
/// let verified = chain.verify_token("qT4ncu2z").await?;
/// assert!(verified.is_some_and(|token| token.principal().subject() == "nightly"));
/// assert!(chain.verify_token("another").await?.is_none());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct ChainVerifier {
    verifiers: Vec<Arc<dyn TokenVerifier>>,
}

impl ChainVerifier {
    /// Creates an empty chain, which recognizes no token.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `verifier`.
    #[must_use]
    pub fn with(mut self, verifier: Arc<dyn TokenVerifier>) -> Self {
        self.verifiers.push(verifier);
        self
    }
}

#[async_trait]
impl TokenVerifier for ChainVerifier {
    async fn verify_token(&self, token: &str) -> Result<Option<VerifiedToken>, AuthError> {
        for verifier in &self.verifiers {
            if let Some(verified) = verifier.verify_token(token).await? {
                return Ok(Some(verified));
            }
        }
        Ok(None)
    }
}
