//! ID tokens of external identities.

use mcp_gateway_core::auth::Assertion;

/// Verified ID token.
#[derive(Clone, Debug)]
pub(crate) struct IdToken {
    /// Token.
    pub(crate) token: Assertion,
    /// Expiration time, in seconds since the Unix epoch.
    pub(crate) expires: u64,
}
