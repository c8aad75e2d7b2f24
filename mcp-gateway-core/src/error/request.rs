use std::borrow::Cow;
use std::time::Duration;

use super::BoxError;

/// Why an HTTP request is not one that the protocol knows.
///
/// Always the fault of the client, or of what is between it and the gateway.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The client does not take the only type that a stream has.
    #[error("the Accept header must include text/event-stream")]
    Accept,
    /// The body could not be read to its end.
    #[error("the body could not be read to its end")]
    Body(#[source] BoxError),
    /// The body did not arrive in time.
    #[error("the body did not arrive within {} seconds", BODY_TIMEOUT.as_secs())]
    BodyTimeout,
    /// The body is something else than JSON.
    #[error("the Content-Type must be application/json")]
    ContentType,
    /// Another request of the session has the same identifier and is not answered yet.
    #[error("a request with this id is not answered yet")]
    DuplicateId,
    /// A header is missing, or says something else than the body.
    #[error("header mismatch: {detail}")]
    HeaderMismatch {
        /// What is wrong.
        detail: Cow<'static, str>,
    },
    /// The request is for a host that this gateway is not.
    #[error("{host:?} is not a host name of this gateway; its configuration can add it")]
    Host {
        /// The host that the request is for.
        host: String,
    },
    /// The endpoint has no such HTTP method.
    #[error("the endpoint has the methods GET, POST and DELETE")]
    HttpMethod,
    /// A key of `_meta` that every request needs is missing or is not what it should be.
    #[error("params._meta[{key:?}] {detail}")]
    InvalidMeta {
        /// The key.
        key: &'static str,
        /// What is wrong.
        detail: &'static str,
    },
    /// A parameter is not what the method takes.
    #[error("invalid params: {detail}")]
    InvalidParams {
        /// What is wrong.
        detail: Cow<'static, str>,
    },
    /// The request needs a session, or the context of a request without one.
    #[error(
        "the request has no session: begin one with initialize and send its Mcp-Session-Id, \
         or send the _meta of revision 2026-07-28"
    )]
    MissingSession,
    /// The request comes from a web page that may not call this gateway.
    #[error("{origin:?} is not an origin that may call this gateway; its configuration can add it")]
    Origin {
        /// Where the page is from.
        origin: String,
    },
    /// The body is larger than the gateway takes.
    #[error("the body is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
    },
    /// The message is of a kind that is not expected here.
    #[error("{what} cannot be sent here")]
    UnexpectedMessage {
        /// What was sent.
        what: Cow<'static, str>,
    },
    /// The stream that the client wants to resume is not known, or not any more.
    #[error("the stream of that event is not known any more")]
    UnknownStream,
    /// The revision of the request is not spoken here.
    #[error("unsupported protocol version {requested:?}")]
    UnsupportedVersion {
        /// The revision.
        requested: String,
    },
}

/// How long a client may take to send a body.
pub(crate) const BODY_TIMEOUT: Duration = Duration::from_secs(60);
