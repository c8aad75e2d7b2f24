//! Reasons for which calls that require approval do not run.

use std::sync::Arc;

use super::{ApprovalError, Approvers};

/// Reason for which a call that requires approval does not run.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Unapproved {
    /// Two readers could read different arguments, so that nobody can approve them.
    #[error("arguments have more than one meaning")]
    Ambiguous,
    /// The caller has declined the call.
    #[error("declined by the caller")]
    Declined,
    /// An approver has denied the call.
    #[error("denied by an approver")]
    Denied {
        /// Reason that the approver has given.
        reason: Option<Arc<str>>,
    },
    /// The time for the decision is over.
    #[error("nobody has decided in time")]
    Expired,
    /// The call cannot be approved: the gateway keeps no approvals, or the target is no tool.
    #[error("nobody can approve the call")]
    Impossible,
    /// Nobody has decided yet.
    #[error("nobody has decided")]
    Pending {
        /// Identifier of the approval.
        id: Arc<str>,
        /// Principals that decide.
        approvers: Approvers,
    },
    /// The caller has too many pending approvals.
    #[error("too many pending approvals")]
    TooMany,
    /// The approvals are out of reach.
    #[error("approvals unavailable")]
    Unavailable,
    /// The approval has been used, or is that of another call.
    #[error("approval void")]
    Void,
}

impl From<ApprovalError> for Unapproved {
    /// Logs a failure of the approvals, which the caller does not receive.
    fn from(error: ApprovalError) -> Self {
        match error {
            ApprovalError::Ambiguous => Self::Ambiguous,
            ApprovalError::Expired => Self::Expired,
            ApprovalError::TooMany => Self::TooMany,
            ApprovalError::Unavailable(source) => {
                tracing::error!(error = &*source, "approvals unavailable");
                Self::Unavailable
            }
            ApprovalError::Decided
            | ApprovalError::NotApproved
            | ApprovalError::NotApprover
            | ApprovalError::OtherCall
            | ApprovalError::Redeemed
            | ApprovalError::Unknown => Self::Void,
        }
    }
}
