use super::BoxError;

/// Why there is no credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CredentialError {
    /// The caller has not connected an account of the server.
    #[error("the caller has not connected an account")]
    NotConnected,
    /// Where credentials are kept could not be asked.
    #[error("the credential store is not available")]
    Unavailable(#[source] BoxError),
}
