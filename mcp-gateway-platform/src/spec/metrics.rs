//! Access to the metrics.

use super::Secret;

/// Access to the metrics.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Metrics {
    /// Separate address, without authentication.
    Separate,
    /// `/metrics` of the gateway, for its callers.
    #[default]
    Shared,
    /// `/metrics` of the gateway, for its callers and with this bearer token.
    Token(Secret),
}
