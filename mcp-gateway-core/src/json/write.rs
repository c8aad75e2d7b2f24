//! Serialization of JSON text from parts that are JSON text already.

use std::borrow::Cow;
use std::fmt::Write as _;

/// Returns the JSON text of an object whose values are JSON texts, in the order of `members`.
///
/// Keys are escaped. Values are inserted unchanged, so each of them must be valid JSON text.
pub(crate) fn object_json(members: &[(&str, Cow<'_, str>)]) -> String {
    let mut json = String::from("{");
    for (at, (key, value)) in members.iter().enumerate() {
        let separator = if at == 0 { "" } else { "," };
        // Writing to a string is infallible.
        let _ = write!(json, "{separator}{}:{value}", string_json(key));
    }
    json.push('}');
    json
}

/// Returns the JSON text of a string: `text` escaped and in quotes.
pub(crate) fn string_json(text: &str) -> String {
    match text.bytes().any(needs_escape) {
        true => serde_json::Value::from(text).to_string(),
        false => ["\"", text, "\""].concat(),
    }
}

/// Returns `true` if a JSON string cannot contain `byte` as it is.
fn needs_escape(byte: u8) -> bool {
    byte < b' ' || matches!(byte, b'"' | b'\\')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::string_json;

    proptest! {
        #[test]
        fn a_string_is_written_as_serde_json_does(text in ".*|[ -~\\x00-\\x1f]*") {
            prop_assert_eq!(string_json(&text), serde_json::Value::from(text).to_string());
        }
    }
}
