//! Errors of HTTP requests that violate the protocol.
//!
//! See [MCP 2026-07-28, Streamable
//! HTTP](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http).

use std::borrow::Cow;
use std::time::Duration;

use super::BoxError;

/// Rejection of an HTTP request that violates the protocol.
///
/// Always the fault of the client, or of an intermediary between it and the gateway.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The `Accept` header excludes the only content type of a stream.
    #[error("the Accept header must include text/event-stream")]
    Accept,
    /// The body could not be read completely.
    #[error("failed to read the body")]
    Body(#[source] BoxError),
    /// The body did not arrive in time.
    #[error("the body did not arrive within {} seconds", BODY_TIMEOUT.as_secs())]
    BodyTimeout,
    /// The body has a content type other than JSON.
    #[error("the Content-Type must be application/json")]
    ContentType,
    /// Another request of the session with the same identifier is in flight.
    #[error("duplicate id: a request with this id is in flight")]
    DuplicateId,
    /// A header is missing or contradicts the body.
    #[error("header mismatch: {detail}")]
    HeaderMismatch {
        /// Description of the defect.
        detail: Cow<'static, str>,
    },
    /// The request names a host that is not one of this gateway.
    #[error("host {host:?} is not allowed; add it to the configuration of the gateway")]
    Host {
        /// Host of the request.
        host: String,
    },
    /// The endpoint does not support the HTTP method.
    #[error("method not allowed: use GET, POST or DELETE")]
    HttpMethod,
    /// A required member of `_meta` is missing or invalid.
    #[error("params._meta[{key:?}] {detail}")]
    InvalidMeta {
        /// Key of the member.
        key: &'static str,
        /// Description of the defect.
        detail: &'static str,
    },
    /// A parameter is invalid.
    #[error("invalid params: {detail}")]
    InvalidParams {
        /// Description of the defect.
        detail: Cow<'static, str>,
    },
    /// The request has neither a session nor the context of a request without one.
    #[error(
        "the request has no session: send initialize first and its Mcp-Session-Id from then on, \
         or send the _meta of revision 2026-07-28"
    )]
    MissingSession,
    /// The request comes from a web page whose origin is not allowed.
    #[error("origin {origin:?} is not allowed; add it to the configuration of the gateway")]
    Origin {
        /// Origin of the page.
        origin: String,
    },
    /// The body exceeds the limit.
    #[error("the body exceeds {limit} bytes")]
    TooLarge {
        /// Limit in bytes.
        limit: usize,
    },
    /// A message of this kind is not allowed here.
    #[error("unexpected message: {what}")]
    UnexpectedMessage {
        /// Kind of the message.
        what: Cow<'static, str>,
    },
    /// The stream to resume is unknown or has expired.
    #[error("unknown or expired event ID")]
    UnknownEventStream,
    /// The protocol version of the request is not supported.
    #[error("unsupported protocol version {requested:?}")]
    UnsupportedProtocolVersion {
        /// Requested version.
        requested: String,
    },
}

/// Maximum time for the body to arrive.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(60);
