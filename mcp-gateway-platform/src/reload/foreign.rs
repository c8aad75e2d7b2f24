//! Callers whose tokens other issuers have issued.

use async_trait::async_trait;
use mcp_gateway_auth::token::{TokenVerifier, VerifiedToken};
use mcp_gateway_core::auth::AuthError;

/// Mark of a caller whose token another issuer has issued.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Foreign;

/// Verifier of the tokens of other issuers, which marks their callers.
#[derive(Debug)]
pub(crate) struct ForeignVerifier<V>(pub(crate) V);

#[async_trait]
impl<V: TokenVerifier> TokenVerifier for ForeignVerifier<V> {
    async fn verify_token(&self, token: &str) -> Result<Option<VerifiedToken>, AuthError> {
        let verified = self.0.verify_token(token).await?;
        Ok(verified.map(|verified| verified.with_extension(Foreign)))
    }
}
