//! Circuit breaker of a server.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::UpstreamError;

/// A circuit breaker, which spares a failing server.
///
/// After a number of consecutive failures it opens: calls are rejected for a while. Then it admits
/// a single trial call. If the trial fails, the breaker opens again for twice the time; if it
/// succeeds, the breaker closes.
#[derive(Debug)]
pub(crate) struct Breaker {
    /// Consecutive failures that open the breaker.
    max_failures: u32,
    /// Time for which the breaker is open at first.
    open_duration: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
/// Mutable part of the breaker.
struct State {
    /// Consecutive failures so far.
    failures: u32,
    /// End of the open period; `None` if the breaker is closed.
    open_until: Option<Instant>,
    /// `true` while a trial call is in flight.
    probing: bool,
}

impl Breaker {
    /// Creates a closed breaker.
    pub(super) fn new(max_failures: u32, open_duration: Duration) -> Self {
        Self {
            max_failures,
            open_duration,
            state: Mutex::default(),
        }
    }

    /// Admits a call, or rejects it with [`UpstreamError::Unavailable`] and the time after which to
    /// retry.
    ///
    /// Each admitted call must be followed by one call of [`record`](Self::record).
    pub(crate) fn try_acquire(&self) -> Result<(), UpstreamError> {
        let mut state = self.state();
        let Some(closed_until) = state.open_until else {
            return Ok(());
        };
        let now = Instant::now();
        if now < closed_until {
            let retry_after = closed_until - now;
            return Err(UpstreamError::Unavailable { retry_after });
        }
        if state.probing {
            return Err(UpstreamError::Unavailable {
                retry_after: self.open_duration,
            });
        }
        state.probing = true;
        Ok(())
    }

    /// Records the end of a call: success, failure, or `None` if the call gives no evidence about
    /// the server, such as a cancelled one.
    pub(crate) fn record(&self, success: Option<bool>) {
        let mut state = self.state();
        match success {
            None => state.probing = false,
            Some(true) if state.failures == 0 => {}
            Some(true) => *state = State::default(),
            Some(false) => {
                state.failures = state.failures.saturating_add(1);
                state.probing = false;
                if let Some(more) = state.failures.checked_sub(self.max_failures) {
                    let pause = self.open_duration.saturating_mul(2_u32.pow(more.min(10)));
                    state.open_until = Some(Instant::now() + pause.min(MAX_PAUSE));
                }
            }
        }
    }

    /// Returns `true` if the breaker is open or half-open.
    pub(crate) fn is_open(&self) -> bool {
        self.state().open_until.is_some()
    }

    /// Locks the state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Longest time for which the breaker is open.
const MAX_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_without_end_has_one() {
        let breaker = Breaker::new(1, Duration::MAX);
        for _ in 0..3 {
            breaker.record(Some(false));
            assert!(breaker.try_acquire().is_err());
            tokio::time::advance(MAX_PAUSE).await;
            assert!(breaker.try_acquire().is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_fails_is_left_alone_for_a_while() {
        let breaker = Breaker::new(2, Duration::from_secs(5));
        breaker.record(Some(false));
        breaker.record(Some(true));
        breaker.record(Some(false));
        assert!(breaker.try_acquire().is_ok());
        breaker.record(Some(false));
        assert!(matches!(
            breaker.try_acquire(),
            Err(UpstreamError::Unavailable { .. })
        ));

        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(breaker.try_acquire().is_ok(), "one call to see");
        assert!(breaker.try_acquire().is_err(), "and only one");
        breaker.record(Some(false));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(breaker.try_acquire().is_err(), "twice as long");

        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(breaker.try_acquire().is_ok());
        breaker.record(None);
        assert!(
            breaker.try_acquire().is_ok(),
            "a caller that went away says nothing"
        );
        breaker.record(Some(true));
        assert!(breaker.try_acquire().is_ok() && breaker.try_acquire().is_ok());
    }
}
