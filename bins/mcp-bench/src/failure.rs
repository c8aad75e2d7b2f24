//! Why a call did not succeed.

use std::error::Error as _;
use std::fmt::Write as _;
use std::io;

/// What an error of a foreign library is carried as.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How much of a server's own words a message repeats.
const QUOTE_LIMIT: usize = 160;

/// Why a call did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The server closed the connection where an answer was due.
    #[error("the connection was closed before the answer was complete")]
    Closed,
    /// No connection could be made.
    #[error("cannot connect")]
    Connect(#[source] BoxError),
    /// The tool wants input from the user, which a load generator has not.
    #[error("the result is of type {0:?}, not \"complete\"")]
    Incomplete(String),
    /// The connection broke.
    #[error("the connection broke")]
    Io(#[from] io::Error),
    /// The answer is not the JSON that JSON-RPC prescribes.
    #[error("the answer is not a JSON-RPC response: {quote:?}")]
    Json {
        /// The beginning of the answer.
        quote: String,
        /// Where the parser stopped.
        source: serde_json::Error,
    },
    /// The answer is not HTTP/1.1.
    #[error("the answer is not HTTP/1.1: {0}")]
    Malformed(&'static str),
    /// The call ended at once.
    #[error("the server required no input")]
    NoQuestion,
    /// The answer was well-formed, and held no response to the request.
    #[error("the answer holds no response to the request")]
    NoResponse,
    /// The server answered with a JSON-RPC error.
    #[error("JSON-RPC error {code}: {message}")]
    Rpc {
        /// The code of the error.
        code: i64,
        /// The message of the error.
        message: String,
    },
    /// The HTTP status says that the request failed.
    #[error("HTTP status {status}: {quote:?}")]
    Status {
        /// The status.
        status: u16,
        /// The beginning of the body.
        quote: String,
    },
    /// There was no complete answer in time.
    #[error("no complete answer within the time limit")]
    Timeout,
    /// The tool reported that it failed.
    #[error("the tool failed: {0}")]
    Tool(String),
    /// The answer is to another request.
    #[error("the answer has another id than the request")]
    WrongId,
    /// The content type is not the one that was asked for.
    #[error("the answer is not an event stream")]
    WrongType,
}

impl Failure {
    /// The failure that an unsuccessful HTTP status means.
    pub(crate) fn status(status: u16, body: &[u8]) -> Self {
        Self::Status {
            status,
            quote: quote(body),
        }
    }

    /// The message together with those of its causes.
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

/// The beginning of `body`, fit to be shown.
pub(crate) fn quote(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(body);
    match text.char_indices().nth(QUOTE_LIMIT) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.into_owned(),
    }
}
