//! Changes of approvals, for metrics.

use std::fmt;
use std::time::Duration;

use crate::{Lifecycle, Status};

/// Change of an approval that this process has stored.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum ApprovalEvent {
    /// A call has been approved.
    Approved {
        /// Time from the request to the decision.
        waited: Duration,
    },
    /// A call has been denied.
    Denied {
        /// Time from the request to the decision.
        waited: Duration,
    },
    /// Nobody has decided, or no call has been made in time.
    Expired,
    /// An approved call is made; the first one, if an approval holds for a time.
    Redeemed,
    /// A call waits for a decision.
    Requested,
}

impl ApprovalEvent {
    /// Returns the last change of an approval, made at `now`; `None` for a further step of a call.
    pub(crate) fn of(state: &Lifecycle, now: u64) -> Option<Self> {
        let waited = Duration::from_secs(now.saturating_sub(state.created()));
        match state.stored() {
            Status::Approved if state.redeemed().is_none() => Some(Self::Approved { waited }),
            Status::Approved | Status::Redeemed => (state.steps() <= 1).then_some(Self::Redeemed),
            Status::Denied => Some(Self::Denied { waited }),
            Status::Expired => Some(Self::Expired),
            Status::Pending => Some(Self::Requested),
        }
    }
}

/// Observer of the approvals that this process changes.
pub trait ApprovalObserver: fmt::Debug + Send + Sync + 'static {
    /// Reports a stored change. It must not block.
    fn on_event(&self, event: ApprovalEvent);

    /// Reports the number of calls that wait for a decision, at all replicas. It must not block.
    fn on_pending(&self, count: usize);
}
