//! Failures of the authorization server itself, as opposed to OAuth errors of a client.

use mcp_gateway_core::BoxError;
use mcp_gateway_store::{DocumentError, StoreError};

/// A failure of the authorization server or the login. It is never the fault of the caller.
///
/// HTTP endpoints respond with 503 or `temporarily_unavailable` and log the cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthServerError {
    /// Other replicas changed the same documents again and again, or too many passwords are being
    /// hashed.
    #[error("too many concurrent changes")]
    Busy,
    /// A document in the store cannot be parsed.
    #[error("invalid document in the store")]
    Document(#[source] BoxError),
    /// A key is invalid.
    #[error("invalid key")]
    Key,
    /// An identity provider did not respond, or its response is invalid.
    #[error("identity provider unavailable")]
    Provider(#[source] BoxError),
    /// The system provides no random numbers.
    #[error("no random numbers available")]
    Random,
    /// The store is unavailable.
    #[error("store unavailable")]
    Store(#[from] StoreError),
}

impl AuthServerError {
    /// Wraps the cause of an invalid document.
    pub(crate) fn document(error: impl Into<BoxError>) -> Self {
        Self::Document(error.into())
    }

    /// Logs `message` as a warning, with the error and its causes.
    #[cfg(feature = "server")]
    pub(crate) fn log(&self, message: &'static str) {
        let error = self as &dyn std::error::Error;
        tracing::warn!(error, "{message}");
    }
}

impl From<DocumentError> for AuthServerError {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Store(error) => Self::Store(error),
            error => Self::document(error),
        }
    }
}
