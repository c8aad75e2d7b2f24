//! An error and its causes as text.

use std::error::Error;
use std::fmt::Write as _;

/// Returns an error and its causes in one line, separated by colons.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::auth::AuthError;
/// use mcp_gateway_core::{Error, error_chain};
///
/// let error = Error::Auth(AuthError::MissingToken);
/// assert!(error_chain(&error).starts_with("the caller is not authenticated: "));
/// ```
#[must_use]
pub fn error_chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        // Writing to a string does not fail.
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
