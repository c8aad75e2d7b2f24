//! Forms of the parts of the Kubernetes API that a configuration contains as they are.
//!
//! Some versions of the API report an unknown field as a failure of their own, and others drop it
//! silently, so that both are checked here. The forms are in `shapes.json`, by their names:
//!
//! | form | value |
//! |---|---|
//! | `"any"` | any value |
//! | `"flag"` | `true` or `false` |
//! | `"number"` | non-negative whole number |
//! | `"port"` | number or name of a port |
//! | `"text"` | text, which needs quotes if it looks like another value |
//! | `"texts"` | map of any keys to texts |
//! | `["A", "B"]` | one of these texts |
//! | `{ "list": FORM }` | list of values of one form |
//! | `{ "keys": { KEY: FORM }, "required": [KEY] }` | map with these keys |
//! | any other text | form of this name |
//!
//! Keys of recent versions are accepted; an older cluster reports those that it does not have. A
//! patch has no `selector` and no `replicas`: what identifies a Deployment, and the number of its pods,
//! belong to the gateway.

use std::sync::LazyLock;

use serde_json::Value;

use crate::document::{Field, suggestion};

/// Returns the value of `field` as JSON if it has the form `name`; otherwise records errors.
///
/// All errors are recorded at once, each at the value that has it. A value with an error is not
/// returned, because its meaning is not known.
pub(super) fn json(field: &Field<'_>, name: &str) -> Option<Value> {
    let before = field.error_count();
    check(field, &SHAPES[name]);
    (field.error_count() == before).then(|| field.json())
}

/// Checks a value of the form `shape`.
fn check(field: &Field<'_>, shape: &Value) {
    match shape {
        Value::String(name) => check_scalar(field, name),
        Value::Array(known) => check_choice(field, known),
        Value::Object(members) => match members.get("list") {
            Some(item) => check_items(field, item),
            None => check_map(field, shape),
        },
        // A form that does not exist; a test looks for those.
        Value::Null | Value::Bool(_) | Value::Number(_) => field.error("unsupported"),
    }
}

/// Checks a value of one of the simple forms, or of another form by its name.
fn check_scalar(field: &Field<'_>, name: &str) {
    let expected = match (name, field.json()) {
        ("any", _)
        | ("flag", Value::Bool(_))
        | ("text" | "port", Value::String(_))
        | ("texts", Value::Object(_)) => None,
        ("number" | "port", Value::Number(number)) if number.is_u64() => None,
        ("flag", _) => Some("expected true or false"),
        ("number", _) => Some("expected a whole number"),
        ("port", _) => Some("expected the number or name of a port"),
        ("text", _) => Some("expected text, in quotes"),
        ("texts", _) => Some("expected a map"),
        _ => return check(field, &SHAPES[name]),
    };
    if let Some(expected) = expected {
        field.error(expected);
    } else if name == "texts" {
        for (_, member) in field.entries().unwrap_or_default() {
            check_scalar(&member, "text");
        }
    }
}

/// Checks a text that is one of `known`.
fn check_choice(field: &Field<'_>, known: &[Value]) {
    let known: Vec<_> = known.iter().filter_map(Value::as_str).collect();
    match field.json().as_str() {
        Some(text) if known.contains(&text) => {}
        Some(text) => {
            let instead = suggestion(text, &known);
            field.error(format!("unknown value {text:?}; {instead}"));
        }
        None => field.error("expected text, in quotes"),
    }
}

/// Checks the items of a list.
fn check_items(field: &Field<'_>, item: &Value) {
    for field in field.items().unwrap_or_default() {
        check(&field, item);
    }
}

/// Checks the members of a map.
fn check_map(field: &Field<'_>, shape: &Value) {
    let Some(entries) = field.entries() else {
        return;
    };
    let keys = &shape["keys"];
    for (key, member) in entries {
        if let Some(shape) = keys.get(key) {
            check(&member, shape);
            continue;
        }
        let known: Vec<_> = keys.as_object().into_iter().flatten().collect();
        let known: Vec<_> = known.iter().map(|(known, _)| known.as_str()).collect();
        member.error(format!("unknown key {key:?}; {}", suggestion(key, &known)));
    }
    for key in shape["required"].as_array().into_iter().flatten() {
        let key = key.as_str().unwrap_or_default();
        if field.get(key).is_none() {
            field.error(format!("missing key {key:?}"));
        }
    }
}

/// Forms by their names.
static SHAPES: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("shapes.json")).unwrap_or_default());

#[cfg(test)]
mod tests {
    use super::*;

    /// Asserts that `shape` refers to known forms only.
    fn assert_known(shape: &Value) {
        match shape {
            Value::String(name) => {
                let is_simple = ["any", "flag", "number", "port", "text", "texts"];
                assert!(
                    is_simple.contains(&&**name) || !SHAPES[name].is_null(),
                    "{name}"
                );
            }
            Value::Array(known) => assert!(known.iter().all(Value::is_string), "{shape}"),
            Value::Object(members) => match members.get("list") {
                Some(item) => assert_known(item),
                None => {
                    let keys = members["keys"].as_object().unwrap();
                    keys.values().for_each(assert_known);
                    let required = shape["required"].as_array().into_iter().flatten();
                    for key in required {
                        assert!(keys.contains_key(key.as_str().unwrap()), "{key}");
                    }
                }
            },
            _ => panic!("{shape}"),
        }
    }

    #[test]
    fn all_forms_exist() {
        let shapes = SHAPES.as_object().unwrap();
        assert!(shapes.len() > 10, "{shapes:?}");
        shapes.values().for_each(assert_known);
    }
}
