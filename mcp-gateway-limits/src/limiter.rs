//! Owner of the counts of a process.

use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp_gateway_store::{MemoryStore, Store};
use tokio::time::{MissedTickBehavior, interval};

use crate::clock::Clock;
use crate::counters::Counters;
use crate::limit::{Bound, Limit, Quota};
use crate::limit_set::{CountedLimit, Counts, LimitSet};
use crate::quota::{Ledger, Period, Refills, Share};

/// Owner of the counts of a process.
///
/// # Example
///
/// ```
/// use mcp_gateway_limits::{Bound, Limit, Limiter, Quota, Window};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let limiter = Limiter::new(None);
/// let quota = Bound::Quota(Quota::new(100, Window::months(1).unwrap()));
/// let limits = limiter.limits([Limit::new("monthly", quota)]);
/// assert!(limits.is_some() && limiter.limits([]).is_none());
/// limiter.close().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Limiter {
    clock: Clock,
    refills: Arc<Refills>,
    current: Mutex<Vec<CountedLimit>>,
    /// Limits that have been removed, whose shares must be returned.
    removed: Mutex<Vec<CountedLimit>>,
}

impl Limiter {
    /// Creates a limiter without counts. Quotas are counted in `store`, or in memory.
    #[must_use]
    pub fn new(store: Option<Arc<dyn Store>>) -> Self {
        Self::with_clock(store, Clock::new())
    }

    pub(crate) fn with_clock(store: Option<Arc<dyn Store>>, clock: Clock) -> Self {
        let store = store.unwrap_or_else(|| Arc::new(MemoryStore::new()));
        Self {
            refills: Arc::new(Refills::new(Ledger::new(store), clock.clone())),
            clock,
            current: Mutex::default(),
            removed: Mutex::default(),
        }
    }

    /// Makes a set of `limits`, instead of the last one; `None` if there are none.
    ///
    /// Limits with the name, the kind and the attributes of one of the last set keep its counts.
    pub fn limits(&self, limits: impl IntoIterator<Item = Limit>) -> Option<Arc<LimitSet>> {
        let mut current = self.current();
        let counted = limits.into_iter().map(|limit| {
            let mut same = current.iter().filter(|before| keeps(&before.limit, &limit));
            let counts = match same.next() {
                Some(before) => before.counts.clone(),
                None => Counts::new(limit.bound()),
            };
            CountedLimit { limit, counts }
        });
        let counted: Vec<_> = counted.collect();
        let before = mem::replace(&mut *current, counted.clone());
        let kept = |one: &CountedLimit| counted.iter().any(|now| keeps(&one.limit, &now.limit));
        let removed = before.into_iter().filter(|one| !kept(one));
        locked(&self.removed).extend(removed);
        if counted.is_empty() {
            return None;
        }
        let set = LimitSet::new(counted, self.clock.clone(), Arc::clone(&self.refills));
        Some(Arc::new(set))
    }

    /// Returns unused shares of quotas to the store. Never completes.
    ///
    /// # Cancel safety
    ///
    /// A share that is being returned is lost.
    pub async fn run(&self) {
        let mut ticks = interval(SWEEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            self.give_back(IDLE).await;
        }
    }

    /// Returns all shares of quotas to the store.
    ///
    /// # Cancel safety
    ///
    /// Shares that are not returned are lost: their calls count until the window ends.
    pub async fn close(&self) {
        self.give_back(Duration::ZERO).await;
    }

    /// Returns the shares that nobody has used for `idle`.
    async fn give_back(&self, idle: Duration) {
        let removed = mem::take(&mut *locked(&self.removed));
        let removed = removed.into_iter().map(|one| (one, Duration::ZERO));
        let current = self.current().clone();
        let current = current.into_iter().map(|one| (one, idle));
        for (CountedLimit { limit, counts }, idle) in removed.chain(current) {
            if let (Counts::Quota(shares), Bound::Quota(quota)) = (&counts, limit.bound()) {
                let now = self.clock.nanos();
                for share in idle_shares(shares, now, idle) {
                    self.refills.give_back(&share, self.period(quota)).await;
                }
            }
        }
    }

    /// Returns the current limits, with their counts.
    pub(crate) fn counted(&self) -> Vec<CountedLimit> {
        self.current().clone()
    }

    /// Returns the counts of quotas in the store.
    pub(crate) fn ledger(&self) -> &Ledger {
        self.refills.ledger()
    }

    #[cfg(test)]
    pub(crate) fn refills(&self) -> &Refills {
        &self.refills
    }

    /// Returns the current window of `quota`.
    pub(crate) fn period(&self, quota: &Quota) -> Period {
        Period {
            window: quota.window,
            span: quota.window.at(self.clock.unix_seconds()),
        }
    }

    fn current(&self) -> MutexGuard<'_, Vec<CountedLimit>> {
        locked(&self.current)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn idle_shares(shares: &Counters<Share>, now: u64, idle: Duration) -> Vec<Arc<Share>> {
    let mut found = Vec::new();
    shares.for_each(|_, share| {
        if share.is_idle(now, idle) {
            found.push(Arc::clone(share));
        }
    });
    found
}

/// Returns `true` if the counts of `before` are those of `after`: the numbers may differ.
fn keeps(before: &Limit, after: &Limit) -> bool {
    let same_kind = match (before.bound(), after.bound()) {
        (Bound::InFlight(_), Bound::InFlight(_)) | (Bound::Rate(_), Bound::Rate(_)) => true,
        (Bound::Quota(before), Bound::Quota(after)) => before.window == after.window,
        _ => false,
    };
    same_kind && before.name() == after.name() && before.dimensions() == after.dimensions()
}

/// Interval at which unused shares are looked for.
const SWEEP: Duration = Duration::from_secs(5);

/// Time after which an unused share is returned.
const IDLE: Duration = Duration::from_secs(30);
