//! Requests for approval.

use std::sync::Arc;

use mcp_gateway_auth::Secret;
use mcp_gateway_core::Sealer;
use mcp_gateway_core::approval::{ApprovalKey, ApprovalRequest};
use mcp_gateway_store::{Batch, CommitOutcome, DocumentError, DocumentVersion, Documents, Store};

use super::{ATTEMPTS, StoreApprovals, StoreApprovalsError, kept_until};
use crate::callers::OfCaller;
use crate::lifecycle::{Lifecycle, Status, Terms};
use crate::record::{ApprovalRecord, DecidedBy, RecordedCall};
use crate::trail::Action;

/// Latest approvals of calls, in a store.
#[derive(Clone, Debug)]
pub(super) struct Calls {
    documents: Documents<String>,
    sealer: Arc<Sealer>,
}

/// Latest approval of a call.
#[derive(Debug)]
struct Latest {
    document: String,
    version: Option<DocumentVersion>,
    id: Option<String>,
}

impl Calls {
    pub(super) fn new(store: Arc<dyn Store>, sealer: Arc<Sealer>) -> Self {
        Self {
            documents: Documents::new(store, "approval/call/"),
            sealer,
        }
    }

    /// Returns the latest approval of the calls with `key`.
    async fn latest(&self, key: &ApprovalKey) -> Result<Latest, DocumentError> {
        // Keyed, because the digest of one of few possible calls could be guessed.
        let document = self.sealer.tag("approval/call", &[key.as_str()]);
        let found = self.documents.get(&document).await?;
        Ok(Latest {
            document,
            version: found.as_ref().map(|found| found.version),
            id: found.map(|found| found.value),
        })
    }

    /// Adds the write of the latest approval to `batch`, on the condition that it is still `latest`.
    fn put(
        &self,
        batch: Batch,
        latest: &Latest,
        record: &ApprovalRecord,
    ) -> Result<Batch, DocumentError> {
        let key = self.documents.key(&latest.document);
        let batch = match latest.version {
            Some(version) => batch.if_version(key, version),
            None => batch.if_absent(key),
        };
        let expires = kept_until(record.state.expires());
        self.documents
            .put(batch, &latest.document, &record.id, Some(expires))
    }
}

impl StoreApprovals {
    /// Returns the approval of the call of `request`: one that waits for a decision or for the call,
    /// or a new one.
    ///
    /// # Errors
    ///
    /// [`StoreApprovalsError`] if too many calls wait, or the store is unavailable.
    pub(super) async fn open_call(
        &self,
        request: &ApprovalRequest,
    ) -> Result<ApprovalRecord, StoreApprovalsError> {
        for _ in 0..ATTEMPTS {
            let latest = self.calls.latest(request.key()).await?;
            let now = self.clock.now();
            if let Some(current) = self.current(&latest, now).await? {
                return Ok(current);
            }
            let mut caller = self.callers.of(&request.subject.principal).await?;
            self.check_bounds(&caller, now).await?;
            let record = new_record(request, now)?;
            let batch = self.creation(&record, &latest, &mut caller)?;
            let batch = self.trail.add_to(batch, &record, Action::Request);
            if self.commit(batch).await? == CommitOutcome::Committed {
                self.report(&record, now);
                return Ok(record);
            }
        }
        Err(StoreApprovalsError::Busy)
    }

    /// Returns the approval that still concerns the call.
    async fn current(
        &self,
        latest: &Latest,
        now: u64,
    ) -> Result<Option<ApprovalRecord>, StoreApprovalsError> {
        let Some(id) = &latest.id else {
            return Ok(None);
        };
        let found = self.records.get(id).await?.map(|found| found.value);
        Ok(found.filter(|record| {
            let status = record.status_at(now);
            matches!(status, Status::Approved | Status::Pending)
        }))
    }

    /// Checks that another call of `caller` may wait.
    async fn check_bounds(&self, caller: &OfCaller, now: u64) -> Result<(), StoreApprovalsError> {
        if self.unfinished.pending() >= self.limits.pending {
            return Err(StoreApprovalsError::TooMany);
        }
        let max = self.limits.pending_per_caller;
        if caller.waiting(now).count() < max {
            return Ok(());
        }
        // Some may have been decided.
        let mut pending = 0;
        for entry in caller.waiting(now) {
            let found = self.records.get(&entry.id).await?;
            let status = found.map(|found| found.value.status_at(now));
            pending += usize::from(status == Some(Status::Pending));
        }
        match pending < max {
            true => Ok(()),
            false => Err(StoreApprovalsError::TooMany),
        }
    }

    /// Returns the batch that creates `record`.
    fn creation(
        &self,
        record: &ApprovalRecord,
        latest: &Latest,
        caller: &mut OfCaller,
    ) -> Result<Batch, StoreApprovalsError> {
        let expires = record.state.expires();
        let max = self.limits.records_per_caller;
        let excess = caller.push(&record.id, expires, max);
        let batch = Batch::new().if_absent(self.records.key(&record.id));
        let batch = excess.iter().fold(batch, |batch, entry| {
            batch.delete(self.records.key(&entry.id))
        });
        let kept = kept_until(expires);
        let batch = self.records.put(batch, &record.id, record, kept)?;
        let batch = self.callers.put(batch, caller, kept)?;
        Ok(self.calls.put(batch, latest, record)?)
    }
}

/// Creates the record of `request`, whose identifier is ordered by time.
fn new_record(request: &ApprovalRequest, now: u64) -> Result<ApprovalRecord, StoreApprovalsError> {
    let random = Secret::generate("");
    let random = random.map_err(|error| StoreApprovalsError::Random(error.into()))?;
    let random = random.expose().chars().filter(char::is_ascii_alphanumeric);
    let random: String = random.take(ID_LEN).collect();
    let terms = &request.terms;
    Ok(ApprovalRecord {
        id: format!("apr_{now:010}{random}"),
        call: RecordedCall::of(request),
        rule: request.rule.to_string(),
        reason: terms.reason().map(|reason| reason.to_string()),
        approvers: DecidedBy::of(terms.approvers()),
        state: Lifecycle::new(Terms::of(terms), now),
    })
}

/// Number of random characters of an identifier.
const ID_LEN: usize = 12;
