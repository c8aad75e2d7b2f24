//! Steps of a detection, and the events that lead from one to the next.

use std::fmt;
use std::sync::Arc;

use http::StatusCode;

use super::super::UpstreamProtocol;
use crate::error::UpstreamError;
use crate::jsonrpc::code;
use crate::protocol::ProtocolVersion;

/// Next action of the handshake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::upstream) enum Step {
    /// Send `server/discover`.
    Discover {
        /// `true` if the connection must be replaced before; a program is started again.
        fresh: bool,
        /// Time to wait for an answer.
        limit: Limit,
    },
    /// The protocol is detected, and the handshake complete.
    Done(UpstreamProtocol),
    /// No protocol works.
    Fail,
    /// Send `initialize`.
    Initialize {
        /// Protocol version to request.
        version: ProtocolVersion,
        /// `true` if the connection must be replaced before; a program is started again.
        fresh: bool,
        /// Time to wait for an answer.
        limit: Limit,
    },
    /// Send `initialize` over the HTTP+SSE event stream.
    InitializeSse {
        /// Protocol version to request.
        version: ProtocolVersion,
    },
    /// Send `notifications/initialized`.
    Notify,
    /// Open the event stream of HTTP+SSE.
    OpenEventStream,
    /// Wait for the answers that are due.
    Wait(Limit),
}

/// Time to wait for an answer before [`Event::Quiet`] is reported.
///
/// For programs, `Share` and `Probe` begin with the first sign of life: the read of the request, or
/// where that is not observed, a byte on standard output or standard error.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::upstream) enum Limit {
    /// Limit of a probe.
    Probe,
    /// All of the time that is left.
    Rest,
    /// Half of the time that is left, after another start of the program has been set aside.
    Share,
}

/// Request of the handshake.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::upstream) enum Request {
    /// `server/discover`.
    Discover,
    /// GET request for the event stream of HTTP+SSE, up to its `endpoint` event.
    EventStream,
    /// `initialize`.
    Initialize,
    /// `initialize` over HTTP+SSE.
    InitializeSse,
    /// `notifications/initialized`, over any transport.
    Initialized,
}

/// Input of a detection.
#[derive(Clone, Debug)]
pub(in crate::upstream) enum Event {
    /// The server accepted a request.
    Accepted(Request),
    /// The limit of the last step has passed without an answer. Requests stay pending.
    Quiet,
    /// The server did not accept a request.
    Rejected(Request, Rejection),
}

/// Failure of a request.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Rejection {
    /// Kind of the failure.
    pub(in crate::upstream) cause: Cause,
    /// Error to report if the detection fails.
    pub(in crate::upstream) error: UpstreamError,
    /// Description of what the server answered.
    pub(in crate::upstream) answer: Arc<str>,
}

/// Kind of a failure, as far as the detection distinguishes it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::upstream) enum Cause {
    /// The event stream or the connection ended before the answer; over stdio the program exited
    /// or closed its output.
    Closed,
    /// JSON-RPC error, with any HTTP status.
    Error {
        /// Its code.
        code: i64,
    },
    /// Discover result without required members.
    Incomplete,
    /// Anything with a success status that is no answer: HTML, no content, invalid JSON.
    Invalid,
    /// HTTP status without a JSON-RPC message.
    Status(StatusCode),
    /// No connection could be established.
    Unreachable,
    /// The server lists the protocol versions that it supports, and the requested one is not among
    /// them.
    Unsupported {
        /// Those of the versions that the gateway supports, too.
        versions: Vec<ProtocolVersion>,
    },
}

impl Rejection {
    /// Creates the failure of a request.
    pub(in crate::upstream) fn new(
        cause: Cause,
        error: UpstreamError,
        answer: impl Into<Arc<str>>,
    ) -> Self {
        Self {
            cause,
            error,
            answer: answer.into(),
        }
    }
}

impl Cause {
    /// Returns `true` if the failure is no evidence against the protocol of the request: it may
    /// succeed when it is repeated.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::Closed => true,
            Self::Error { code } => *code != code::METHOD_NOT_FOUND,
            Self::Status(status) => {
                status.is_server_error()
                    || matches!(
                        *status,
                        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
                    )
            }
            Self::Incomplete | Self::Invalid | Self::Unreachable | Self::Unsupported { .. } => {
                false
            }
        }
    }

    /// Returns `true` if the failure of `initialize` is one of a server that has the method: an
    /// internal error, or one that the server defines.
    pub(super) fn is_legacy(&self) -> bool {
        let Self::Error { code } = self else {
            return false;
        };
        *code == code::INTERNAL_ERROR || !RESERVED.contains(code)
    }

    /// Returns `true` if another version may be accepted although the server lists none.
    pub(super) fn may_concern_version(&self) -> bool {
        matches!(
            self,
            Self::Error {
                code: code::INVALID_PARAMS | code::INVALID_REQUEST
            }
        )
    }

    /// Returns `true` if the same answer is to be expected whatever the request: the credential is
    /// rejected, the server is busy, or it is elsewhere.
    pub(super) fn concerns_all(&self) -> bool {
        match self {
            Self::Status(status) => {
                status.is_redirection()
                    || matches!(
                        *status,
                        StatusCode::TOO_MANY_REQUESTS | StatusCode::UNAUTHORIZED
                    )
            }
            _ => false,
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Discover => "server/discover",
            Self::EventStream => "HTTP+SSE event stream",
            Self::Initialize => "initialize",
            Self::InitializeSse => "initialize over HTTP+SSE",
            Self::Initialized => "notifications/initialized",
        })
    }
}

/// Codes that JSON-RPC reserves.
const RESERVED: std::ops::RangeInclusive<i64> = -32768..=-32000;
