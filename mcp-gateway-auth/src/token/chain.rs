use std::sync::Arc;

use async_trait::async_trait;
use mcp_gateway_core::auth::AuthError;

use super::{TokenVerifier, VerifiedToken};

/// Asks several verifiers, in order, until one of them knows the token.
///
/// One that refuses a token as a bad one of its own ends the search: a token is never tried with
/// the keys of somebody else. Put an [`Introspection`](super::Introspection) last, because it sends
/// tokens away to be asked about.
#[derive(Clone, Debug, Default)]
pub struct ChainVerifier {
    verifiers: Vec<Arc<dyn TokenVerifier>>,
}

impl ChainVerifier {
    /// Knows no token.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks `verifier` about tokens that those before it do not know.
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
