//! State machine of an approval, without I/O.
//!
//! | from | change | to |
//! |---|---|---|
//! | pending | a decision in time | approved or denied |
//! | pending | the end of the wait | expired |
//! | approved | a call, in time | redeemed; still approved if it holds for a time |
//! | approved | its end | expired |
//! | redeemed | the next step of the call, in time | redeemed |
//! | redeemed | the call was rejected before anything was sent | approved |
//!
//! Every other change is rejected, or has no effect because it has happened before. The end is
//! compared with the time of each change, so that it does not depend on a timely sweep.

use std::time::Duration;

use mcp_gateway_core::approval::ApprovalTerms;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Status of an approval.
#[derive(Clone, Copy, Debug, Deserialize, Eq, Hash, PartialEq, Serialize, ToSchema)]
#[schema(as = ApprovalStatus)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum Status {
    /// A call may be made.
    Approved,
    /// The call is rejected.
    Denied,
    /// Nobody has decided, or no call has been made in time.
    Expired,
    /// Nobody has decided yet.
    Pending,
    /// The call has been made.
    Redeemed,
}

/// Decision about a call.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[schema(as = CallDecision)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Decision {
    /// `true` if the call may be made.
    pub approved: bool,
    /// Subject of whoever decided.
    pub by: String,
    /// OAuth client with which they decided; `null` without one.
    pub client: Option<String>,
    /// Reason, for the caller; `null` without one.
    pub reason: Option<String>,
    /// Time of the decision, in seconds since the Unix epoch.
    pub at: u64,
}

/// Durations of an approval, in seconds.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[expect(clippy::exhaustive_structs, reason = "callers create it")]
pub struct Terms {
    /// Time for which a call waits for a decision, and an approval for its call.
    pub wait: u64,
    /// Time for which an approval holds, for any number of calls; for one call if `None`.
    pub valid_for: Option<u64>,
}

/// State of an approval with its history.
///
/// # Example
///
/// ```
/// use mcp_gateway_approval::{Change, Decision, Lifecycle, RedeemError, Status, Terms};
///
/// let terms = Terms { wait: 600, valid_for: None };
/// let mut approval = Lifecycle::new(terms, 1_000);
/// assert_eq!(approval.redeem(0, 1_001), Err(RedeemError::NotApproved));
/// assert_eq!(approval.decide(&Decision::approve("alice", 1_100)), Ok(Change::Made));
/// assert_eq!(approval.redeem(0, 1_200), Ok(Change::Made));
/// assert_eq!(approval.redeem(0, 1_200), Err(RedeemError::Redeemed));
/// assert_eq!(approval.status_at(9_999), Status::Redeemed);
/// ```
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub struct Lifecycle {
    status: Status,
    terms: Terms,
    created: u64,
    /// End of the wait, or of the approval.
    expires: u64,
    decision: Option<Decision>,
    redeemed: Option<u64>,
    /// Next step to redeem.
    step: u32,
}

/// Effect of a permitted change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a state is changed or not")]
#[must_use = "a change must be stored"]
pub enum Change {
    /// The state has changed.
    Made,
    /// The state is the same, because the same change has been made before.
    None,
}

/// The reason for which a decision is rejected.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum DecideError {
    /// Another decision has been made.
    #[error("the call has been decided otherwise")]
    Decided,
    /// The call does not wait any more.
    #[error("the call does not wait for a decision any more")]
    Expired,
}

/// The reason for which a call may not be made.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RedeemError {
    /// The approval has ended.
    #[error("the approval has expired")]
    Expired,
    /// Nobody has decided yet, or the call has been denied.
    #[error("the call has not been approved")]
    NotApproved,
    /// The step has been made, or is not the next one.
    #[error("the approval has been redeemed")]
    Redeemed,
}

impl Terms {
    /// Returns the durations of `terms`, with a resolution of one second.
    pub(crate) fn of(terms: &ApprovalTerms) -> Self {
        Self {
            wait: whole_seconds(terms.timeout()),
            valid_for: terms.valid_for().map(whole_seconds),
        }
    }
}

/// Rounds up.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs()
        .saturating_add(u64::from(time.subsec_nanos() > 0))
}

impl Decision {
    /// Approves, on behalf of the subject `by`, `at` seconds after the Unix epoch.
    #[must_use]
    pub fn approve(by: impl Into<String>, at: u64) -> Self {
        Self {
            approved: true,
            by: by.into(),
            client: None,
            reason: None,
            at,
        }
    }

    /// Denies, on behalf of the subject `by`, `at` seconds after the Unix epoch.
    #[must_use]
    pub fn deny(by: impl Into<String>, at: u64) -> Self {
        Self {
            approved: false,
            ..Self::approve(by, at)
        }
    }

    /// Sets the OAuth client with which the decision was made.
    #[must_use]
    pub fn with_client(mut self, client: Option<String>) -> Self {
        self.client = client;
        self
    }

