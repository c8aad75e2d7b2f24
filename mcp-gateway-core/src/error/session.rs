use crate::seal::SealError;

/// Why a session is not available.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// There are as many sessions as the gateway takes.
    #[error("there are too many sessions")]
    TooMany,
    /// There is no such session, or it is somebody else's, or it has ended.
    #[error("there is no such session")]
    Unknown,
    /// The identifier could not be made.
    #[error("the session cannot be begun")]
    Seal(#[from] SealError),
}
