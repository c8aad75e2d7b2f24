//! Approvals in a store.

mod contract;
mod open;
mod watching;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mcp_gateway_audit::{Actor, AuditLog};
use mcp_gateway_auth::{AuthServerError, Clock, Keyring};
use mcp_gateway_core::Sealer;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_store::{
    Batch, BoxError, CommitOutcome, DocumentError, DocumentVersion, Store, Versioned,
};

use crate::callers::Callers;
use crate::events::{ApprovalEvent, ApprovalObserver};
use crate::lifecycle::{Change, DecideError, Decision, Lifecycle, RedeemError};
use crate::record::{ApprovalRecord, NotApprover};
use crate::sealed::SealedDocuments;
use crate::signals::Signals;
use crate::trail::{Action, Trail};
use crate::unfinished::Unfinished;

/// Approvals in a store, shared by all replicas. Cheap to clone.
///
/// | document | content |
/// |---|---|
/// | `approval/record/{id}` | an approval, sealed |
/// | `approval/call/{tag}` | the latest approval of a call |
/// | `approval/caller/{tag}` | the latest approvals of a caller |
///
/// Every change is one conditional write, with its audit record in the same batch. Records are
/// deleted a week after their end.
#[derive(Clone, Debug)]
pub struct StoreApprovals {
    calls: open::Calls,
    callers: Callers,
    clock: Clock,
    limits: Limits,
    observer: Arc<OnceLock<Arc<dyn ApprovalObserver>>>,
    records: SealedDocuments<ApprovalRecord>,
    signals: Signals,
    trail: Trail,
    unfinished: Unfinished,
}

/// Bounds of the number of approvals.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "callers create it")]
pub struct Limits {
    /// Maximum number of calls of one caller that wait for a decision: 20 by default.
    pub pending_per_caller: usize,
    /// Maximum number of calls that wait for a decision: 10,000 by default. Replicas that open
    /// approvals at the same time may exceed it by those.
    pub pending: usize,
    /// Maximum number of records of one caller: 200 by default. The oldest are deleted.
    pub records_per_caller: usize,
}

/// Page of a list of approvals.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ApprovalPage {
    /// Approvals, ordered by time.
    pub items: Vec<ApprovalRecord>,
    /// Identifier to continue after; `None` at the end.
    pub next: Option<String>,
}

