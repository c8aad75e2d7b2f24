//! Base64 texts of binary content.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};

/// Returns the content of a Base64 text; `None` if it is none.
pub(super) fn decoded(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=');
    STANDARD_NO_PAD.decode(text).ok()
}

/// Returns the Base64 text of `content`.
pub(super) fn encoded(content: &str) -> String {
    STANDARD.encode(content)
}
