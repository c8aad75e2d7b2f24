//! Approvals in memory, for one replica.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use futures_core::stream::BoxStream;
use futures_util::{StreamExt, stream};
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Approval, ApprovalError, ApprovalKey, ApprovalRequest, ApprovalState, Approvals};
use crate::seal::fill_random;

/// [`Approvals`] in the memory of one process, lost with it.
///
/// At most 20 records of a principal are pending or approved, and at most 10,000 in total.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_core::approval::{
///     ApprovalError, ApprovalRequest, ApprovalState, ApprovalSubject, ApprovalTerms, Approvals,
///     Approvers, MemoryApprovals,
/// };
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), ApprovalError> {
/// let approvals = MemoryApprovals::new();
/// let subject = ApprovalSubject::new("alice", "main").with_tool("files", "delete");
/// let terms = ApprovalTerms::default().with_approvers(Approvers::others(["admin"], []));
/// let request = ApprovalRequest::new(subject, "{}", "deletion", Arc::new(terms))?;
/// let approval = approvals.open(&request).await?;
/// // Somebody else decides.
/// let own = approvals.confirm(&approval.id, request.key(), true).await;
/// assert!(matches!(own, Err(ApprovalError::NotApprover)));
/// approvals.decide(&approval.id, true, None)?;
/// assert_eq!(approvals.open(&request).await?.state, ApprovalState::Approved);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct MemoryApprovals {
    records: Mutex<HashMap<Arc<str>, Record>>,
    changed: watch::Sender<()>,
}

struct Record {
    request: ApprovalRequest,
    state: ApprovalState,
    expires: Instant,
    /// Next step to redeem.
    step: u32,
}

/// Maximum number of live records of a principal.
const MAX_PER_PRINCIPAL: usize = 20;

/// Maximum number of records.
const MAX: usize = 10_000;

/// Time for which an ended record is found.
const KEPT: Duration = Duration::from_secs(3600);

impl MemoryApprovals {
    /// Creates approvals without a record.
    #[must_use]
    pub fn new() -> Self {
        Self {
            records: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Records the decision of somebody other than the caller, with a reason for the caller.
    ///
    /// The code that calls it vouches for the approver. The same decision twice is accepted.
    ///
    /// # Errors
    ///
    /// [`ApprovalError::Unknown`], [`ApprovalError::Expired`] and [`ApprovalError::Decided`].
    pub fn decide(
        &self,
        id: &str,
        accept: bool,
        reason: Option<&str>,
    ) -> Result<(), ApprovalError> {
        self.change(id, |record| record.decide(accept, reason))
    }

    /// Returns the pending requests with the identifiers of their records.
    #[must_use]
    pub fn pending(&self) -> Vec<(Arc<str>, ApprovalRequest)> {
        let mut records = self.records();
        expire(&mut records);
        let pending = records.iter();
        let pending = pending.filter(|(_, record)| record.state == ApprovalState::Pending);
        pending
            .map(|(id, record)| (Arc::clone(id), record.request.clone()))
            .collect()
    }

    fn records(&self) -> MutexGuard<'_, HashMap<Arc<str>, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(
        &self,
        id: &str,
        change: impl FnOnce(&mut Record) -> Result<(), ApprovalError>,
    ) -> Result<(), ApprovalError> {
        let mut records = self.records();
        expire(&mut records);
        change(records.get_mut(id).ok_or(ApprovalError::Unknown)?)?;
        drop(records);
        self.changed.send_replace(());
        Ok(())
    }
}

impl Default for MemoryApprovals {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Approvals for MemoryApprovals {
    async fn open(&self, request: &ApprovalRequest) -> Result<Approval, ApprovalError> {
        let mut records = self.records();
        expire(&mut records);
        let live = || records.iter().filter(|(_, record)| record.is_live());
        if let Some((id, record)) = live().find(|(_, record)| record.request.key() == request.key())
        {
            return Ok(record.to_approval(id));
        }
        let principal = &request.subject.principal;
        let of_one = live().filter(|(_, record)| record.request.subject.principal == *principal);
        if of_one.count() >= MAX_PER_PRINCIPAL || records.len() >= MAX {
            return Err(ApprovalError::TooMany);
        }
        let mut id = [0; 16];
        fill_random(&mut id).map_err(|error| ApprovalError::Unavailable(error.into()))?;
        let id: Arc<str> = format!("{:032x}", u128::from_ne_bytes(id)).into();
        let record = Record {
            request: request.clone(),
            state: ApprovalState::Pending,
            expires: Instant::now() + request.terms.timeout(),
            step: 0,
        };
        let approval = record.to_approval(&id);
        records.insert(id, record);
        Ok(approval)
    }

