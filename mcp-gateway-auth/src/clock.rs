//! The source of the current time, replaceable in tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// A clock with a resolution of one second. Cheap to clone.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use mcp_gateway_auth::Clock;
///
/// let clock = Clock::fixed(1_800_000_000);
/// let shared = clock.clone();
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(shared.now(), 1_800_000_060);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicU64>>);

impl Clock {
    /// Returns the system clock.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// Returns a clock that is stopped at `seconds` since the Unix epoch, for tests.
    #[must_use]
    pub fn fixed(seconds: u64) -> Self {
        Self(Some(Arc::new(AtomicU64::new(seconds))))
    }

    /// Advances a stopped clock and all its clones. The system clock is unaffected.
    pub fn advance(&self, by: Duration) {
        if let Some(seconds) = &self.0 {
            seconds.fetch_add(by.as_secs(), Ordering::Relaxed);
        }
    }

    /// Returns the current time, in seconds since the Unix epoch.
    #[must_use]
    pub fn now(&self) -> u64 {
        match &self.0 {
            Some(seconds) => seconds.load(Ordering::Relaxed),
            None => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .map_or(0, |since| since.as_secs()),
        }
    }
}

/// Returns the time `seconds` after the Unix epoch.
#[cfg(any(feature = "login", feature = "server"))]
pub(crate) fn system_time(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}
