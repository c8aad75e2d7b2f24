//! Implementation of the trait of the core.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use futures_util::stream::BoxStream;
use mcp_gateway_core::approval::{
    Approval, ApprovalError, ApprovalKey, ApprovalRequest, ApprovalState, Approvals,
};

use super::{StoreApprovals, StoreApprovalsError};
use crate::lifecycle::{DecideError, Decision, RedeemError, Status};
use crate::record::{ApprovalRecord, DecidedBy, NotApprover};
use crate::trail::Action;

#[async_trait]
impl Approvals for StoreApprovals {
    async fn open(&self, request: &ApprovalRequest) -> Result<Approval, ApprovalError> {
        let record = self.open_call(request).await?;
        Ok(self.approval(&record))
    }

    async fn find(&self, id: &str) -> Result<Approval, ApprovalError> {
        let found = self.get(id).await?.ok_or(ApprovalError::Unknown)?;
        Ok(self.approval(&found.value))
    }

    async fn confirm(
        &self,
        id: &str,
        key: &ApprovalKey,
        accept: bool,
    ) -> Result<(), ApprovalError> {
        let change = |record: &mut ApprovalRecord, now: u64| {
            check_call(record, key)?;
            if record.approvers != DecidedBy::Caller {
                return Err(NotApprover::Other.into());
            }
            let caller = record.call.subject.as_str();
            let decision = match accept {
                true => Decision::approve(caller, now),
                false => Decision::deny(caller, now),
            };
            let decision = decision.with_client(record.call.client.clone());
            Ok(record.state.decide(&decision)?)
        };
        self.change(id, change, Action::Confirm).await?;
        Ok(())
    }

    async fn redeem(&self, id: &str, key: &ApprovalKey, step: u32) -> Result<(), ApprovalError> {
        let change = |record: &mut ApprovalRecord, now: u64| {
            check_call(record, key)?;
            Ok(record.state.redeem(step, now)?)
        };
        self.change(id, change, Action::Redeem).await?;
        Ok(())
    }

    async fn restore(&self, id: &str, key: &ApprovalKey, step: u32) -> Result<(), ApprovalError> {
        let change = |record: &mut ApprovalRecord, _: u64| {
            check_call(record, key)?;
            Ok(record.state.restore(step)?)
        };
        self.change(id, change, Action::Restore).await?;
        Ok(())
    }

    fn changes(&self, id: &str) -> BoxStream<'static, ()> {
        self.signals.of(id)
    }
}

impl StoreApprovals {
    /// Returns what the core sees of `record`.
    fn approval(&self, record: &ApprovalRecord) -> Approval {
        let state = match record.status_at(self.now()) {
            Status::Approved => ApprovalState::Approved,
            Status::Denied => {
                let decision = record.state.decision();
                let reason = decision.and_then(|decision| decision.reason.as_deref());
                ApprovalState::Denied {
                    reason: reason.map(Into::into),
                }
            }
            Status::Expired => ApprovalState::Expired,
            Status::Pending => ApprovalState::Pending,
            Status::Redeemed => ApprovalState::Redeemed,
        };
        let key = ApprovalKey::from_text(record.call.key.as_str());
        Approval::new(record.id.as_str(), key, state, time(record.state.expires()))
    }
}

/// Checks that `record` is for the call with `key`.
fn check_call(record: &ApprovalRecord, key: &ApprovalKey) -> Result<(), StoreApprovalsError> {
    match record.call.key == key.as_str() {
        true => Ok(()),
        false => Err(StoreApprovalsError::OtherCall),
    }
}

/// Returns the time `seconds` after the Unix epoch. One that the system cannot represent is now.
fn time(seconds: u64) -> SystemTime {
    let time = UNIX_EPOCH.checked_add(Duration::from_secs(seconds));
    time.unwrap_or_else(SystemTime::now)
}

impl From<StoreApprovalsError> for ApprovalError {
    fn from(error: StoreApprovalsError) -> Self {
        match error {
            StoreApprovalsError::Decide(DecideError::Decided) => Self::Decided,
            StoreApprovalsError::Decide(DecideError::Expired)
            | StoreApprovalsError::Redeem(RedeemError::Expired) => Self::Expired,
            StoreApprovalsError::NotApprover(_) => Self::NotApprover,
            StoreApprovalsError::OtherCall => Self::OtherCall,
            StoreApprovalsError::Redeem(RedeemError::NotApproved) => Self::NotApproved,
            StoreApprovalsError::Redeem(RedeemError::Redeemed) => Self::Redeemed,
            StoreApprovalsError::TooMany => Self::TooMany,
            StoreApprovalsError::Unknown => Self::Unknown,
            error @ (StoreApprovalsError::Busy
            | StoreApprovalsError::Random(_)
            | StoreApprovalsError::Store(_)) => Self::Unavailable(error.into()),
        }
    }
}
