//! The errors of the gateway: one enum for each concern, and [`Error`] over all of them.

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
pub use self::credential::CredentialError;
pub(crate) use self::request::BODY_TIMEOUT;
pub use self::request::RequestError;
pub use self::route::{NameKind, RouteError};
pub use self::session::SessionError;
pub use self::upstream::UpstreamError;
use crate::jsonrpc::MessageError;

/// An error of a type that this crate does not know.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why the gateway did not pass a request on, or got no response to it.
///
/// `Display` describes this level only; the rest is in [`source`](std::error::Error::source). What
/// a client is told is decided in one place, by [`Problem`](crate::Problem).
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The caller is not believed.
    #[error("the caller is not authenticated")]
    Auth(#[from] AuthError),
    /// There is no credential for the server.
    #[error("no credential for server {server:?}")]
    Credential {
        /// The server.
        server: Arc<str>,
        /// Why there is none.
        source: CredentialError,
    },
    /// The body is not a message.
    #[error("the request is not understood")]
    Message(#[from] MessageError),
    /// A layer of somebody else failed.
    #[error("the request could not be handled")]
    Other(#[source] BoxError),
    /// The caller has made more requests than a layer allows.
    #[error("the caller makes too many requests")]
    RateLimited {
        /// When to try again.
        retry_after: Duration,
    },
    /// The HTTP request is not as the protocol wants it.
    #[error("the request is not as the protocol wants it")]
    Request(#[from] RequestError),
    /// There is nothing of the name that the client used.
    #[error("the request has no target")]
    Route(#[from] RouteError),
    /// The session is not known, or cannot be begun.
    #[error("the session is not available")]
    Session(#[from] SessionError),
    /// The server gave no response.
    #[error("server {server:?} gave no response")]
    Upstream {
        /// The server.
        server: Arc<str>,
        /// Why it gave none.
        source: UpstreamError,
    },
}

impl From<BoxError> for Error {
    /// Takes back an error of this crate that a layer has boxed.
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
