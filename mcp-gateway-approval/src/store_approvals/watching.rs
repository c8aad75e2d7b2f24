//! Background work: changes by other replicas, and the end of approvals.

use std::time::Duration;

use futures_util::StreamExt as _;
use mcp_gateway_store::{DocumentError, WatchEvent};
use tokio::time::{MissedTickBehavior, interval};

use super::{PREFIX, STEP, StoreApprovals, StoreApprovalsError};
use crate::record::ApprovalRecord;
use crate::trail::Action;

impl StoreApprovals {
    /// Follows the changes of all replicas, and ends what nobody has decided or used in time. Never
    /// completes.
    ///
    /// The end of an approval does not depend on it: it is compared with the time of each change.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    pub async fn follow(&self) {
        let mut changes = self.records.store().watch(PREFIX);
        let mut sweep = interval(SWEEP_INTERVAL);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                change = changes.next() => match change {
                    Some(change) => self.apply(change).await,
                    None => return,
                },
                _ = sweep.tick() => self.sweep().await,
            }
        }
    }

    async fn apply(&self, change: WatchEvent) {
        match change {
            WatchEvent::Deleted(key) => {
                let id = key.strip_prefix(PREFIX).unwrap_or(&key);
                self.remember(id, None);
                self.signals.report(id);
            }
            WatchEvent::Put(entry) => {
                let id = entry.key.strip_prefix(PREFIX).unwrap_or(&entry.key);
                let record = self.records.open(id, &entry.document.value);
                let state = record.as_ref().map(|record| &record.state);
                self.remember(id, state);
                self.signals.report(id);
            }
            // Reset, or one that may have been a write.
            _ => {
                if let Err(error) = self.reload().await {
                    let error = mcp_gateway_core::error_chain(&error);
                    tracing::warn!(error, "approvals are not counted");
                }
                self.signals.report_all();
            }
        }
    }

    /// Reads all approvals.
    async fn reload(&self) -> Result<(), DocumentError> {
        let (mut states, mut last) = (Vec::new(), None);
        loop {
            let page = self.records.list(last.as_deref(), STEP).await?;
            let is_end = page.len() < STEP;
            last = page.last().map(|(id, _)| id.clone());
            let found = page.into_iter();
            states.extend(found.filter_map(|(id, found)| Some((id, found?.value.state))));
            if is_end {
                self.unfinished.replace(states);
                self.report_pending();
                return Ok(());
            }
        }
    }

    /// Ends approvals whose time is over. Replicas may do so at the same time; one of them succeeds.
    pub(crate) async fn sweep(&self) {
        for id in self.unfinished.overdue(self.clock.now()) {
            let expire = |record: &mut ApprovalRecord, now: u64| Ok(record.state.expire(now));
            match self.change(&id, expire, Action::Expire).await {
                Ok(record) => self.remember(&id, Some(&record.state)),
                Err(StoreApprovalsError::Unknown) => self.remember(&id, None),
                Err(error) => {
                    let error = mcp_gateway_core::error_chain(&error);
                    tracing::warn!(error, "approvals are not ended yet");
                    return;
                }
            }
        }
    }
}

/// Interval at which the end of approvals is recorded.
const SWEEP_INTERVAL: Duration = Duration::from_secs(15);
