//! Bounds on what clients and servers may cost.

use std::time::Duration;

use mcp_gateway_core::bridge::Parking;
use mcp_gateway_core::limit::Limits;
use mcp_gateway_core::session::Sessions;

/// Bounds on sessions of clients.
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

/// Bounds on calls that wait for an answer of their clients.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ParkedLimits {
    /// Maximum number of calls that wait.
    pub max: usize,
    /// How many calls of one caller may wait.
    pub max_of_one: usize,
    /// Lifetime of a call that waits.
    pub lifetime: Duration,
}

/// The bounds of a server, and how large its messages may be.
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
            max: Parking::DEFAULT_MAX,
            max_of_one: Parking::DEFAULT_MAX_OF_ONE,
            lifetime: Parking::DEFAULT_LIFETIME,
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
