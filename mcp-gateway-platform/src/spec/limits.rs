//! Limits of sessions, parked calls and servers.

use std::time::Duration;

use mcp_gateway_core::era::ParkedCalls;
use mcp_gateway_core::limit::Limits;
use mcp_gateway_core::session::Sessions;

/// Limits of client sessions.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::SessionLimits;
///
/// let limits = SessionLimits::default();
/// assert!(limits.idle < limits.lifetime);
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct SessionLimits {
    /// Maximum number of sessions.
    pub max: usize,
    /// Idle timeout.
    pub idle: Duration,
    /// Lifetime.
    pub lifetime: Duration,
}

/// Limits of parked calls.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ParkedLimits {
    /// Maximum number of parked calls.
    pub max: usize,
    /// Maximum number of parked calls of one caller.
    pub max_of_one: usize,
    /// Lifetime of a parked call.
    pub lifetime: Duration,
}

/// Limits of a server.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct ServerLimits {
    /// Timeout, concurrency and circuit breaker of its calls.
    pub calls: Limits,
    /// Maximum size of a message in bytes.
    pub max_message: Option<usize>,
}

impl Default for ParkedLimits {
    fn default() -> Self {
        Self {
            max: ParkedCalls::DEFAULT_MAX,
            max_of_one: ParkedCalls::DEFAULT_MAX_OF_ONE,
            lifetime: ParkedCalls::DEFAULT_LIFETIME,
        }
    }
}

impl Default for SessionLimits {
    fn default() -> Self {
        Self {
            max: Sessions::DEFAULT_MAX,
            idle: Sessions::DEFAULT_IDLE,
            lifetime: Sessions::DEFAULT_LIFETIME,
        }
    }
}
