//! Time of limits.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Source of the time. Rates use a clock that never steps; quotas use that of the calendar.
#[derive(Clone, Debug)]
pub(crate) enum Clock {
    /// Clocks of the system, since the start of the process.
    System(Instant),
    /// Time of a test.
    #[cfg(test)]
    Manual(std::sync::Arc<ManualClock>),
}

/// Time that a test sets.
#[cfg(test)]
#[derive(Debug, Default)]
pub(crate) struct ManualClock {
    pub(crate) nanos: std::sync::atomic::AtomicU64,
    pub(crate) seconds: std::sync::atomic::AtomicI64,
}

impl Clock {
    /// Creates a clock of the system.
    pub(crate) fn new() -> Self {
        Self::System(Instant::now())
    }

    /// Returns the nanoseconds since the start; 584 years of them fit.
    pub(crate) fn nanos(&self) -> u64 {
        match self {
            Self::System(start) => u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX),
            #[cfg(test)]
            Self::Manual(clock) => clock.nanos.load(std::sync::atomic::Ordering::SeqCst),
        }
    }

    /// Returns the seconds since 1970.
    pub(crate) fn unix_seconds(&self) -> i64 {
        match self {
            Self::System(_) => match SystemTime::now().duration_since(UNIX_EPOCH) {
                Ok(time) => i64::try_from(time.as_secs()).unwrap_or(i64::MAX),
                Err(_) => 0,
            },
            #[cfg(test)]
            Self::Manual(clock) => clock.seconds.load(std::sync::atomic::Ordering::SeqCst),
        }
    }
}
