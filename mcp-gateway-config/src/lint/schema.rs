//! Checks of the schemas of tools.
//!
//! | Member | Finding |
//! |---|---|
//! | `inputSchema` | missing; not an object; another type than `object`; `anyOf` and the like |
//! | `outputSchema` | not an object; another type than `object` |
//! | `type` | a name that JSON Schema does not define |
//! | `required` | not a list of names; a list below `properties` instead of beside it |
//! | `$ref` | a JSON pointer without a target; another document |
//!
//! Subschemas are checked to a fixed depth. A finding begins with the path of the member, such as
//! `inputSchema.properties.a`. Arguments are not validated.

use serde_json::{Map, Value};

/// Checks the schemas of `tool`. Returns a description of each finding.
pub(super) fn check(tool: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match tool.get("inputSchema") {
        Some(Value::Object(schema)) => {
            top_level("inputSchema", schema, &mut found);
            Walk::of("inputSchema", schema, &mut found);
        }
        Some(_) => found.push("inputSchema is not an object".to_owned()),
        None => found.push("inputSchema is missing".to_owned()),
    }
    match tool.get("outputSchema") {
        Some(Value::Object(schema)) => {
            if schema.get("type").and_then(Value::as_str) != Some("object") {
                found.push(
                    "outputSchema has another type than object; TypeScript clients reject the \
                     whole list"
                        .to_owned(),
                );
            }
            Walk::of("outputSchema", schema, &mut found);
        }
        Some(Value::Null) | None => {}
        Some(_) => found.push("outputSchema is not an object".to_owned()),
    }
    found
}

/// Checks the members that concern the arguments as a whole.
fn top_level(path: &str, schema: &Map<String, Value>, found: &mut Vec<String>) {
    let kind = schema.get("type").and_then(Value::as_str);
    let combined = COMBINATIONS.iter().find(|key| schema.contains_key(**key));
    match (kind, combined) {
        (Some("object"), None) => {}
        (Some("object"), Some(key)) => found.push(format!(
            "{path} has {key} at the top level, which model interfaces reject"
        )),
        (_, Some(key)) => found.push(format!(
            "{path} has {key} and no type at the top level; some clients leave out all tools"
        )),
        (Some(kind), None) => found.push(format!("{path} has the type {kind:?}, not object")),
        (None, None) => found.push(format!("{path} has no type; object is required")),
    }
}

/// Traversal of a schema.
struct Walk<'a> {
    /// Whole schema, which JSON pointers refer to.
    root: &'a Map<String, Value>,
    /// Findings so far.
    found: &'a mut Vec<String>,
    /// Remaining depth: definitions may be nested without an end.
    depth: usize,
}

impl<'a> Walk<'a> {
    /// Checks `root` and its subschemas.
    fn of(path: &str, root: &'a Map<String, Value>, found: &'a mut Vec<String>) {
        let mut walk = Self {
            root,
            found,
            depth: MAX_DEPTH,
        };
        walk.schema(path, root);
    }

    /// Checks a schema and its subschemas. Those below the maximum depth are left out.
    fn schema(&mut self, path: &str, schema: &Map<String, Value>) {
        if self.depth == 0 {
            return;
        }
        self.depth -= 1;
        self.types(path, schema);
        self.required(path, schema);
        self.reference(path, schema);
        for key in MAPS {
            if let Some(Value::Object(members)) = schema.get(key) {
                for (name, member) in members {
                    self.value(&format!("{path}.{key}.{name}"), member);
                }
            }
        }
        for key in SCHEMAS {
            match schema.get(key) {
                Some(Value::Array(items)) => {
                    for (at, item) in items.iter().enumerate() {
                        self.value(&format!("{path}.{key}[{at}]"), item);
                    }
                }
                Some(item @ Value::Object(_)) => self.value(&format!("{path}.{key}"), item),
                Some(_) | None => {}
            }
        }
        self.depth += 1;
    }

    /// Checks a subschema, which is an object or a boolean.
    fn value(&mut self, path: &str, value: &Value) {
        match value {
            Value::Object(schema) => self.schema(path, schema),
            Value::Bool(_) => {}
            _ => self.found.push(format!("{path} is not a schema")),
        }
    }

    /// Checks that `type` is a known name or a list of known names.
    fn types(&mut self, path: &str, schema: &Map<String, Value>) {
        let types = match schema.get("type") {
            Some(Value::Array(types)) => types.iter().collect(),
            Some(single) => vec![single],
            None => Vec::new(),
        };
        for kind in types {
            if !kind.as_str().is_some_and(|kind| TYPES.contains(&kind)) {
                self.found
                    .push(format!("{path} has the unknown type {kind}"));
            }
        }
    }

