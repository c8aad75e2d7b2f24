//! Refill of shares from the store.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_gateway_core::error_chain;
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout, timeout_at};

use super::ledger::{Ledger, Period};
use super::share::{LARGE_SHARE, SMALL_SHARE, Verdict};
use super::{Refusal, Share};
use crate::clock::Clock;
use crate::limit::Quota;

/// Refills of all quotas of a process.
///
/// A refill is a task of its own: a caller that disconnects meanwhile cannot lose a share, nor hold
/// a transaction of the store open.
#[derive(Debug)]
pub(crate) struct Refills {
    ledger: Ledger,
    clock: Clock,
    tasks: Mutex<JoinSet<()>>,
}

impl Refills {
    pub(crate) fn new(ledger: Ledger, clock: Clock) -> Self {
        Self {
            ledger,
            clock,
            tasks: Mutex::default(),
        }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Takes a call of `quota` from `share`, which is refilled if it is empty.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if all calls are taken, or the store does not answer in time.
    pub(crate) async fn take(
        &self,
        share: &Arc<Share>,
        (quota, period): (&Quota, Period),
    ) -> Result<(), Refusal> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let verdict = Arc::clone(&share.verdict).lock_owned();
            let Ok(verdict) = timeout_at(deadline, verdict).await else {
                return Err(Refusal::Unavailable);
            };
            let now = self.clock.nanos();
            if share.take(period.span, now) {
                return Ok(());
            }
            if let Some(refusal) = verdict.refusal(period.span, quota.amount, now) {
                return Err(refusal);
            }
            self.spawn(share, verdict, (*quota, period));
        }
    }

    /// Starts a refill, which holds `verdict` until it has ended.
    fn spawn(
        &self,
        share: &Arc<Share>,
        mut verdict: OwnedMutexGuard<Verdict>,
        (quota, period): (Quota, Period),
    ) {
        let (ledger, clock, share) = (self.ledger.clone(), self.clock.clone(), Arc::clone(share));
        let mut tasks = self.tasks.lock().unwrap_or_else(PoisonError::into_inner);
        while tasks.try_join_next().is_some() {}
        tasks.spawn(async move {
            let wanted = verdict.next_size(quota.amount);
            let account = (share.account(), period);
            let reserved = ledger.reserve(account, quota.amount, wanted);
            let refusal = match timeout(STORE_TIMEOUT, reserved).await {
                Ok(Ok(0)) => Refusal::Exhausted,
                Ok(Ok(calls)) => return share.add(period.span, calls),
                Ok(Err(error)) => {
                    let error = error_chain(&error);
                    tracing::warn!(error, "quota not counted");
                    Refusal::Unavailable
                }
                Err(_) => {
                    tracing::warn!("quota not counted: the store does not answer");
                    Refusal::Unavailable
                }
            };
            verdict.refuse(refusal, (period.span, quota.amount), clock.nanos());
        });
    }

    /// Returns the calls that are left in `share`.
    ///
    /// Calls are lost if the store is unavailable: the count is then too high, and never too low.
    pub(crate) async fn give_back(&self, share: &Share, period: Period) {
        let calls = share.drain(period.span);
        if calls == 0 {
            return;
        }
        share.verdict.lock().await.shrink();
        let returned = self.ledger.give_back((share.account(), period), calls);
        match timeout(STORE_TIMEOUT, returned).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                let error = error_chain(&error);
                tracing::warn!(error, calls, "share of a quota lost");
            }
            Err(_) => tracing::warn!(calls, "share of a quota lost: the store does not answer"),
        }
    }
}

/// Maximum time of a change in the store.
const STORE_TIMEOUT: Duration = Duration::from_secs(2);

/// Maximum time for which a call waits for a share.
const PATIENCE: Duration = Duration::from_secs(5);

/// Largest shares, which a process that is killed loses for each key.
const _: () = assert!(
    SMALL_SHARE == 64 && LARGE_SHARE == 4096,
    "docs/limits.md states the numbers"
);
