//! Errors of stores.

/// The store is unavailable, or rejects the request.
#[derive(Debug, thiserror::Error)]
#[error("store unavailable")]
#[non_exhaustive]
pub struct StoreError(#[source] pub BoxError);

impl StoreError {
    /// Wraps the cause of the failure.
    pub fn new(source: impl Into<BoxError>) -> Self {
        Self(source.into())
    }
}

/// Any error that can be passed between threads.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
