//! Errors of upstream calls.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, StatusCode};

use super::{BoxError, RouteError};
use crate::Mask;
use crate::challenge::Challenge;
use crate::jsonrpc::MessageError;
use crate::protocol::Era;

/// Failure to obtain a valid response from a server.
///
/// An error that the *server* reports is a response and is forwarded.
///
/// Cloning is cheap, so that one failed attempt can be reported to all callers that waited for it.
///
/// # Example
///
/// Backends create errors from their own ones:
///
/// ```
/// use std::error::Error;
///
/// use mcp_gateway_core::upstream::UpstreamError;
///
/// let error = UpstreamError::connect("image not found");
/// assert_eq!(error.to_string(), "failed to connect to the server");
/// assert_eq!(error.source().map(|cause| cause.to_string()).as_deref(), Some("image not found"));
/// // It counts for the circuit breaker of the server.
/// assert!(error.is_failure());
/// ```
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The connection was closed before the response; the server may have executed the request.
    #[error("connection closed before the response")]
    Closed,
    /// The server is unreachable or does not start; it has not received the request.
    #[error("failed to connect to the server")]
    Connect(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// The definition of the target is not approved, so that the target is unknown to clients.
    #[error(transparent)]
    HeldBack(RouteError),
    /// The result of the server does not exist in the protocol version of the client.
    #[error("{what} of a {server} server is not supported by a {} client", .server.opposite())]
    Unsupported {
        /// Kind of the result.
        what: &'static str,
        /// Era of the server.
        server: Era,
    },
    /// The server sent something other than the response to the request.
    #[error("invalid response from the server: {detail}")]
    Invalid {
        /// Description of the defect.
        detail: Arc<str>,
    },
    /// The server does not run where it has been deployed; it has not received the request.
    #[error("the server is not running: {reason}")]
    NotRunning {
        /// Cause in a few words, which callers see, such as `ImagePullBackOff`.
        reason: Arc<str>,
        /// Cause for operators.
        #[source]
        cause: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// No server has the name.
    #[error("unknown server")]
    UnknownServer,
    /// The server, or the gateway on its behalf, accepts no more calls at present.
    #[error("server overloaded")]
    Overloaded {
        /// Time after which to retry.
        retry_after: Duration,
    },
    /// A header of the client contradicts the argument that it mirrors. The fault of the client.
    #[error("header {header} does not match its argument")]
    ParamMismatch {
        /// Name of the header.
        header: HeaderName,
    },
    /// The server responded with a redirect, which the gateway does not follow.
    #[error("the server responded with a redirect; configure its target instead")]
    Redirect,
    /// The replica of the gateway that held the call is unreachable.
    #[error("the replica that held the call is unreachable; retry the call")]
    ReplicaUnavailable,
    /// The `requestState` of the client is invalid: it was used before, has expired, or belongs to
    /// another request.
    #[error("invalid or expired requestState")]
    InvalidRequestState,
    /// The server responded with an HTTP status and no message.
    #[error("the server responded with status {0}")]
    Status(StatusCode),
    /// The server did not respond in time.
    #[error("the server did not respond in time")]
    Timeout,
    /// A message of the server exceeds the limit.
    #[error("message from the server exceeds {limit} bytes")]
    TooLarge {
        /// Limit in bytes.
        limit: usize,
    },
    /// The server rejected the credential of the gateway, and has not executed the request.
    #[error("the server rejected the credential")]
    Unauthorized {
        /// Challenge of the server.
        challenge: Challenge,
    },
    /// The client did not answer a request of the server.
    #[error("no answer from the client: {detail}")]
    InputDeclined {
        /// Request of the server, and the reason for the missing answer.
        detail: Arc<str>,
    },
    /// The circuit breaker of the server is open.
    #[error("server unavailable: circuit breaker open")]
    Unavailable {
        /// Time after which to retry.
        retry_after: Duration,
    },
}

impl UpstreamError {
    /// Creates a [`Connect`](Self::Connect) error caused by `error`.
    pub fn connect(error: impl Into<BoxError>) -> Self {
        Self::Connect(Arc::from(error.into()))
    }

    /// Creates a [`NotRunning`](Self::NotRunning) error with a `reason` for callers and a `cause` for
    /// operators.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_core::upstream::UpstreamError;
    ///
    /// let error = UpstreamError::not_running("ImagePullBackOff", "no image at registry.internal");
    /// assert_eq!(error.to_string(), "the server is not running: ImagePullBackOff");
    /// // The breaker would replace the reason by its own.
    /// assert!(!error.is_failure());
    /// ```
    pub fn not_running(reason: impl Into<Arc<str>>, cause: impl Into<BoxError>) -> Self {
        Self::NotRunning {
            reason: reason.into(),
            cause: Arc::from(cause.into()),
        }
    }

    /// Creates an [`Invalid`](Self::Invalid) error with a description of the defect.
    pub fn invalid(detail: impl std::fmt::Display) -> Self {
        Self::Invalid {
            detail: detail.to_string().into(),
        }
    }

    /// Masks the description of an invalid response.
    pub(crate) fn masked(self, mask: &Mask) -> Self {
        match self {
            Self::Invalid { detail } => Self::Invalid {
                detail: mask.apply(&detail).into(),
            },
            other => other,
        }
    }

    /// Converts an error of a body: one of this type is unwrapped, any other becomes
    /// [`Invalid`](Self::Invalid).
    pub(crate) fn of_body(error: BoxError) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => Self::invalid(error),
        }
    }

    /// Returns `true` if the server is at fault, so that the error counts for its circuit breaker.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Closed | Self::Connect(_) | Self::Invalid { .. } | Self::Timeout => true,
            Self::Status(status) => status.is_server_error(),
            Self::HeldBack(_)
            | Self::Unsupported { .. }
            | Self::NotRunning { .. }
            | Self::UnknownServer
            | Self::Overloaded { .. }
            | Self::ParamMismatch { .. }
            | Self::Redirect
            | Self::ReplicaUnavailable
            | Self::InvalidRequestState
            | Self::TooLarge { .. }
            | Self::InputDeclined { .. }
            | Self::Unauthorized { .. }
            | Self::Unavailable { .. } => false,
        }
    }
}

impl From<MessageError> for UpstreamError {
    fn from(error: MessageError) -> Self {
        Self::invalid(error)
    }
}
