use std::sync::Arc;

use super::BoxError;

/// Why a caller is not believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The token does not grant what the call needs.
    #[error("the token lacks scope {scope:?}")]
    InsufficientScope {
        /// The scope that was missing.
        scope: Arc<str>,
    },
    /// The token is malformed, unknown, expired, or not meant for this gateway.
    #[error("the token is not valid")]
    InvalidToken,
    /// The request carries no token.
    #[error("the request carries no token")]
    MissingToken,
    /// What is needed to verify the token could not be had; not the caller's fault.
    #[error("tokens cannot be verified at present")]
    Unavailable(#[source] BoxError),
}
