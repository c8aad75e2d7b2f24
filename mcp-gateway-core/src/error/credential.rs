//! Errors of credential resolution.

use super::BoxError;

/// Failure to resolve a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The caller has not connected an account of the server.
    #[error("no connected account")]
    NotConnected,
    /// The credential store is unavailable.
    #[error("credential store unavailable")]
    Unavailable(#[source] BoxError),
}
