//! Rejections of responses that are forwarded in pieces.

/// Rejection of a server's text that is not the response to the request.
///
/// Always the fault of the server. What has been forwarded before the defect was found cannot be
/// revoked; the stream ends with an error.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// Brackets do not match or are nested too deep, or a key is not a string.
    #[error("the response is not valid JSON")]
    Malformed,
    /// The message has not exactly one of `result` and `error`, or it has a `method`.
    #[error("the response must have exactly one of result and error")]
    NotAResponse,
    /// Another value follows the response.
    #[error("trailing data after the response")]
    Trailing,
    /// The text ends before the response is complete.
    #[error("the response is truncated")]
    Truncated,
    /// The response has the identifier of another request.
    #[error("the response has the id of another request")]
    WrongId,
}
