//! Authentication errors.

use std::sync::Arc;

use super::BoxError;

/// Authentication error.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthError {
    /// The token does not grant a required scope. The client receives HTTP 403 and a challenge.
    #[error("insufficient scope: {scope:?} is required")]
    InsufficientScope {
        /// The missing scope.
        scope: Arc<str>,
    },
    /// The token is malformed, unknown, expired, or issued for another audience. The client
    /// receives HTTP 401.
    #[error("invalid token")]
    InvalidToken,
    /// The request carries no token. The client receives HTTP 401.
    #[error("missing token")]
    MissingToken,
    /// The token cannot be verified at present, for example because keys cannot be fetched. Not the
    /// fault of the caller.
    #[error("token verification unavailable")]
    Unavailable(#[source] BoxError),
}
