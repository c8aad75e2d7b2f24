//! Limits of sessions.

use std::time::Duration;

/// Limits of the sessions of clients of the legacy era.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use mcp_gateway_core::session::SessionLimits;
///
/// let limits = SessionLimits::default().with_idle(Duration::from_secs(600));
/// assert_eq!(limits.idle(), Duration::from_secs(600));
/// assert_eq!(limits.lifetime(), Duration::from_secs(24 * 3600));
/// assert_eq!(limits.max(), 50_000);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct SessionLimits {
    /// Time after which a session ID expires.
    lifetime: Duration,
    /// Time after which an unused session is evicted.
    idle: Duration,
    /// Maximum number of sessions in use.
    max: usize,
}

impl Default for SessionLimits {
    /// Returns the default limits.
    ///
    /// A session expires after one day, because clients keep one for a working day; it is evicted
    /// after half an hour without use; at most 50,000 are in use.
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(24 * 3600),
            idle: Duration::from_secs(1800),
            max: 50_000,
        }
    }
}

impl SessionLimits {
    /// Sets the time after which a session expires. Default: 1 day.
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Sets the time after which an unused session is evicted. Default: 30 minutes.
    pub fn with_idle(mut self, idle: Duration) -> Self {
        self.idle = idle;
        self
    }

    /// Sets the maximum number of sessions in use. Default: 50,000.
    ///
    /// Further ones are rejected with [`SessionError::TooMany`](super::SessionError::TooMany);
    /// those in use are never evicted for a new one.
    pub fn with_max(mut self, max: usize) -> Self {
        self.max = max;
        self
    }

    /// Returns the time after which a session expires.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Returns the time after which an unused session is evicted.
    #[must_use]
    pub fn idle(&self) -> Duration {
        self.idle
    }

    /// Returns the maximum number of sessions in use.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }
}
