//! Limits of sessions, parked calls, kept results and servers.

pub use mcp_gateway_core::era::ParkedCallLimits;
use mcp_gateway_core::limit::Limits;
pub use mcp_gateway_core::results::KeptResultLimits;
pub use mcp_gateway_core::session::SessionLimits;
use mcp_gateway_limits::{Bound, Limit, Retry};

use super::DynamicSpec;

/// Limits on the calls of all gateways.
///
/// A call counts in all limits that concern it. The first permission that concerns it decides how often
/// it is sent.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct CallLimits {
    /// Rates, quotas and calls in flight.
    pub limits: Vec<Limit>,
    /// Permissions to send calls again.
    pub retries: Vec<Retry>,
}

impl DynamicSpec {
    /// Returns `true` if a limit is a quota, which is counted in the store.
    pub(crate) fn has_quotas(&self) -> bool {
        let mut limits = self.call_limits.limits.iter();
        limits.any(|limit| matches!(limit.bound(), Bound::Quota(_)))
    }
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
