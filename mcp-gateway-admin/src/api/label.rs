//! Names that people choose.

use utoipa::ToSchema;

use super::problem::ApiError;

/// Name that people choose: of a team, a token or a client.
#[derive(ToSchema)]
#[schema(
    pattern = "^[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$",
    max_length = 256
)]
#[expect(dead_code, reason = "it documents the rules of `check_name`")]
pub(super) struct Label(String);

/// Validates a name that people choose, in the field at `path`.
pub(super) fn check_name(path: &str, name: &str) -> Result<(), ApiError> {
    let is_printable = !name.contains(char::is_control) && !name.starts_with(char::is_whitespace);
    match is_printable && !name.is_empty() && name.chars().count() <= MAX_NAME {
        true => Ok(()),
        false => {
            let message = format!("expected printable text of up to {MAX_NAME} characters");
            Err(ApiError::invalid(path, message))
        }
    }
}

/// Maximum length of a name in characters.
const MAX_NAME: usize = 256;
