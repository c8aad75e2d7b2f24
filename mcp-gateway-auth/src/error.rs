use mcp_gateway_core::BoxError;
use mcp_gateway_store::{DocumentError, StoreError};

/// Why the authorization server cannot do its work; never the fault of who asks for it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthorityError {
    /// Somebody else has changed the same thing again and again in the meantime.
    #[error("too many changes at the same time")]
    Busy,
    /// What is in the store is not what was put there.
    #[error("a document in the store cannot be read")]
    Document(#[source] BoxError),
    /// A key cannot be used.
    #[error("a key cannot be used")]
    Key,
    /// Somebody else who is needed did not answer, or not in a way that is understood.
    #[error("an identity provider cannot be used")]
    Provider(#[source] BoxError),
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    Random,
    /// The store cannot be asked.
    #[error("the store cannot be asked")]
    Store(#[from] StoreError),
}

impl AuthorityError {
    pub(crate) fn document(error: impl Into<BoxError>) -> Self {
        Self::Document(error.into())
    }
}

impl From<DocumentError> for AuthorityError {
    fn from(error: DocumentError) -> Self {
        match error {
            DocumentError::Store(error) => Self::Store(error),
            error => Self::document(error),
        }
    }
}