    async fn find(&self, id: &str) -> Result<Approval, ApprovalError> {
        let mut records = self.records();
        expire(&mut records);
        let (id, record) = records.get_key_value(id).ok_or(ApprovalError::Unknown)?;
        Ok(record.to_approval(id))
    }

    async fn confirm(
        &self,
        id: &str,
        key: &ApprovalKey,
        accept: bool,
    ) -> Result<(), ApprovalError> {
        self.change(id, |record| {
            record.check(key)?;
            match record.request.terms.approvers().is_caller() {
                true => record.decide(accept, None),
                false => Err(ApprovalError::NotApprover),
            }
        })
    }

    async fn redeem(&self, id: &str, key: &ApprovalKey, step: u32) -> Result<(), ApprovalError> {
        self.change(id, |record| {
            record.check(key)?;
            record.redeem(step)
        })
    }

    async fn restore(&self, id: &str, key: &ApprovalKey, step: u32) -> Result<(), ApprovalError> {
        self.change(id, |record| {
            record.check(key)?;
            record.restore(step)
        })
    }

    fn changes(&self, _: &str) -> BoxStream<'static, ()> {
        let changes = self.changed.subscribe();
        stream::unfold(changes, async |mut changes| {
            changes.changed().await.ok()?;
            Some(((), changes))
        })
        .boxed()
    }
}

impl Record {
    fn is_live(&self) -> bool {
        matches!(self.state, ApprovalState::Pending | ApprovalState::Approved)
    }

    fn check(&self, key: &ApprovalKey) -> Result<(), ApprovalError> {
        match self.request.key() == key {
            true => Ok(()),
            false => Err(ApprovalError::OtherCall),
        }
    }

    fn decide(&mut self, accept: bool, reason: Option<&str>) -> Result<(), ApprovalError> {
        match (&self.state, accept) {
            (ApprovalState::Pending, true) => {
                let terms = &self.request.terms;
                let time = terms.valid_for().unwrap_or_else(|| terms.timeout());
                self.state = ApprovalState::Approved;
                self.expires = Instant::now() + time;
                Ok(())
            }
            (ApprovalState::Pending, false) => {
                let reason = reason.map(Into::into);
                self.state = ApprovalState::Denied { reason };
                Ok(())
            }
            (ApprovalState::Approved | ApprovalState::Redeemed, true)
            | (ApprovalState::Denied { .. }, false) => Ok(()),
            (ApprovalState::Expired, _) => Err(ApprovalError::Expired),
            _ => Err(ApprovalError::Decided),
        }
    }

    fn redeem(&mut self, step: u32) -> Result<(), ApprovalError> {
        match self.state {
            ApprovalState::Expired => return Err(ApprovalError::Expired),
            ApprovalState::Denied { .. } | ApprovalState::Pending => {
                return Err(ApprovalError::NotApproved);
            }
            ApprovalState::Approved | ApprovalState::Redeemed => {}
        }
        if self.request.terms.valid_for().is_some() {
            return Ok(());
        }
        // The time of an approval is over for its further steps, too.
        if self.expires <= Instant::now() {
            return Err(ApprovalError::Expired);
        }
        if step != self.step {
            return Err(ApprovalError::Redeemed);
        }
        self.step = step.saturating_add(1);
        self.state = ApprovalState::Redeemed;
        Ok(())
    }

    fn restore(&mut self, step: u32) -> Result<(), ApprovalError> {
        if self.request.terms.valid_for().is_some() {
            return Ok(());
        }
        if self.state != ApprovalState::Redeemed || self.step != step.saturating_add(1) {
            return Err(ApprovalError::Redeemed);
        }
        self.step = step;
        if step == 0 {
            self.state = ApprovalState::Approved;
        }
        Ok(())
    }

    fn to_approval(&self, id: &Arc<str>) -> Approval {
        let left = self.expires.saturating_duration_since(Instant::now());
        Approval::new(
            Arc::clone(id),
            self.request.key().clone(),
            self.state.clone(),
            SystemTime::now() + left,
        )
    }
}

/// Expires the records whose time is over, and forgets those that ended long ago.
fn expire(records: &mut HashMap<Arc<str>, Record>) {
    let now = Instant::now();
    records.retain(|_, record| record.expires + KEPT > now);
    let over = records.values_mut();
    for record in over.filter(|record| record.is_live() && record.expires <= now) {
        record.state = ApprovalState::Expired;
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("request", &self.request)
            .field("state", &self.state)
            .finish_non_exhaustive()
    }
}
