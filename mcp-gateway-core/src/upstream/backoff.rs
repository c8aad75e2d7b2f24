//! Delay between attempts to start a program that crashes.

use std::time::{Duration, Instant};

/// Exponential backoff after consecutive failures.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// Number of consecutive failures.
    failures: u32,
    /// End of the delay.
    until: Option<Instant>,
}

impl Backoff {
    /// Records a failure at `now`: the delay is [`MIN_DELAY`], and doubles with each further one up
    /// to [`MAX_DELAY`].
    pub(super) fn fail(&mut self, now: Instant) {
        let doubled = MIN_DELAY.saturating_mul(1 << self.failures.min(MAX_DOUBLINGS));
        self.until = Some(now + doubled.min(MAX_DELAY));
        self.failures += 1;
    }

    /// Returns `true` if the delay has not passed at `now`.
    pub(super) fn is_pending(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now < until)
    }
}

/// Delay after the first failure.
const MIN_DELAY: Duration = Duration::from_secs(1);

/// Maximum delay.
const MAX_DELAY: Duration = Duration::from_secs(60);

/// Number of doublings that exceed the maximum delay.
const MAX_DOUBLINGS: u32 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_delay_doubles_up_to_a_minute() {
        let start = Instant::now();
        let mut backoff = Backoff::default();
        assert!(!backoff.is_pending(start));
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            backoff.fail(start);
            let end = start + Duration::from_secs(seconds);
            assert!(
                backoff.is_pending(end - Duration::from_millis(1)),
                "{seconds}"
            );
            assert!(!backoff.is_pending(end), "{seconds}");
        }
    }
}
