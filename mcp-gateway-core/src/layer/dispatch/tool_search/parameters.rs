//! Parameters of a tool in one line.

use serde_json::Value;

/// Characters of a description that are kept.
const LONGEST: usize = 100;

/// Returns the parameters of a tool, such as `city!: string; days: integer - Length of the forecast`.
/// Required ones are marked and come first.
pub(super) fn compact(schema: &Value) -> String {
    let Some(properties) = schema["properties"].as_object() else {
        return String::new();
    };
    let is_required = |name: &String| {
        schema["required"]
            .as_array()
            .is_some_and(|names| names.iter().any(|it| it == name))
    };
    let mut names: Vec<_> = properties.keys().collect();
    names.sort_by_key(|name| !is_required(name));
    let one = |name: &&String| {
        let schema = &properties[*name];
        let mark = if is_required(name) { "!" } else { "" };
        let kind = match (&schema["type"], &schema["enum"]) {
            (_, Value::Array(values)) => values
                .iter()
                .map(Value::to_string)
                .collect::<Vec<_>>()
                .join("|"),
            (Value::String(kind), _) => kind.clone(),
            _ => "any".to_owned(),
        };
        let description = schema["description"]
            .as_str()
            .map(short)
            .unwrap_or_default();
        format!("{name}{mark}: {kind}{description}")
    };
    names.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn short(description: &str) -> String {
    let line = description.lines().next().unwrap_or_default();
    let text: String = line.chars().take(LONGEST).collect();
    format!(
        " - {text}{}",
        if text.len() < line.len() { "…" } else { "" }
    )
}

/// Returns the first reason why `arguments` do not match a schema at its top level.
pub(super) fn mismatch(schema: &Value, arguments: &Value) -> Option<String> {
    let Some(given) = arguments.as_object() else {
        return Some("the arguments are not an object".to_owned());
    };
    let required = schema["required"].as_array().into_iter().flatten();
    let missing = required
        .filter_map(Value::as_str)
        .find(|name| !given.contains_key(*name));
    if let Some(name) = missing {
        return Some(format!("{name:?} is missing"));
    }
    if schema["additionalProperties"] == false && schema["patternProperties"].is_null() {
        let properties = schema["properties"].as_object();
        let is_known = |name: &String| properties.is_some_and(|known| known.contains_key(name));
        let unknown = given.keys().find(|name| !is_known(name));
        return unknown.map(|name| format!("{name:?} is unknown"));
    }
    None
}
