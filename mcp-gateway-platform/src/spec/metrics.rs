//! Access to the metrics.

use super::Secret;

/// Access to the metrics.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Metrics {
    /// Separate address, without authentication.
    Separate,
    /// `/metrics` of the gateway, for callers that may use all gateways: metrics name the servers and
    /// tools of all.
    #[default]
    Shared,
    /// The same, and with this bearer token.
    Token(Secret),
}
