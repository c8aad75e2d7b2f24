//! TypeScript declarations of tools.

use std::fmt::Write as _;

use serde_json::Value;

/// Returns the declaration of a function, such as
/// `tools.weather.forecast(input: { city: string; days?: number }): Promise<unknown>`.
///
/// It has at most [`LONGEST`] characters for each of the types, and nothing of a type that is larger.
pub(super) fn declaration(path: &str, definition: &Value) -> String {
    let input = &definition["inputSchema"];
    let has_members = input["properties"]
        .as_object()
        .is_some_and(|properties| !properties.is_empty());
    let parameters = match has_members {
        true => format!("input: {}", bounded(input, "Record<string, unknown>")),
        false => String::new(),
    };
    let output = match &definition["outputSchema"] {
        Value::Null => "unknown".to_owned(),
        output => bounded(output, "unknown"),
    };
    format!("{path}({parameters}): Promise<{output}>")
}

/// Returns the type of a schema, or `otherwise` if it is too long.
fn bounded(schema: &Value, otherwise: &str) -> String {
    for depth in (1..=DEEPEST).rev() {
        let text = Types { root: schema }.of(schema, depth);
        if text.len() <= LONGEST {
            return text;
        }
    }
    otherwise.to_owned()
}

/// Types of a schema with its definitions.
struct Types<'a> {
    root: &'a Value,
}

impl Types<'_> {
    /// Returns the type of a part of the schema, down to `depth`.
    fn of(&self, schema: &Value, depth: usize) -> String {
        if depth == 0 {
            return "unknown".to_owned();
        }
        if let Some(target) = schema["$ref"].as_str().and_then(|it| self.definition(it)) {
            return self.of(target, depth - 1);
        }
        if let Some(values) = schema["enum"].as_array() {
            return joined(values.iter().map(Value::to_string), " | ");
        }
        if let Some(value) = schema.get("const") {
            return value.to_string();
        }
        for (key, operator) in [("anyOf", " | "), ("oneOf", " | "), ("allOf", " & ")] {
            if let Some(parts) = schema[key].as_array().filter(|parts| !parts.is_empty()) {
                return joined(parts.iter().map(|part| self.of(part, depth - 1)), operator);
            }
        }
        match &schema["type"] {
            Value::String(name) => self.named(name, schema, depth),
            Value::Array(names) => {
                let names = names.iter().filter_map(Value::as_str);
                joined(names.map(|name| self.named(name, schema, depth)), " | ")
            }
            _ if schema["properties"].is_object() => self.object(schema, depth),
            _ => "unknown".to_owned(),
        }
    }

    fn named(&self, name: &str, schema: &Value, depth: usize) -> String {
        match name {
            "array" => match self.of(&schema["items"], depth - 1) {
                item if item.contains([' ', '&', '|']) && !item.starts_with('{') => {
                    format!("({item})[]")
                }
                item => format!("{item}[]"),
            },
            "boolean" | "null" | "string" => name.to_owned(),
            "integer" | "number" => "number".to_owned(),
            "object" => self.object(schema, depth),
            _ => "unknown".to_owned(),
        }
    }

    fn object(&self, schema: &Value, depth: usize) -> String {
        let Some(properties) = schema["properties"].as_object().filter(|it| !it.is_empty()) else {
            return match &schema["additionalProperties"] {
                values @ Value::Object(_) => {
                    format!("Record<string, {}>", self.of(values, depth - 1))
                }
                _ => "Record<string, unknown>".to_owned(),
            };
        };
        let required = |name: &String| {
            let names = schema["required"].as_array();
            names.is_some_and(|names| names.iter().any(|it| it == name))
        };
        let mut text = "{ ".to_owned();
        for (name, schema) in properties {
            let mark = if required(name) { "" } else { "?" };
            let kind = self.of(schema, depth - 1);
            let comment = schema["description"]
                .as_str()
                .map(comment)
                .unwrap_or_default();
            // A text cannot fail to be written to.
            let _ = write!(text, "{}{mark}: {kind};{comment} ", key(name));
        }
        text.push('}');
        text
    }

    /// Returns the definition that a reference within the schema names.
    fn definition(&self, reference: &str) -> Option<&Value> {
        self.root.pointer(reference.strip_prefix('#')?)
    }
}

fn joined(parts: impl Iterator<Item = String>, operator: &str) -> String {
    let mut parts: Vec<_> = parts.collect();
    parts.dedup();
    parts.join(operator)
}

/// Returns the name of a member, quoted unless it is an identifier.
fn key(name: &str) -> String {
    let is_part = |character: char| character.is_ascii_alphanumeric() || "_$".contains(character);
    let is_identifier =
        name.chars().all(is_part) && !name.starts_with(|it: char| it.is_ascii_digit());
    match is_identifier && !name.is_empty() {
        true => name.to_owned(),
        false => Value::from(name).to_string(),
    }
}

/// Returns the first line of a description as a comment.
fn comment(description: &str) -> String {
    let line = description.lines().next().unwrap_or_default();
    let short: String = line
        .chars()
        .filter(|it| !it.is_control())
        .take(LONGEST_COMMENT)
        .collect();
    let short = short.replace("*/", "* /");
    match short.trim() {
        "" => String::new(),
        short => format!(" /* {short} */"),
    }
}

/// Levels of a type that are shown.
const DEEPEST: usize = 6;

/// Characters of a type that are shown.
const LONGEST: usize = 2_000;

/// Characters of a comment.
const LONGEST_COMMENT: usize = 100;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(schema: &Value, expected: &str) {
        assert_eq!(bounded(schema, "unknown"), expected);
    }

    #[test]
    fn types_of_schemas() {
        check(&json!({ "type": "integer" }), "number");
        check(&json!({ "type": ["string", "null"] }), "string | null");
        check(&json!({ "enum": ["a", 1] }), "\"a\" | 1");
        check(
            &json!({ "type": "array", "items": { "enum": ["a", "b"] } }),
            "(\"a\" | \"b\")[]",
        );
        check(
            &json!({ "anyOf": [{ "type": "string" }, { "type": "number" }] }),
            "string | number",
        );
        check(&json!({ "type": "object" }), "Record<string, unknown>");
        check(
            &json!({ "type": "object", "additionalProperties": { "type": "number" } }),
            "Record<string, number>",
        );
        check(&json!(true), "unknown");
        let point = json!({
            "type": "object",
            "properties": {
                "x": { "$ref": "#/$defs/size" },
                "the-name": { "type": "string", "description": "Of it */\nmore" },
            },
            "required": ["x"],
            "$defs": { "size": { "type": "number" } },
        });
        let text = bounded(&point, "unknown");
        assert!(text.contains("x: number;"), "{text}");
        assert!(
            text.contains("\"the-name\"?: string; /* Of it * / */"),
            "{text}"
        );
    }

    #[test]
    fn declarations_are_bounded() {
        let node = json!({ "type": "object", "properties": { "next": { "$ref": "#" }, "other": { "$ref": "#" } } });
        assert!(bounded(&node, "unknown").len() <= LONGEST);
        let name = |number: usize| (format!("member_{number}"), json!({ "type": "string" }));
        let members: serde_json::Map<_, _> = (0..1_000).map(name).collect();
        let definition = json!({ "inputSchema": { "type": "object", "properties": members } });
        assert_eq!(
            declaration("tools.a.b", &definition),
            "tools.a.b(input: Record<string, unknown>): Promise<unknown>"
        );
        let definition = json!({ "inputSchema": { "type": "object" } });
        assert_eq!(
            declaration("tools.a.b", &definition),
            "tools.a.b(): Promise<unknown>"
        );
    }
}
