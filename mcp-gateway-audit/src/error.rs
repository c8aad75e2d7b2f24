//! Errors of the audit log.

use std::io;
use std::path::PathBuf;

use mcp_gateway_store::StoreError;

/// Failure of the audit log.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The journal cannot be opened, read or written.
    #[error("audit journal {} is not accessible", path.display())]
    Journal {
        /// The file or folder.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The system has no random numbers.
    #[error("the system has no random numbers")]
    Random,
    /// A document of the log is not what the log has written.
    #[error("audit segment {key} is malformed")]
    Malformed {
        /// Key of the document.
        key: String,
    },
    /// Another process has written to a chain of this one.
    #[error("audit chain {chain} was changed by another process")]
    Conflict {
        /// Identifier of the chain.
        chain: String,
    },
    /// The head of a chain was not sealed by this gateway. Nothing is added to the chain, so that a
    /// verification reports it.
    #[error("the head of audit chain {chain} was not sealed by this gateway")]
    Unsealed {
        /// Identifier of the chain.
        chain: String,
    },
    /// The store is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl AuditError {
    /// Returns the error of an operation on the file or folder `path`.
    pub(crate) fn journal(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Journal { path, source }
    }

    /// Logs the reason for which the journal of an ended process was not moved to the store.
    pub(crate) fn log_orphan(&self) {
        let error = mcp_gateway_core::error_chain(self);
        tracing::warn!(
            error,
            "audit journal of an ended process stays in its folder"
        );
    }
}
