//! Failures of calls.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;

/// Error of another library.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Length of quoted server output.
const QUOTE_LIMIT: usize = 160;

/// Reason for the failure of a call.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The server closed the connection before the response.
    #[error("connection closed before the response was complete")]
    Closed,
    /// The connection could not be opened.
    #[error("cannot connect")]
    Connect(#[source] BoxError),
    /// The tool requires input, which a load generator cannot provide.
    #[error("unexpected result type {0:?}, expected \"complete\"")]
    Incomplete(String),
    /// The connection broke.
    #[error("connection error")]
    Io(#[from] io::Error),
    /// The response is not JSON-RPC.
    #[error("invalid JSON-RPC response: {quote:?}")]
    Json {
        /// Beginning of the response.
        quote: String,
        /// Position at which the parser stopped.
        source: serde_json::Error,
    },
    /// The response is not HTTP/1.1.
    #[error("invalid HTTP/1.1 response: {0}")]
    Malformed(&'static str),
    /// The call completed without an input request.
    #[error("the server did not require input")]
    NoQuestion,
    /// The body contains no response to the request.
    #[error("no response to the request")]
    NoResponse,
    /// The server returned a JSON-RPC error.
    #[error("JSON-RPC error {code}: {message}")]
    Rpc {
        /// Error code.
        code: i64,
        /// Error message.
        message: String,
    },
    /// The server returned an HTTP error.
    #[error("HTTP status {status}: {quote:?}")]
    Status {
        /// Status code.
        status: u16,
        /// Beginning of the body.
        quote: String,
    },
    /// The response was not complete in time.
    #[error("timeout")]
    Timeout,
    /// The tool reported an error.
    #[error("tool error: {0}")]
    Tool(String),
    /// The response has another ID.
    #[error("response ID mismatch")]
    WrongId,
    /// The response has an unexpected content type.
    #[error("the response is not an event stream")]
    WrongType,
}

impl Failure {
    /// Creates the failure for an HTTP error.
    pub(crate) fn status(status: u16, body: &[u8]) -> Self {
        Self::Status {
            status,
            quote: quote(body),
        }
    }

    /// Formats the error and its causes.
    pub(crate) fn chain(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            let _ = write!(text, ": {error}");
            cause = error.source();
        }
        text
    }
}

/// Returns the printable beginning of `body`.
pub(crate) fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    match text.char_indices().nth(QUOTE_LIMIT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into_owned(),
    }
}
