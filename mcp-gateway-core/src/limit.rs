//! Limits of a server: concurrency, deadlines and a circuit breaker.
//!
//! Limits protect the gateway and the other servers from a slow or failing one.
//! [`ServerPool`](crate::upstream::ServerPool) applies them to each call, in this order: circuit
//! breaker, concurrency, deadlines.

mod breaker;
mod concurrency;

use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::breaker::Breaker;
pub(crate) use self::concurrency::Concurrency;

/// Limits of one server.
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
#[doc(alias("timeout", "circuit breaker", "rate limit"))]
pub struct Limits {
    /// Maximum silence of the server during a call.
    timeout: Duration,
    /// Maximum duration of a call.
    max_duration: Duration,
    /// Maximum number of concurrent calls.
    max_concurrency: usize,
    /// Maximum number of queued calls.
    queue: usize,
    /// Consecutive failures that open the circuit breaker.
    failure_threshold: u32,
    /// Time for which the circuit breaker is open at first.
    open_duration: Duration,
}

impl Default for Limits {
    /// Returns the default limits.
    ///
    /// They are two minutes of silence, one hour in total, 1,000 concurrent and 1,000 queued calls,
    /// and a circuit breaker that opens for five seconds after five consecutive failures.
    fn default() -> Self {
        Self {
            timeout: Duration::from_secs(120),
            max_duration: Duration::from_secs(3600),
            max_concurrency: 1000,
            queue: 1000,
            failure_threshold: 5,
            open_duration: Duration::from_secs(5),
        }
    }
}

impl Limits {
    /// Sets the maximum time between two messages of the server during a call. Default: 2 minutes.
    ///
    /// Beyond it, the call fails with
    /// [`UpstreamError::Timeout`](crate::upstream::UpstreamError::Timeout).
    #[must_use]
    pub fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(FOREVER);
        self
    }

    /// Sets the maximum duration of a call, even if the server reports progress. Default: 1 hour.
    #[must_use]
    pub fn with_max_duration(mut self, duration: Duration) -> Self {
        self.max_duration = duration.min(FOREVER);
        self
    }

    /// Sets the maximum numbers of concurrent and of queued calls. Default: 1,000 each.
    ///
    /// Further calls are rejected with HTTP 429 and `Retry-After`. `concurrent` is at least 1.
    #[must_use]
    pub fn with_concurrency(mut self, concurrent: usize, waiting: usize) -> Self {
        self.max_concurrency = concurrent.max(1);
        self.queue = waiting;
        self
    }

    /// Sets the number of consecutive failures that open the circuit breaker, and the time for
    /// which it is open. Default: 5 failures, 5 seconds.
    ///
    /// The time doubles with each further failure, up to one minute. `failures` is at least 1.
    #[must_use]
    pub fn with_breaker(mut self, failures: u32, pause: Duration) -> Self {
        self.failure_threshold = failures.max(1);
        self.open_duration = pause;
        self
    }

    /// Returns the maximum time between two messages of the server during a call.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Returns the maximum duration of a call.
    #[must_use]
    pub fn max_duration(&self) -> Duration {
        self.max_duration
    }

    /// Returns the maximum number of concurrent calls.
    #[must_use]
    pub fn concurrent(&self) -> usize {
        self.max_concurrency
    }

    /// Returns the maximum number of queued calls.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.queue
    }

    /// Returns the number of consecutive failures that open the circuit breaker.
    #[must_use]
    pub fn failures(&self) -> u32 {
        self.failure_threshold
    }

    /// Returns the time for which the circuit breaker is open at first.
    #[must_use]
    pub fn pause(&self) -> Duration {
        self.open_duration
    }

    /// Creates the concurrency limiter.
    pub(crate) fn concurrency(&self) -> Arc<Concurrency> {
        Arc::new(Concurrency::new(
            self.max_concurrency,
            self.queue,
            self.timeout,
        ))
    }

    /// Creates the circuit breaker.
    pub(crate) fn breaker(&self) -> Arc<Breaker> {
        Arc::new(Breaker::new(self.failure_threshold, self.open_duration))
    }
}

/// Longest representable limit: a century, which can be added to any instant without overflow.
pub(crate) const FOREVER: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);
