//! Lenient access to the fields of published files.

use serde_json::Value;

/// Returns the member `key` of `value`, or its older name with underscores.
pub(super) fn field<'a>(value: &'a Value, key: &str) -> Option<&'a Value> {
    let member = value.get(key).or_else(|| value.get(snake_case(key)));
    member.filter(|member| !member.is_null())
}

/// Returns the text of a member; empty texts and other types do not count.
pub(super) fn text<'a>(value: &'a Value, key: &str) -> Option<&'a str> {
    let text = field(value, key)?.as_str()?.trim();
    (!text.is_empty()).then_some(text)
}

/// Returns the text of a scalar member, which may be empty, and may be a number or a boolean.
pub(super) fn scalar(value: &Value, key: &str) -> Option<String> {
    match field(value, key)? {
        Value::String(text) => Some(text.clone()),
        scalar @ (Value::Bool(_) | Value::Number(_)) => Some(scalar.to_string()),
        _ => None,
    }
}

/// Returns `true` if a member is `true`, also as text.
pub(super) fn flag(value: &Value, key: &str) -> bool {
    scalar(value, key).is_some_and(|text| text == "true")
}

/// Returns the items of a list; none if it is missing or is not a list.
pub(super) fn items<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    let list = field(value, key).and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// Returns `key` with underscores instead of capitals.
fn snake_case(key: &str) -> String {
    let mut snake = String::new();
    for character in key.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_have_two_spellings_and_several_types() {
        let value =
            json!({ "is_required": "true", "runtimeHint": " npx ", "value": 5, "name": "" });
        assert!(flag(&value, "isRequired"));
        assert_eq!(text(&value, "runtimeHint"), Some("npx"));
        assert_eq!(scalar(&value, "value").as_deref(), Some("5"));
        assert_eq!((text(&value, "name"), text(&value, "x")), (None, None));
        assert!(items(&value, "value").is_empty());
    }
}
