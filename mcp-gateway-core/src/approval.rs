//! Approval of calls: a person decides about a call before it runs.
//!
//! A [`Policy`] may decide that a call requires approval. Its [terms](ApprovalTerms) determine if the
//! caller confirms it, or somebody else decides. [`Approvals`] keep the records, and
//! [`ApproveLayer`] asks, waits, and sends the approved call.
//!
//! An approval is for one call: its [key](ApprovalKey) binds it to the principal, the OAuth client,
//! the gateway, the server, the tool, the arguments and the version of the rules. It is redeemed
//! before the call is sent, once, or any number of times until its end where the rule says so.
//!
//! | state | next |
//! |---|---|
//! | pending | approved or denied by a decision; expired after [`timeout`](ApprovalTerms::timeout) |
//! | approved | redeemed; expired after [`valid_for`](ApprovalTerms::valid_for), otherwise after the timeout, since the decision |
//! | redeemed | approved, if the call was rejected before anything was sent |
//! | denied, expired | none |
//!
//! # Steps
//!
//! A server may answer an approved call with a question (multi round-trip), upon which the client
//! sends it again. Such a retry continues the approved call. It is the next *step* of the same
//! approval: the call itself is step 0, and each step is redeemed exactly once and in order.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use mcp_gateway_core::approval::{
//!     ApprovalError, ApprovalRequest, ApprovalState, ApprovalSubject, ApprovalTerms, Approvals,
//!     MemoryApprovals,
//! };
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), ApprovalError> {
//! let approvals = MemoryApprovals::new();
//! let subject = ApprovalSubject::new("alice", "main").with_tool("files", "delete");
//! let terms = Arc::new(ApprovalTerms::default());
//! let request = ApprovalRequest::new(subject, r#"{"path":"a"}"#, "deletion", terms)?;
//!
//! let approval = approvals.open(&request).await?;
//! assert_eq!(approval.state, ApprovalState::Pending);
//! approvals.confirm(&approval.id, request.key(), true).await?;
//! approvals.redeem(&approval.id, request.key(), 0).await?;
//! let again = approvals.redeem(&approval.id, request.key(), 0).await;
//! assert!(matches!(again, Err(ApprovalError::Redeemed)));
//! # Ok(())
//! # }
//! ```
//!
//! [`ApproveLayer`]: crate::layer::approve::ApproveLayer
//! [`Policy`]: crate::policy::Policy

mod arguments;
mod error;
mod memory;
mod request;
mod terms;
mod unapproved;
mod verdict;

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use futures_core::stream::BoxStream;

pub use self::error::ApprovalError;
pub use self::memory::MemoryApprovals;
pub use self::request::{ApprovalKey, ApprovalRequest, ApprovalSubject};
pub use self::terms::{ApprovalTerms, Approvers};
pub use self::unapproved::Unapproved;
pub(crate) use self::verdict::{ApprovalPass, Verdict};

/// Records of approvals.
///
/// Called only for calls that require approval. Replicas must share the records. Each method either
/// does all or nothing, also if its future is dropped. A call runs only after [`redeem`] has
/// succeeded, so an error always keeps it from running.
///
/// Decisions of people other than the caller are made by other means, such as an API.
///
/// [`redeem`]: Self::redeem
#[async_trait]
pub trait Approvals: fmt::Debug + Send + Sync + 'static {
    /// Returns the pending or approved record with the key of `request`, or creates a pending one.
    ///
    /// Of two concurrent requests with the same key, one creates the record, and the other one
    /// finds it. An expired record is not returned.
    ///
    /// # Errors
    ///
    /// [`ApprovalError::TooMany`] if the principal has too many pending records, and
    /// [`ApprovalError::Unavailable`].
    async fn open(&self, request: &ApprovalRequest) -> Result<Approval, ApprovalError>;

    /// Returns the record `id`, in whatever state it is.
    ///
    /// # Errors
    ///
    /// [`ApprovalError::Unknown`] and [`ApprovalError::Unavailable`].
    async fn find(&self, id: &str) -> Result<Approval, ApprovalError>;

    /// Records the decision of the caller about the own call.
    ///
    /// The code that calls it vouches for the caller. The same decision twice is accepted.
    ///
    /// # Errors
    ///
    /// [`ApprovalError::NotApprover`] unless the terms have the caller decide,
    /// [`ApprovalError::OtherCall`] if the record has another key, [`ApprovalError::Decided`] after
    /// another decision, [`ApprovalError::Expired`], [`ApprovalError::Unknown`] and
    /// [`ApprovalError::Unavailable`].
    async fn confirm(&self, id: &str, key: &ApprovalKey, accept: bool)
    -> Result<(), ApprovalError>;

    /// Redeems the step `step` of the approval `id` for the call with the key `key`.
    ///
    /// Of any number of concurrent attempts at any replica, exactly one succeeds. An approval that
    /// [holds for a time](ApprovalTerms::valid_for) is redeemed any number of times until its end,
    /// whatever the step. The steps after the first one of an approval for one call are accepted
    /// until its expiry, and in order.
    ///
    /// # Errors
    ///
    /// [`ApprovalError::NotApproved`] before the approval, [`ApprovalError::Redeemed`] if the step
    /// has been redeemed or is not the next one, [`ApprovalError::OtherCall`] if the record has
    /// another key, [`ApprovalError::Expired`], [`ApprovalError::Unknown`] and
    /// [`ApprovalError::Unavailable`].
    async fn redeem(&self, id: &str, key: &ApprovalKey, step: u32) -> Result<(), ApprovalError>;

    /// Takes the redemption of the step `step` back, because the call was rejected before anything was
    /// sent, such as by a limit. The step can be redeemed again, until the expiry of the approval.
    ///
    /// # Errors
    ///
    /// [`ApprovalError::Redeemed`] if the step is not the last one that has been redeemed,
    /// [`ApprovalError::OtherCall`] if the record has another key, [`ApprovalError::Unknown`] and
    /// [`ApprovalError::Unavailable`].
    async fn restore(&self, id: &str, key: &ApprovalKey, step: u32) -> Result<(), ApprovalError>;

    /// Returns a stream with an item after each change, from now on, of the record `id` at any
    /// replica.
    ///
    /// An item may be spurious. It must not get lost, and several may be merged.
    fn changes(&self, id: &str) -> BoxStream<'static, ()>;
}