/// The reason for which approvals could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreApprovalsError {
    /// The document is changed by others all the time.
    #[error("too many changes at the same time; try again")]
    Busy,
    /// The call cannot be decided any more.
    #[error(transparent)]
    Decide(#[from] DecideError),
    /// The principal may not decide about the call.
    #[error(transparent)]
    NotApprover(#[from] NotApprover),
    /// The approval is that of another call.
    #[error("the approval is for another call")]
    OtherCall,
    /// The system has no random numbers.
    #[error("no random numbers")]
    Random(#[source] BoxError),
    /// The call may not be made.
    #[error(transparent)]
    Redeem(#[from] RedeemError),
    /// The store is unavailable, or a document is invalid.
    #[error("the approvals are unavailable")]
    Store(#[from] DocumentError),
    /// Too many calls wait for a decision.
    #[error("too many calls wait for a decision")]
    TooMany,
    /// The approval does not exist.
    #[error("no such approval")]
    Unknown,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            pending_per_caller: 20,
            pending: 10_000,
            records_per_caller: 200,
        }
    }
}

impl StoreApprovals {
    /// Uses the approvals in `store`, sealed with a key of `keyring`.
    ///
    /// # Errors
    ///
    /// [`AuthServerError::Key`] if the cryptographic library rejects a key.
    pub fn new(
        store: Arc<dyn Store>,
        keyring: &Keyring,
        clock: Clock,
    ) -> Result<Self, AuthServerError> {
        let mut keys = keyring.derive("approvals", |key| *key).into_iter();
        let newest = keys.next().ok_or(AuthServerError::Key)?;
        let sealer = keys.fold(Sealer::new(&newest), |sealer, key| {
            sealer?.with_previous(&key)
        });
        let sealer = Arc::new(sealer.map_err(|_| AuthServerError::Key)?);
        Ok(Self {
            calls: open::Calls::new(Arc::clone(&store), Arc::clone(&sealer)),
            callers: Callers::new(Arc::clone(&store), Arc::clone(&sealer)),
            clock,
            limits: Limits::default(),
            observer: Arc::default(),
            records: SealedDocuments::new(store, PREFIX, sealer),
            signals: Signals::default(),
            trail: Trail::default(),
            unfinished: Unfinished::default(),
        })
    }

    /// Records every change in `log`.
    #[must_use]
    pub fn with_audit(mut self, log: Option<AuditLog>) -> Self {
        self.trail = Trail(log);
        self
    }

    /// Replaces the bounds.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Reports changes to `observer` from now on, unless there is one. All clones share it.
    pub fn report_to(&self, observer: Arc<dyn ApprovalObserver>) {
        // The first one remains.
        let _ = self.observer.set(observer);
    }

    /// Returns the current time, in seconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Returns the approval `id`, with the version of its document.
    ///
    /// # Errors
    ///
    /// [`StoreApprovalsError::Store`] if the store is unavailable.
    pub async fn get(
        &self,
        id: &str,
    ) -> Result<Option<Versioned<ApprovalRecord>>, StoreApprovalsError> {
        Ok(self.records.get(id).await?)
    }

    /// Returns up to `limit` approvals that `select` accepts, after `after`, ordered by time.
    ///
    /// # Errors
    ///
    /// [`StoreApprovalsError::Store`] if the store is unavailable.
    pub async fn list(
        &self,
        select: &(dyn Fn(&ApprovalRecord) -> bool + Send + Sync),
        after: Option<&str>,
        limit: usize,
    ) -> Result<ApprovalPage, StoreApprovalsError> {
        let (mut items, mut last) = (Vec::new(), after.map(str::to_owned));
        loop {
            let page = self.records.list(last.as_deref(), STEP).await?;
            let is_end = page.len() < STEP;
            for (id, found) in page {
                if items.len() == limit {
                    return Ok(ApprovalPage { items, next: last });
                }
                let found = found.map(|found| found.value);
                items.extend(found.filter(|record| select(record)));
                last = Some(id);
            }
            if is_end {
                return Ok(ApprovalPage { items, next: None });
            }
        }
    }

    /// Decides about the call `id` on behalf of `principal`, with a reason for the caller.
    ///
    /// The same answer again has no effect; the first decision remains.
    ///
    /// # Errors
    ///
    /// [`StoreApprovalsError`] if the principal may not decide, another decision has been made, the
    /// call does not wait any more, or the store is unavailable. After the last, the decision may
    /// have been stored; it can be repeated.
    pub async fn decide(
        &self,
        id: &str,
        (principal, approved): (&Principal, bool),
        reason: Option<String>,
    ) -> Result<ApprovalRecord, StoreApprovalsError> {
        let mut actor = Actor::new(principal.subject());
        actor.client = principal.client().map(str::to_owned);
        let change = |record: &mut ApprovalRecord, now: u64| {
            record.check_approver(principal)?;
            let decision = match approved {
                true => Decision::approve(principal.subject(), now),
                false => Decision::deny(principal.subject(), now),
            };
            let decision = decision
                .with_client(actor.client.clone())
                .with_reason(reason.clone());
            Ok(record.state.decide(&decision)?)
        };
        self.change(id, change, Action::Decide(&actor)).await
    }

    /// Returns the number of calls that wait for a decision, as this replica has seen them.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.unfinished.pending()
    }

    /// Changes an approval by a conditional write, with the record of `action`.
    async fn change(
        &self,
        id: &str,
        change: impl Fn(&mut ApprovalRecord, u64) -> Result<Change, StoreApprovalsError>,
        action: Action<'_>,
    ) -> Result<ApprovalRecord, StoreApprovalsError> {
        for _ in 0..ATTEMPTS {
            let found = self.records.get(id).await?;
            let found = found.ok_or(StoreApprovalsError::Unknown)?;
            let mut record = found.value;
            let now = self.clock.now();
            if change(&mut record, now)? == Change::None {
                return Ok(record);
            }
            let batch = self.replacement(&record, found.version)?;
            let batch = self.trail.add_to(batch, &record, action);
            if self.commit(batch).await? == CommitOutcome::Committed {
                match action {
                    // Nothing has happened for which an observer waits.
                    Action::Restore => self.remember(&record.id, Some(&record.state)),
                    _ => self.report(&record, now),
                }
                return Ok(record);
            }
        }
        Err(StoreApprovalsError::Busy)
    }

    /// Returns the batch that replaces `version` of `record`.
    fn replacement(
        &self,
        record: &ApprovalRecord,
        version: DocumentVersion,
    ) -> Result<Batch, StoreApprovalsError> {
        let batch = Batch::new().if_version(self.records.key(&record.id), version);
        let expires = kept_until(record.state.expires());
        Ok(self.records.put(batch, &record.id, record, expires)?)
    }

    /// Reports a stored change to those who wait in this process, and to the observer.
    fn report(&self, record: &ApprovalRecord, now: u64) {
        self.remember(&record.id, Some(&record.state));
        self.signals.report(&record.id);
        let event = ApprovalEvent::of(&record.state, now);
        if let (Some(observer), Some(event)) = (self.observer.get(), event) {
            observer.on_event(event);
        }
    }

    /// Records the state of the approval `id` in memory; `None` if it does not exist.
    fn remember(&self, id: &str, state: Option<&Lifecycle>) {
        self.unfinished.record(id, state);
        self.report_pending();
    }

    fn report_pending(&self) {
        if let Some(observer) = self.observer.get() {
            observer.on_pending(self.unfinished.pending());
        }
    }

    async fn commit(&self, batch: Batch) -> Result<CommitOutcome, StoreApprovalsError> {
        let committed = self.records.store().commit(batch).await;
        Ok(committed.map_err(DocumentError::from)?)
    }
}

/// Returns the time at which the record of an approval with the end `expires` is deleted.
fn kept_until(expires: u64) -> SystemTime {
    let end = UNIX_EPOCH.checked_add(Duration::from_secs(expires));
    let end = end.and_then(|end| end.checked_add(RETENTION));
    end.unwrap_or_else(|| SystemTime::now() + RETENTION)
}

/// Prefix of the keys of records.
const PREFIX: &str = "approval/record/";

/// Time for which ended approvals are kept.
const RETENTION: Duration = Duration::from_secs(7 * 24 * 3600);

/// Maximum number of attempts of a write, which loses against others of the same document.
const ATTEMPTS: usize = 64;

/// Number of documents that are read at once.
const STEP: usize = 200;

#[cfg(test)]
mod tests;
