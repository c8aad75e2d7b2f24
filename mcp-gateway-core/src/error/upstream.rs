use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, StatusCode};

use super::BoxError;
use crate::jsonrpc::MessageError;
use crate::protocol::Era;

/// Why a server gave no response.
///
/// An error that the *server* reports is a response, and passes through.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpstreamError {
    /// The connection ended before the response; the server may have done what it was asked.
    #[error("the connection ended before the response")]
    Closed,
    /// The server cannot be reached, or does not start.
    #[error("the server cannot be reached")]
    Connect(#[source] Arc<dyn std::error::Error + Send + Sync>),
    /// What the server wants does not exist in the revision that the client speaks.
    #[error("{what} of a {server} server does not reach a {} client", .server.other())]
    Era {
        /// What cannot be carried over.
        what: &'static str,
        /// The era of the server.
        server: Era,
    },
    /// What the server sent is not the answer to what it was asked.
    #[error("the server does not answer as it should: {detail}")]
    Invalid {
        /// What is wrong.
        detail: Arc<str>,
    },
    /// There is no server of that name.
    #[error("there is no such server")]
    NotFound,
    /// The server, or the gateway on its behalf, takes no more calls at present.
    #[error("the server takes no more calls at present")]
    Overloaded {
        /// When to try again.
        retry_after: Duration,
    },
    /// A header of the client says something else than the argument that it mirrors.
    #[error("header {header} does not match the argument that it mirrors")]
    ParamMismatch {
        /// The header.
        header: HeaderName,
    },
    /// The server wants to be found somewhere else, which the gateway does not follow.
    #[error("the server redirects to another address; configure that address instead")]
    Redirect,
    /// What the client answers was waited for by another replica of the gateway, which cannot be
    /// reached any more.
    #[error("the replica of the gateway that had the call is gone; make the call again")]
    ReplicaGone,
    /// The state that a client brings along is not one of a call that waits for this request: it was
    /// used before, has expired, or belongs to something else.
    #[error("no call waits for this request state")]
    RequestState,
    /// The server answered with a status that says nothing more.
    #[error("the server answered with status {0}")]
    Status(StatusCode),
    /// The server did not answer in time.
    #[error("the server did not answer in time")]
    Timeout,
    /// A message of the server is larger than the gateway takes.
    #[error("a message of the server is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The server does not accept the credential that the gateway presents.
    #[error("the server does not accept the credential of the gateway")]
    Unauthorized,
    /// The client has not answered what the server asked.
    #[error("the client has not answered what the server asked: {detail}")]
    Unanswered {
        /// What was asked, and why there is no answer.
        detail: Arc<str>,
    },
    /// The server failed often lately, and is left alone for a while.
    #[error("the server failed often lately, and is left alone for a while")]
    Unavailable {
        /// When to try again.
        retry_after: Duration,
    },
}

impl UpstreamError {
    /// The server cannot be reached because of `error`.
    pub fn connect(error: impl Into<BoxError>) -> Self {
        Self::Connect(Arc::from(error.into()))
    }

    /// What the server sent is wrong in the way that `detail` says.
    pub fn invalid(detail: impl std::fmt::Display) -> Self {
        Self::Invalid {
            detail: detail.to_string().into(),
        }
    }

    /// What broke off while a document was read.
    pub(crate) fn of_body(error: BoxError) -> Self {
        match error.downcast::<Self>() {
            Ok(error) => *error,
            Err(error) => Self::invalid(error),
        }
    }

    /// Whether the server is at fault, so that it may be left alone for a while.
    #[must_use]
    pub fn is_failure(&self) -> bool {
        match self {
            Self::Closed | Self::Connect(_) | Self::Invalid { .. } | Self::Timeout => true,
            Self::Status(status) => status.is_server_error(),
            Self::Era { .. }
            | Self::NotFound
            | Self::Overloaded { .. }
            | Self::ParamMismatch { .. }
            | Self::Redirect
            | Self::ReplicaGone
            | Self::RequestState
            | Self::TooLarge { .. }
            | Self::Unanswered { .. }
            | Self::Unauthorized
            | Self::Unavailable { .. } => false,
        }
    }
}

impl From<MessageError> for UpstreamError {
    fn from(error: MessageError) -> Self {
        Self::invalid(error)
    }
}
