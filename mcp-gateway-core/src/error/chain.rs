//! Text of an error with its causes, for logs.

use std::error::Error;
use std::fmt::Write as _;

/// Returns an error and its causes in one line, separated by `": "`, the outermost first.
///
/// Errors of this crate describe their own level only, so a log needs the whole chain. The text may
/// name servers, addresses and files: it is for operators, not for clients.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::auth::AuthError;
/// use mcp_gateway_core::{Error, error_chain};
///
/// let error = Error::Auth(AuthError::MissingToken);
/// assert_eq!(error_chain(&error), "authentication failed: missing token");
/// ```
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string is infallible.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
