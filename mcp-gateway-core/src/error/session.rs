//! Session errors.

use crate::seal::SealError;

/// Failure to start or resume a session.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// The maximum number of sessions is reached.
    #[error("too many sessions")]
    TooMany,
    /// The session is unknown, has ended, or belongs to another principal.
    #[error("unknown session")]
    Unknown,
    /// The session ID could not be encrypted.
    #[error("failed to start session")]
    Seal(#[from] SealError),
}
