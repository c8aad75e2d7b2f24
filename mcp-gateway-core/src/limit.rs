//! Bounds on what a server may cost: how many calls at once, how long, and how often it may fail.

mod breaker;
mod concurrency;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::breaker::Breaker;
pub(crate) use self::concurrency::Concurrency;

/// The bounds of one server.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use mcp_gateway_core::limit::Limits;
///
/// let limits = Limits::default().with_timeout(Duration::from_secs(10)).with_concurrency(8, 100);
/// assert_eq!(limits.timeout(), Duration::from_secs(10));
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Limits {
    timeout: Duration,
    max_duration: Duration,
    concurrent: usize,
    waiting: usize,
    failures: u32,
    pause: Duration,
}

impl Default for Limits {
    /// Two minutes of silence, an hour in all, 1,000 calls at once and 1,000 waiting, and a pause
    /// of five seconds after five failures in a row.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(120),
            max_duration: Duration::from_secs(3600),
            concurrent: 1000,
            waiting: 1000,
            failures: 5,
            pause: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// How long the server may say nothing to a call.
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(FOREVER);
        self
    }

    /// How long a call may take in all, even if the server reports progress.
    #[must_use]
    pub fn with_max_duration(mut self, duration: Duration) -> Self {
        self.max_duration = duration.min(FOREVER);
        self
    }

    /// How many calls the server gets at once, and how many wait for their turn; a call beyond
    /// them is refused.
    #[must_use]
    pub fn with_concurrency(mut self, concurrent: usize, waiting: usize) -> Self {
        self.concurrent = concurrent.max(1);
        self.waiting = waiting;
        self
    }

    /// After how many failures in a row the server is left alone, and for how long; doubled with
    /// each further failure, up to a minute.
    #[must_use]
    pub fn with_breaker(mut self, failures: u32, pause: Duration) -> Self {
        self.failures = failures.max(1);
        self.pause = pause;
        self
    }

    /// How long the server may say nothing to a call.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// How long a call may take in all.
    #[must_use]
    pub fn max_duration(&self) -> Duration {
        self.max_duration
    }

    /// How many calls the server gets at once.
    #[must_use]
    pub fn concurrent(&self) -> usize {
        self.concurrent
    }

    /// How many calls wait for their turn.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting
    }

    /// After how many failures in a row the server is left alone.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failures
    }

    /// For how long it is left alone at first.
    #[must_use]
    pub fn pause(&self) -> Duration {
        self.pause
    }

    pub(crate) fn concurrency(&self) -> Arc<Concurrency> {
        Arc::new(Concurrency::new(
            self.concurrent,
            self.waiting,
            self.timeout,
        ))
    }

    pub(crate) fn breaker(&self) -> Arc<Breaker> {
        Arc::new(Breaker::new(self.failures, self.pause))
    }
}

/// The longest time that is told from no limit: a century, which can be added to any instant.
pub(crate) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
