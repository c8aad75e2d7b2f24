//! Errors of the gateway: one enum per concern, and [`Error`] over all of them.
//!
//! `Display` texts are lower-case fragments of one level. The response that a client receives is
//! derived from an error in one place, [`Problem`](crate::Problem).

mod auth;
mod chain;
mod credential;
mod request;
mod route;
mod session;
mod upstream;

use std::sync::Arc;
use std::time::Duration;

pub use self::auth::AuthError;
pub use self::chain::error_chain;
pub use self::credential::{CredentialError, IdentityCause};
pub(crate) use self::request::BODY_TIMEOUT;
pub use self::request::RequestError;
pub use self::route::{NameKind, RouteError};
pub use self::session::SessionError;
pub use self::upstream::UpstreamError;
use crate::approval::{ApprovalRequest, Unapproved};
use crate::jsonrpc::MessageError;

/// A boxed error of any type.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Failure to forward a request or to obtain its response.
///
/// `Display` describes this level only; causes are in [`source`](std::error::Error::source).
/// [`Problem`](crate::Problem) determines the response to the client.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::{Error, Problem};
/// use mcp_gateway_core::route::{NameKind, RouteError};
///
/// let unknown = RouteError::UnknownName { kind: NameKind::Tool, name: "sing".into() };
/// let error = Error::from(unknown);
/// assert_eq!(error.to_string(), "unknown target");
/// assert_eq!(Problem::from(&error).status, 200);
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The policy requires an approval of the call, which
    /// [`Approve`](crate::layer::approve::Approve) obtains.
    #[error("approval required")]
    ApprovalRequired(Box<ApprovalRequest>),
    /// The caller could not be authenticated.
    #[error("authentication failed")]
    Auth(#[from] AuthError),
    /// There is no credential for the server.
    #[error("no credential for server {server:?}")]
    Credential {
        /// Name of the server.
        server: Arc<str>,
        /// Cause.
        source: CredentialError,
    },
    /// The policy denies the call, and tells why.
    #[error("call denied: {reason}")]
    Denied {
        /// Reason for the client.
        reason: Arc<str>,
    },
    /// A limit on calls is reached.
    #[error("limit {limit:?} reached")]
    LimitReached {
        /// Name of the limit.
        limit: Arc<str>,
        /// Time after which to retry.
        retry_after: Duration,
    },
    /// The body is not a valid JSON-RPC message.
    #[error("malformed JSON-RPC message")]
    Message(#[from] MessageError),
    /// A layer outside of this crate failed.
    #[error("unexpected error")]
    Other(#[source] BoxError),
    /// The caller has exceeded a rate limit.
    #[error("rate limit exceeded")]
    RateLimited {
        /// Time after which to retry.
        retry_after: Duration,
    },
    /// The HTTP request violates the protocol.
    #[error("invalid HTTP request")]
    Request(#[from] RequestError),
    /// The named target does not exist, or is hidden from the caller.
    #[error("unknown target")]
    Route(#[from] RouteError),
    /// The session is unknown or cannot be started.
    #[error("session unavailable")]
    Session(#[from] SessionError),
    /// The policy requires an approval of the call, and it has none.
    #[error("call not approved")]
    Unapproved(#[from] Unapproved),
    /// The server sent no valid response.
    #[error("request to server {server:?} failed")]
    Upstream {
        /// Name of the server.
        server: Arc<str>,
        /// Cause.
        source: UpstreamError,
    },
}

impl Error {
    /// Returns the conversion of failures of `server`.
    pub(crate) fn of_server(server: &Arc<str>) -> impl Fn(UpstreamError) -> Self + use<> {
        let server = Arc::clone(server);
        move |source| Self::Upstream {
            server: Arc::clone(&server),
            source,
        }
    }
}

impl From<BoxError> for Error {
    /// Unwraps an error of this type that a layer has boxed.
    fn from(error: BoxError) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => Self::Other(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_survive_layers_that_box_them() {
        let boxed: BoxError = Box::new(Error::from(AuthError::MissingToken));
        assert!(matches!(
            Error::from(boxed),
            Error::Auth(AuthError::MissingToken)
        ));
        assert!(matches!(
            Error::from(BoxError::from("else")),
            Error::Other(_)
        ));
    }
}
