use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::UpstreamError;

/// Leaves a server alone that fails.
///
/// After some failures in a row no calls are let through for a while. Then one is, to see; when it
/// fails too, the while doubles.
#[derive(Debug)]
pub(crate) struct Breaker {
    max_failures: u32,
    pause: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    /// Until when no calls are let through.
    closed_until: Option<Instant>,
    /// Whether a call is on its way that shows whether the server is well again.
    trying: bool,
}

impl Breaker {
    pub(super) fn new(max_failures: u32, pause: Duration) -> Self {
        Self {
            max_failures,
            pause,
            state: Mutex::default(),
        }
    }

    /// Whether a call may be made.
    pub(crate) fn admit(&self) -> Result<(), UpstreamError> {
        let mut state = self.state();
        let Some(closed_until) = state.closed_until else {
            return Ok(());
        };
        let now = Instant::now();
        if now < closed_until {
            let retry_after = closed_until - now;
            return Err(UpstreamError::Unavailable { retry_after });
        }
        if state.trying {
            return Err(UpstreamError::Unavailable {
                retry_after: self.pause,
            });
        }
        state.trying = true;
        Ok(())
    }

    /// Notes how a call ended; `None` when it ended in a way that says nothing about the server.
    pub(crate) fn ended(&self, well: Option<bool>) {
        let mut state = self.state();
        match well {
            None => state.trying = false,
            Some(true) if state.failures == 0 => {}
            Some(true) => *state = State::default(),
            Some(false) => {
                state.failures = state.failures.saturating_add(1);
                state.trying = false;
                if let Some(more) = state.failures.checked_sub(self.max_failures) {
                    let pause = self.pause.saturating_mul(2_u32.pow(more.min(10)));
                    state.closed_until = Some(Instant::now() + pause.min(MAX_PAUSE));
                }
            }
        }
    }

    /// Whether the server has failed so often that it is left alone.
    pub(crate) fn has_tripped(&self) -> bool {
        self.state().closed_until.is_some()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const MAX_PAUSE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_pause_without_end_has_one() {
        let breaker = Breaker::new(1, Duration::MAX);
        for _ in 0..3 {
            breaker.ended(Some(false));
            assert!(breaker.admit().is_err());
            tokio::time::advance(MAX_PAUSE).await;
            assert!(breaker.admit().is_ok());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_fails_is_left_alone_for_a_while() {
        let breaker = Breaker::new(2, Duration::from_secs(5));
        breaker.ended(Some(false));
        breaker.ended(Some(true));
        breaker.ended(Some(false));
        assert!(breaker.admit().is_ok());
        breaker.ended(Some(false));
        assert!(matches!(
            breaker.admit(),
            Err(UpstreamError::Unavailable { .. })
        ));

        tokio::time::advance(Duration::from_secs(5)).await;
        assert!(breaker.admit().is_ok(), "one call to see");
        assert!(breaker.admit().is_err(), "and only one");
        breaker.ended(Some(false));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(breaker.admit().is_err(), "twice as long");

        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(breaker.admit().is_ok());
        breaker.ended(None);
        assert!(
            breaker.admit().is_ok(),
            "a caller that went away says nothing"
        );
        breaker.ended(Some(true));
        assert!(breaker.admit().is_ok() && breaker.admit().is_ok());
    }
}
