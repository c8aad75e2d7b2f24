//! Limit of the list requests that the change announcements of a server cause.

use std::sync::Mutex;
use std::time::Duration;

use tokio::time::Instant;

use super::lock;

/// Limit of the requests for one list: [`BURST`] at once, and one per [`INTERVAL`] in the long run.
#[derive(Debug, Default)]
pub(super) struct RefetchBudget {
    /// Time at which all requests are available again.
    full: Mutex<Option<Instant>>,
}

impl RefetchBudget {
    /// Takes a request.
    ///
    /// # Errors
    ///
    /// The time until one is available.
    pub(super) fn take(&self, now: Instant) -> Result<(), Duration> {
        let mut full = lock(&self.full);
        let from = full.map_or(now, |full| full.max(now));
        let used = from - now;
        match used.checked_sub(INTERVAL * (BURST - 1)) {
            Some(delay) if !delay.is_zero() => Err(delay),
            _ => {
                *full = Some(from + INTERVAL);
                Ok(())
            }
        }
    }
}

/// Number of requests that are available after a quiet time.
const BURST: u32 = 4;

/// Time in which one request becomes available.
const INTERVAL: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_limited_in_the_long_run() {
        let budget = RefetchBudget::default();
        let start = Instant::now();
        let taken = |from: u64, to: u64| {
            let times = (from..to).map(|at| start + Duration::from_millis(at));
            times.filter(|now| budget.take(*now).is_ok()).count()
        };
        assert_eq!(taken(0, 500), 4);
        assert_eq!(taken(500, 10_500), 10);
        assert_eq!(
            budget.take(start + Duration::from_millis(10_500)),
            Err(Duration::from_millis(500))
        );
        assert_eq!(taken(60_000, 60_500), 4, "it is full again");
    }
}
