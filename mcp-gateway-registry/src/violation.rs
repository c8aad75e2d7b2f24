//! Violations of invalid fields.

use serde::Serialize;
use utoipa::ToSchema;

/// Violation of an invalid field.
///
/// # Example
///
/// ```
/// use mcp_gateway_registry::Violation;
///
/// let violation = Violation::new("remote.url", "expected a URL");
/// assert_eq!(violation.path, "remote.url");
/// ```
#[derive(Clone, Debug, Eq, PartialEq, Serialize, ToSchema)]
#[non_exhaustive]
pub struct Violation {
    /// Path of the field, such as `remote.url`; empty for the whole body.
    pub path: String,
    /// Description of the violation.
    pub message: String,
}

impl Violation {
    /// Creates a violation of the field at `path`.
    #[must_use]
    pub fn new(path: &str, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            message: message.into(),
        }
    }
}
