use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Says what time it is, in seconds since 1970. Cheap to clone.
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
    /// The clock of the system.
    #[must_use]
    pub fn system() -> Self {
        Self(None)
    }

    /// A clock that stands still at `seconds` since 1970, for tests.
    #[must_use]
    pub fn fixed(seconds: u64) -> Self {
        Self(Some(Arc::new(AtomicU64::new(seconds))))
    }

    /// Moves a clock that stands still, and all its clones; the system's is not moved.
    pub fn advance(&self, by: Duration) {
        if let Some(seconds) = &self.0 {
            seconds.fetch_add(by.as_secs(), Ordering::Relaxed);
        }
    }

    /// Seconds since 1970.
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

/// The moment `seconds` after 1970.
pub(crate) fn moment(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}
