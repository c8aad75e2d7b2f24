//! The audience of the metrics.

use super::Secret;

/// Where the metrics are, and who may see them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Metrics {
    /// At an address of their own, for everybody who reaches it.
    Separate,
    /// At `/metrics` of the gateway, for its callers.
    #[default]
    Shared,
    /// At `/metrics` of the gateway, for those who present this token, and for its callers.
    Token(Secret),
}