/// Record of an approval.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Approval {
    /// Identifier, valid in URLs. It is no secret: it permits nothing by itself.
    pub id: Arc<str>,
    /// Identifier of the call.
    pub key: ApprovalKey,
    /// State.
    pub state: ApprovalState,
    /// End of the state: of the time for a decision, or of the approval.
    pub expires: SystemTime,
}

/// State of an approval.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ApprovalState {
    /// The call may be sent.
    Approved,
    /// The call is rejected.
    Denied {
        /// Reason that the approver has given, for the caller.
        reason: Option<Arc<str>>,
    },
    /// The time is over.
    Expired,
    /// Nobody has decided.
    Pending,
    /// The call has been sent.
    Redeemed,
}

impl Approval {
    /// Creates a record.
    #[must_use]
    pub fn new(
        id: impl Into<Arc<str>>,
        key: ApprovalKey,
        state: ApprovalState,
        expires: SystemTime,
    ) -> Self {
        let id = id.into();
        Self {
            id,
            key,
            state,
            expires,
        }
    }
}

#[async_trait]
impl<A: Approvals + ?Sized> Approvals for Arc<A> {
    async fn open(&self, request: &ApprovalRequest) -> Result<Approval, ApprovalError> {
        (**self).open(request).await
    }

    async fn find(&self, id: &str) -> Result<Approval, ApprovalError> {
        (**self).find(id).await
    }

    async fn confirm(
        &self,
        id: &str,
        key: &ApprovalKey,
        accept: bool,
    ) -> Result<(), ApprovalError> {
        (**self).confirm(id, key, accept).await
    }

    async fn redeem(&self, id: &str, key: &ApprovalKey, step: u32) -> Result<(), ApprovalError> {
        (**self).redeem(id, key, step).await
    }

    async fn restore(&self, id: &str, key: &ApprovalKey, step: u32) -> Result<(), ApprovalError> {
        (**self).restore(id, key, step).await
    }

    fn changes(&self, id: &str) -> BoxStream<'static, ()> {
        (**self).changes(id)
    }
}