    /// Sets the reason, for the caller.
    #[must_use]
    pub fn with_reason(mut self, reason: Option<String>) -> Self {
        self.reason = reason;
        self
    }
}

impl Lifecycle {
    /// Begins to wait at `now`, in seconds since the Unix epoch.
    #[must_use]
    pub fn new(terms: Terms, now: u64) -> Self {
        Self {
            status: Status::Pending,
            terms,
            created: now,
            expires: now.saturating_add(terms.wait),
            decision: None,
            redeemed: None,
            step: 0,
        }
    }

    /// Returns the status that is stored: it does not depend on the time.
    pub(crate) fn stored(&self) -> Status {
        self.status
    }

    /// Returns the status at `now`.
    #[must_use]
    pub fn status_at(&self, now: u64) -> Status {
        match self.status {
            Status::Approved | Status::Pending if now >= self.expires => Status::Expired,
            status => status,
        }
    }

    /// Returns the end of the wait or of the approval, in seconds since the Unix epoch.
    #[must_use]
    pub fn expires(&self) -> u64 {
        self.expires
    }

    /// Returns the start of the wait, in seconds since the Unix epoch.
    #[must_use]
    pub fn created(&self) -> u64 {
        self.created
    }

    /// Returns the decision, if there is one.
    #[must_use]
    pub fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    /// Returns the time of the first call, in seconds since the Unix epoch.
    #[must_use]
    pub fn redeemed(&self) -> Option<u64> {
        self.redeemed
    }

    /// Returns the number of steps that have been made.
    #[must_use]
    pub fn steps(&self) -> u32 {
        self.step
    }

    /// Returns the terms.
    #[must_use]
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// Decides at the time of `decision`.
    ///
    /// The same answer has no effect; the first decision remains.
    ///
    /// # Errors
    ///
    /// [`DecideError`] after another decision, and after the end of the wait.
    pub fn decide(&mut self, decision: &Decision) -> Result<Change, DecideError> {
        match &self.decision {
            Some(made) if made.approved == decision.approved => return Ok(Change::None),
            Some(_) => return Err(DecideError::Decided),
            None => {}
        }
        if self.status_at(decision.at) != Status::Pending {
            return Err(DecideError::Expired);
        }
        self.status = match decision.approved {
            true => {
                let holds = self.terms.valid_for.unwrap_or(self.terms.wait);
                self.expires = decision.at.saturating_add(holds);
                Status::Approved
            }
            false => Status::Denied,
        };
        self.decision = Some(decision.clone());
        Ok(Change::Made)
    }

    /// Makes the call at `now`, which is step 0, or its next step.
    ///
    /// # Errors
    ///
    /// [`RedeemError`] unless the call is approved at that time, and `step` is the next one. That is
    /// every one of an approval that holds for a time.
    pub fn redeem(&mut self, step: u32, now: u64) -> Result<Change, RedeemError> {
        match self.status_at(now) {
            Status::Approved => {}
            Status::Denied | Status::Pending => return Err(RedeemError::NotApproved),
            // The time of an approval is over for its further steps, too.
            Status::Redeemed if now < self.expires => {}
            Status::Expired | Status::Redeemed => return Err(RedeemError::Expired),
        }
        if self.terms.valid_for.is_some() {
            return Ok(self.redeem_first(now));
        }
        if step != self.step {
            return Err(RedeemError::Redeemed);
        }
        self.step = step.saturating_add(1);
        self.status = Status::Redeemed;
        self.redeemed.get_or_insert(now);
        Ok(Change::Made)
    }

    /// Takes the redemption of `step` back, whose call was not sent.
    ///
    /// An approval that holds for a time stays as it is.
    ///
    /// # Errors
    ///
    /// [`RedeemError::Redeemed`] unless `step` is the last one that has been redeemed.
    pub fn restore(&mut self, step: u32) -> Result<Change, RedeemError> {
        if self.terms.valid_for.is_some() {
            return Ok(Change::None);
        }
        if self.status != Status::Redeemed || self.step != step.saturating_add(1) {
            return Err(RedeemError::Redeemed);
        }
        self.step = step;
        if step == 0 {
            self.status = Status::Approved;
            self.redeemed = None;
        }
        Ok(Change::Made)
    }

    /// Remembers the first call of an approval that holds for a time.
    fn redeem_first(&mut self, now: u64) -> Change {
        match self.redeemed {
            Some(_) => Change::None,
            None => {
                self.redeemed = Some(now);
                Change::Made
            }
        }
    }

    /// Ends what has no effect any more at `now`.
    pub fn expire(&mut self, now: u64) -> Change {
        let status = self.status_at(now);
        if self.status == status {
            return Change::None;
        }
        self.status = status;
        Change::Made
    }
}

#[cfg(test)]
mod tests;
