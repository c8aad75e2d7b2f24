//! Quotas: counts in the store, of which each process takes shares.

mod account;
mod ledger;
mod refill;
mod share;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;

pub(crate) use self::account::Account;
pub(crate) use self::ledger::{Counted, Ledger, Period};
pub(crate) use self::refill::Refills;
use self::share::Verdict;
use crate::counters::Counter;
use crate::window::Span;

/// Share of one key: calls that this process may make without the store.
pub(crate) struct Share {
    /// Number of the window in the upper half, calls left in the lower one.
    left: AtomicU64,
    /// Time of the last call, in nanoseconds.
    used_at: AtomicU64,
    /// Held while the store is asked, by one task at a time.
    verdict: Arc<Mutex<Verdict>>,
    account: Account,
}

/// Rejection by a quota.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Refusal {
    /// The quota is used up until the end of the window, or until a share comes back.
    Exhausted,
    /// The store cannot be asked.
    Unavailable,
}

impl Share {
    /// Creates an empty share of `account`.
    pub(crate) fn new(account: Account) -> Self {
        Self {
            left: AtomicU64::new(0),
            used_at: AtomicU64::new(0),
            verdict: Arc::default(),
            account,
        }
    }

    /// Creates an empty share of `account` for one call, which nobody keeps.
    pub(crate) fn of_one_call(account: Account) -> Self {
        Self {
            verdict: Arc::new(Mutex::new(Verdict::of_one_call())),
            ..Self::new(account)
        }
    }

    /// Takes a call of the window `span`, if there is one left.
    pub(crate) fn take(&self, span: Span, now: u64) -> bool {
        let window = u64::from(span.index);
        let order = Ordering::AcqRel;
        let less = |left: u64| {
            let is_left = left >> 32 == window && left & CALLS > 0;
            is_left.then(|| left - 1)
        };
        let taken = self.left.fetch_update(order, Ordering::Acquire, less);
        if taken.is_ok() {
            self.used_at.store(now, Ordering::Relaxed);
        }
        taken.is_ok()
    }

    /// Adds `calls` of the window `span`. Those of another window are lost.
    pub(crate) fn add(&self, span: Span, calls: u32) {
        let window = u64::from(span.index);
        let order = Ordering::AcqRel;
        let more = |left: u64| {
            let same = if left >> 32 == window {
                left & CALLS
            } else {
                0
            };
            Some(window << 32 | (same + u64::from(calls)).min(CALLS))
        };
        // The closure always returns a value.
        let _ = self.left.fetch_update(order, Ordering::Acquire, more);
    }

    /// Gives a call of the window `span` back.
    pub(crate) fn give_back(&self, span: Span) {
        if self.window() == span.index {
            self.add(span, 1);
        }
    }

    /// Empties the share, and returns the calls that were left in the window `span`.
    pub(crate) fn drain(&self, span: Span) -> u32 {
        let left = self
            .left
            .swap(u64::from(span.index) << 32, Ordering::AcqRel);
        match left >> 32 == u64::from(span.index) {
            true => u32::try_from(left & CALLS).unwrap_or_default(),
            false => 0,
        }
    }

    /// Returns the number of calls that are left in the window `span`.
    pub(crate) fn left_in(&self, span: Span) -> u64 {
        match self.window() == span.index {
            true => self.calls(),
            false => 0,
        }
    }

    /// Returns `true` if calls are left that nobody has used for `time` at `now`.
    pub(crate) fn is_idle(&self, now: u64, time: Duration) -> bool {
        let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.calls() > 0 && now.saturating_sub(self.used_at.load(Ordering::Relaxed)) >= time
    }

    /// Returns the key of the count.
    pub(crate) fn account(&self) -> &Account {
        &self.account
    }

    fn calls(&self) -> u64 {
        self.left.load(Ordering::Acquire) & CALLS
    }

    fn window(&self) -> u32 {
        u32::try_from(self.left.load(Ordering::Acquire) >> 32).unwrap_or_default()
    }
}

impl Counter for Share {
    /// An empty share is as good as a new one, because the store has the count.
    fn is_new(&self, _: u64) -> bool {
        self.calls() == 0
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Share")
            .field("calls", &self.calls())
            .finish_non_exhaustive()
    }
}

/// Lower half of a share: the calls.
const CALLS: u64 = 0xffff_ffff;

#[cfg(test)]
mod tests;
