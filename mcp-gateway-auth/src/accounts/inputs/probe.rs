//! Test of supplied values.

use std::fmt;

use async_trait::async_trait;
use mcp_gateway_core::Credential;
use mcp_gateway_core::auth::Principal;

use super::InputServer;

/// Tests a credential before it is stored.
///
/// # Cancel safety
///
/// The future is dropped when the browser disconnects, at any `.await`.
///
/// # Example
///
/// ```
/// use async_trait::async_trait;
/// use mcp_gateway_auth::accounts::{ConnectionProbe, InputServer, ProbeError};
/// use mcp_gateway_core::Credential;
/// use mcp_gateway_core::auth::Principal;
///
/// /// A server that accepts no credential.
/// #[derive(Debug)]
/// struct Strict;
///
/// #[async_trait]
/// impl ConnectionProbe for Strict {
///     async fn probe(
///         &self,
///         _: Principal,
///         _: &InputServer,
///         _: Credential,
///     ) -> Result<(), ProbeError> {
///         Err(ProbeError::Rejected("the server rejected the credential".to_owned()))
///     }
/// }
/// ```
#[async_trait]
pub trait ConnectionProbe: fmt::Debug + Send + Sync + 'static {
    /// Calls `server` with `credential` on behalf of `principal`, within a bounded time.
    ///
    /// The values of `credential` are for the address or program of `server` alone, whatever has its
    /// name meanwhile.
    ///
    /// # Errors
    ///
    /// [`ProbeError`] if it does not list its tools.
    async fn probe(
        &self,
        principal: Principal,
        server: &InputServer,
        credential: Credential,
    ) -> Result<(), ProbeError>;
}

/// Failed test of a credential, with a text for the person who has supplied it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProbeError {
    /// The server has answered, and does not accept the credential.
    #[error("{0}")]
    Rejected(String),
    /// The server cannot be reached, so that the credential may be valid.
    #[error("{0}")]
    Unreachable(String),
}
