//! Authentication errors.

use std::sync::Arc;

use super::BoxError;

/// Authentication error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The token does not grant all required scopes. The client receives HTTP 403 and a challenge.
    #[error("insufficient scope: {:?} is required", scopes.join(" "))]
    InsufficientScope {
        /// All scopes that the request requires: a client requests exactly these, and must not lose
        /// the ones that it has.
        scopes: Vec<Arc<str>>,
    },
    /// The proof of possession of a bound token is missing, invalid or replayed. The client receives
    /// HTTP 401.
    #[error("invalid proof of possession")]
    InvalidProof,
    /// The token is malformed, unknown, expired, or issued for another audience. The client
    /// receives HTTP 401.
    #[error("invalid token")]
    InvalidToken,
    /// The request carries no token. The client receives HTTP 401.
    #[error("missing token")]
    MissingToken,
    /// The proof of possession has no valid nonce. The client receives HTTP 401, with a nonce for the
    /// next proof.
    #[error("proof of possession without a valid nonce")]
    NonceRequired {
        /// Nonce for the next proof.
        nonce: Arc<str>,
    },
    /// The token cannot be verified at present, for example because keys cannot be fetched. Not the
    /// fault of the caller.
    #[error("token verification unavailable")]
    Unavailable(#[source] BoxError),
}
