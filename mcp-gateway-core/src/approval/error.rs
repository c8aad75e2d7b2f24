//! Failures of approvals.

use std::error::Error;

/// Failure to obtain or use an approval. The call does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApprovalError {
    /// Two readers could read different calls: an object has a member twice, or a string is not
    /// Unicode.
    #[error("arguments have more than one meaning")]
    Ambiguous,
    /// The call has been decided about in another way.
    #[error("decided already")]
    Decided,
    /// The time for the decision, or for the use of the approval, is over.
    #[error("approval expired")]
    Expired,
    /// Somebody else decides about the call.
    #[error("not the approver")]
    NotApprover,
    /// The call is not approved: it is pending, or rejected.
    #[error("not approved")]
    NotApproved,
    /// The approval is that of another call.
    #[error("approval of another call")]
    OtherCall,
    /// The approval has been used.
    #[error("approval used already")]
    Redeemed,
    /// The caller has too many pending requests.
    #[error("too many pending approvals")]
    TooMany,
    /// There is no such approval.
    #[error("unknown approval")]
    Unknown,
    /// The approvals are out of reach.
    #[error("approvals unavailable")]
    Unavailable(#[source] Box<dyn Error + Send + Sync>),
}
