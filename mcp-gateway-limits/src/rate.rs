//! Rates: the generic cell rate algorithm, a token bucket in one number.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::counters::Counter;
use crate::limit::Rate;

/// Bucket of one key.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// Time at which the bucket is full again, in nanoseconds.
    full_at: AtomicU64,
}

impl Bucket {
    /// Takes a call, or returns the time until there is one.
    pub(crate) fn take(&self, rate: &Rate, now: u64) -> Result<(), Duration> {
        let cost = cost(rate);
        let capacity = cost.saturating_mul(u64::from(rate.burst.get()));
        let mut before = self.full_at.load(Ordering::Relaxed);
        loop {
            let after = before.max(now).saturating_add(cost);
            let wait = after.saturating_sub(now.saturating_add(capacity));
            if wait > 0 {
                return Err(Duration::from_nanos(wait));
            }
            let order = Ordering::Relaxed;
            match self
                .full_at
                .compare_exchange_weak(before, after, order, order)
            {
                Ok(_) => return Ok(()),
                Err(actual) => before = actual,
            }
        }
    }

    /// Gives a call back.
    pub(crate) fn give_back(&self, rate: &Rate) {
        let cost = cost(rate);
        let order = Ordering::Relaxed;
        let less = |full_at: u64| Some(full_at.saturating_sub(cost));
        // The closure always returns a value.
        let _ = self.full_at.fetch_update(order, order, less);
    }
}

impl Counter for Bucket {
    fn is_new(&self, now: u64) -> bool {
        self.full_at.load(Ordering::Relaxed) <= now
    }
}

/// Returns the nanoseconds of one call, rounded up: a rate is never exceeded.
fn cost(rate: &Rate) -> u64 {
    let period = rate
        .period
        .as_nanos()
        .div_ceil(u128::from(rate.amount.get()));
    u64::try_from(period).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use proptest::prelude::*;

    use super::*;

    fn rate(amount: u32, millis: u64, burst: u32) -> Rate {
        let number = |number| NonZeroU32::new(number).unwrap();
        Rate {
            burst: number(burst),
            ..Rate::new(number(amount), Duration::from_millis(millis))
        }
    }

    #[test]
    fn a_bucket_refills_evenly() {
        let (rate, bucket) = (rate(2, 1000, 2), Bucket::default());
        assert!(bucket.take(&rate, 0).is_ok() && bucket.take(&rate, 0).is_ok());
        assert_eq!(bucket.take(&rate, 0), Err(Duration::from_millis(500)));
        assert!(bucket.take(&rate, 500_000_000).is_ok());
        assert!(bucket.take(&rate, 500_000_000).is_err());
        bucket.give_back(&rate);
        assert!(bucket.take(&rate, 500_000_000).is_ok());
        assert!(!bucket.is_new(1_499_999_999) && bucket.is_new(1_500_000_000));
    }

    proptest! {
        #[test]
        fn no_window_has_more_than_rate_and_burst(
            amount in 1..50_u32,
            millis in 1..5_000_u64,
            burst in 1..60_u32,
            steps in prop::collection::vec(0..200_000_000_u64, 1..300),
        ) {
            let rate = rate(amount, millis, burst);
            let bucket = Bucket::default();
            let mut taken = Vec::new();
            let mut now = 0;
            for step in steps {
                now += step;
                match bucket.take(&rate, now) {
                    Ok(()) => taken.push(now),
                    Err(wait) => {
                        // The time to wait is exact: not earlier, and then for certain.
                        let wait = u64::try_from(wait.as_nanos()).unwrap();
                        prop_assert!(bucket.take(&rate, now + wait - 1).is_err());
                        prop_assert!(bucket.take(&rate, now + wait).is_ok());
                        bucket.give_back(&rate);
                    }
                }
            }
            let period = millis * 1_000_000;
            for (at, start) in taken.iter().enumerate() {
                let within = taken[at..].iter().filter(|time| **time < start + period).count();
                prop_assert!(within <= (amount + burst) as usize);
            }
        }
    }
}
