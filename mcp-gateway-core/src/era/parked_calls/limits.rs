//! Limits of parked calls.

use std::time::Duration;

use crate::limit::FOREVER;

/// Limits of parked calls.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use mcp_gateway_core::era::ParkedCallLimits;
///
/// let limits = ParkedCallLimits::default().with_max_per_principal(10);
/// assert_eq!(limits.max_per_principal(), 10);
/// assert_eq!(limits.max(), 10_000);
/// assert_eq!(limits.lifetime(), Duration::from_secs(600));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct ParkedCallLimits {
    /// Maximum time for which a call is parked.
    lifetime: Duration,
    /// Maximum number of parked calls.
    max: usize,
    /// Maximum number of parked calls per principal.
    max_per_principal: usize,
}

impl Default for ParkedCallLimits {
    /// Returns the default limits.
    ///
    /// A call is parked for ten minutes, enough for a user to fill in a form; there are at most
    /// 10,000, and at most 1,000 per principal.
    fn default() -> Self {
        Self {
            lifetime: Duration::from_secs(600),
            max: 10_000,
            max_per_principal: 1000,
        }
    }
}

impl ParkedCallLimits {
    /// Sets the maximum time for which a call is parked. Default: 10 minutes.
    ///
    /// A time too long for the clock is shortened.
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime.min(FOREVER);
        self
    }

    /// Sets the maximum number of parked calls. Default: 10,000.
    pub fn with_max(mut self, max: usize) -> Self {
        self.max = max;
        self
    }

    /// Sets the maximum number of parked calls per principal. Default: 1,000.
    pub fn with_max_per_principal(mut self, max: usize) -> Self {
        self.max_per_principal = max;
        self
    }

    /// Returns the maximum time for which a call is parked.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }

    /// Returns the maximum number of parked calls.
    #[must_use]
    pub fn max(&self) -> usize {
        self.max
    }

    /// Returns the maximum number of parked calls per principal.
    #[must_use]
    pub fn max_per_principal(&self) -> usize {
        self.max_per_principal
    }
}