    /// Checks that `required` is a list of properties beside them.
    fn required(&mut self, path: &str, schema: &Map<String, Value>) {
        match schema.get("required") {
            Some(Value::Array(names)) if names.iter().all(Value::is_string) => {}
            Some(_) => self
                .found
                .push(format!("{path}.required is not a list of names")),
            None => {}
        }
        let inside = schema.get("properties").and_then(|all| all.get("required"));
        if inside.is_some_and(Value::is_array) {
            self.found.push(format!(
                "{path}.properties.required is a list; it belongs beside properties"
            ));
        }
    }

    /// Checks that a reference within the document has a target.
    fn reference(&mut self, path: &str, schema: &Map<String, Value>) {
        let Some(reference) = schema.get("$ref").and_then(Value::as_str) else {
            return;
        };
        let found = match reference.strip_prefix('#') {
            Some("") => true,
            // Anchors and other documents cannot be followed.
            Some(pointer) if pointer.starts_with('/') => resolves(self.root, pointer),
            Some(_) => true,
            None => false,
        };
        if !found {
            self.found.push(format!(
                "{path} refers to {reference}, which does not exist"
            ));
        }
    }
}

/// Returns `true` if the JSON pointer leads to a value.
fn resolves(root: &Map<String, Value>, pointer: &str) -> bool {
    let mut steps = pointer.split('/').skip(1).map(unescaped);
    let first = steps.next().and_then(|step| root.get(&step));
    steps
        .try_fold(first, |value, step| {
            let next = match value? {
                Value::Object(members) => members.get(&step),
                Value::Array(items) => items.get(step.parse::<usize>().ok()?),
                _ => None,
            };
            next.map(Some)
        })
        .flatten()
        .is_some()
}

/// Decodes a step of a JSON pointer.
fn unescaped(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// Members that contain schemas by name.
const MAPS: [&str; 4] = ["properties", "patternProperties", "$defs", "definitions"];

/// Members that contain one schema or a list of them.
const SCHEMAS: [&str; 7] = [
    "items",
    "additionalProperties",
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "prefixItems",
];

/// Combinations that interfaces of models reject at the top level.
const COMBINATIONS: [&str; 3] = ["anyOf", "oneOf", "allOf"];

/// Types of JSON Schema.
const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];

/// Maximum depth of nested schemas.
const MAX_DEPTH: usize = 64;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn invalid_schemas_are_found() {
        let object = json!({ "type": "object" });
        let table = [
            (json!({}), "inputSchema is missing"),
            (
                json!({ "inputSchema": { "anyOf": [] } }),
                "inputSchema has anyOf and no type at the top level; some clients leave out all tools",
            ),
            (
                json!({ "inputSchema": { "type": "object", "oneOf": [] } }),
                "inputSchema has oneOf at the top level, which model interfaces reject",
            ),
            (
                json!({ "inputSchema": { "type": "object", "properties": { "a": { "type": "int" } } } }),
                "inputSchema.properties.a has the unknown type \"int\"",
            ),
            (
                json!({ "inputSchema": { "type": "object", "properties": { "a": { "required": true } } } }),
                "inputSchema.properties.a.required is not a list of names",
            ),
            (
                json!({ "inputSchema": { "type": "object", "items": { "$ref": "#/$defs/a" } } }),
                "inputSchema.items refers to #/$defs/a, which does not exist",
            ),
            (
                json!({ "inputSchema": object, "outputSchema": { "type": "array" } }),
                "outputSchema has another type than object; TypeScript clients reject the whole list",
            ),
        ];
        for (tool, expected) in table {
            assert_eq!(check(&tool), [expected], "{tool}");
        }
    }

    #[test]
    fn misplaced_requirements_are_found() {
        let tool =
            json!({ "inputSchema": { "type": "object", "properties": { "required": ["a"] } } });
        let found = check(&tool);
        assert!(found[0].contains("belongs beside properties"), "{found:?}");
    }

    #[test]
    fn valid_schemas_have_no_findings() {
        let tool = json!({
            "inputSchema": {
                "type": "object",
                "properties": {
                    "a": { "type": ["string", "null"] },
                    "b": { "$ref": "#/$defs/b~1c" },
                    "c": { "type": "array", "items": { "anyOf": [true, { "$ref": "#" }] } },
                    "required": { "type": "boolean" }
                },
                "required": ["a"],
                "$defs": { "b/c": { "type": "integer" } },
                "additionalProperties": false
            },
            "outputSchema": { "type": "object" }
        });
        assert!(check(&tool).is_empty(), "{:?}", check(&tool));
    }

    #[test]
    fn deep_schemas_end() {
        let mut schema = json!({ "type": "object" });
        for _ in 0..100 {
            schema = json!({ "type": "object", "properties": { "a": schema } });
        }
        assert!(check(&json!({ "inputSchema": schema })).is_empty());
    }
}
