//! Exponential backoff.

use std::time::Duration;

use tokio::time::Instant;

/// Backoff of a request that has failed.
///
/// The first retry is immediate, because a dropped connection is the most frequent failure. The
/// delays after further failures double, from one second up to one minute.
#[derive(Debug, Default)]
pub(crate) struct Backoff {
    failures: u32,
    until: Option<Instant>,
}

impl Backoff {
    /// Returns the time until the next attempt, or `None` if it is permitted now.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let remaining = self.until?.saturating_duration_since(Instant::now());
        (!remaining.is_zero()).then_some(remaining)
    }

    /// Delays the next attempt.
    pub(crate) fn record_failure(&mut self) {
        let delay = match self.failures.checked_sub(1) {
            Some(doublings) => MAX.min(FIRST * 2_u32.pow(doublings.min(MAX_DOUBLINGS))),
            None => Duration::ZERO,
        };
        self.failures = self.failures.saturating_add(1);
        self.delay(delay);
    }

    /// Delays the next attempt by `delay` or longer, up to [`MAX_ASKED`].
    pub(crate) fn delay(&mut self, delay: Duration) {
        let until = Instant::now() + delay.min(MAX_ASKED);
        self.until = Some(self.until.map_or(until, |known| known.max(until)));
    }

    /// Permits the next attempt after a success.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }
}

/// First delay that is not zero.
const FIRST: Duration = Duration::from_secs(1);

/// Maximum delay.
const MAX: Duration = Duration::from_secs(60);

/// Maximum delay that a server can ask for: users must not be locked out by a mistake.
pub(crate) const MAX_ASKED: Duration = Duration::from_secs(5 * 60);

/// Number of doublings after which the delay exceeds its maximum.
const MAX_DOUBLINGS: u32 = 6;

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn delays_double_up_to_a_minute() {
        let mut backoff = Backoff::default();
        assert_eq!(backoff.remaining(), None);
        for seconds in [0, 1, 2, 4, 8, 16, 32, 60, 60] {
            backoff.record_failure();
            let delay = Duration::from_secs(seconds);
            assert_eq!(backoff.remaining().unwrap_or_default(), delay);
            advance(delay).await;
            assert_eq!(backoff.remaining(), None);
        }
        backoff.reset();
        backoff.record_failure();
        assert_eq!(backoff.remaining(), None);
    }
}
