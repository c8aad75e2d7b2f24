//! Canonical JSON text, for values that are compared or hashed.
//!
//! Used where two requests must be recognized as the same although a client has written them in
//! different ways, such as a retry and its original.

use serde_json::Value;

/// Returns the JSON text of `value` in a form that does not depend on its spelling: without
/// whitespace, and with the keys of every object sorted.
///
/// Numbers are written as `serde_json` writes them, so `1` and `1.0` differ.
pub(crate) fn canonical(value: &Value) -> String {
    let mut json = String::new();
    write_sorted(value, &mut json);
    json
}

/// Appends `value` to `json` with the keys of its objects sorted.
///
/// A [`Map`](serde_json::Map) is sorted already unless a crate of the build enables
/// `serde_json/preserve_order`.
fn write_sorted(value: &Value, json: &mut String) {
    match value {
        Value::Array(items) => {
            let separators = std::iter::once("[").chain(std::iter::repeat(","));
            for (separator, item) in separators.zip(items) {
                json.push_str(separator);
                write_sorted(item, json);
            }
            json.push_str(if items.is_empty() { "[]" } else { "]" });
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by_key(|(key, _)| *key);
            let separators = std::iter::once("{").chain(std::iter::repeat(","));
            for (separator, (key, value)) in separators.zip(&members) {
                json.push_str(separator);
                json.push_str(&Value::from(key.as_str()).to_string());
                json.push(':');
                write_sorted(value, json);
            }
            json.push_str(if members.is_empty() { "{}" } else { "}" });
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => {
            json.push_str(&value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_does_not_matter_how_a_value_was_written() {
        let value = serde_json::from_str(r#" {"b":[1, "x", {}], "a":{"d":null,"c":[]}} "#).unwrap();
        assert_eq!(
            canonical(&value),
            r#"{"a":{"c":[],"d":null},"b":[1,"x",{}]}"#
        );
    }
}
