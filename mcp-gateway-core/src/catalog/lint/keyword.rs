//! Keywords of JSON Schema.
//!
//! See [JSON Schema 2020-12](https://json-schema.org/draft/2020-12/json-schema-validation).

use crate::json::{Tree, Walker};

/// Form of the value of a keyword.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Keyword {
    Flag,
    /// List that is not empty.
    List,
    Number,
    Schema,
    /// One schema, or a list of them.
    SchemaOrList,
    SchemaList,
    /// Schemas by name.
    SchemaMap,
    Text,
}

impl Keyword {
    /// Returns the form of the value of `key`; `None` for other keys, and for those that have
    /// checks of their own.
    pub(super) fn of(key: &str) -> Option<Self> {
        Some(match key {
            "deprecated" | "readOnly" | "uniqueItems" | "writeOnly" => Self::Flag,
            "enum" => Self::List,
            "exclusiveMaximum" | "exclusiveMinimum" | "maxContains" | "maxItems" | "maxLength"
            | "maxProperties" | "maximum" | "minContains" | "minItems" | "minLength"
            | "minProperties" | "minimum" | "multipleOf" => Self::Number,
            "additionalProperties"
            | "contains"
            | "else"
            | "if"
            | "not"
            | "propertyNames"
            | "then"
            | "unevaluatedItems"
            | "unevaluatedProperties" => Self::Schema,
            "items" => Self::SchemaOrList,
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => Self::SchemaList,
            "$defs" | "definitions" | "dependentSchemas" | "patternProperties" | "properties" => {
                Self::SchemaMap
            }
            "$comment" | "$id" | "$schema" | "description" | "format" | "pattern" | "title" => {
                Self::Text
            }
            _ => return None,
        })
    }

    /// Returns `true` if `value` has this form, apart from the schemas in it.
    pub(super) fn is_of(self, value: &Tree<'_>) -> bool {
        match (self, value) {
            (Self::Flag, Tree::Scalar(token)) => matches!(&**token, "true" | "false"),
            (Self::List, Tree::Array(items)) => !items.is_empty(),
            (Self::Number, Tree::Scalar(token)) => is_number(token),
            (Self::Text, Tree::Scalar(token)) => token.starts_with('"'),
            (Self::Schema | Self::SchemaOrList, _) => true,
            (Self::SchemaList, Tree::Array(_)) | (Self::SchemaMap, Tree::Object(_)) => true,
            (
                Self::Flag
                | Self::List
                | Self::Number
                | Self::SchemaList
                | Self::SchemaMap
                | Self::Text,
                _,
            ) => false,
        }
    }

    /// Returns the name of the form, with an article.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Flag => "a boolean",
            Self::List => "a list of values",
            Self::Number => "a number",
            Self::Schema | Self::SchemaOrList => "a schema",
            Self::SchemaList => "a list of schemas",
            Self::SchemaMap => "an object",
            Self::Text => "a string",
        }
    }
}

/// Returns `true` if `token` is the JSON text of a number.
pub(super) fn is_number(token: &str) -> bool {
    let mut walker = Walker::new(token);
    token.starts_with(|c: char| c == '-' || c.is_ascii_digit())
        && walker.value().is_ok()
        && walker.end().is_ok()
}

/// Returns `true` if JSON Schema defines the type `name`.
pub(super) fn is_type(name: &str) -> bool {
    TYPES.contains(&name)
}

/// Returns the type that is meant by `name`, which JSON Schema does not define.
pub(super) fn type_meant_by(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let known = TYPES.iter().copied().find(|known| *known == name);
    known.or(match &*name {
        "bool" => Some("boolean"),
        "dict" | "map" => Some("object"),
        "double" | "float" => Some("number"),
        "int" | "int32" | "int64" | "long" => Some("integer"),
        "list" | "tuple" => Some("array"),
        "nil" | "none" => Some("null"),
        "str" | "text" => Some("string"),
        _ => None,
    })
}

/// Types of JSON Schema.
const TYPES: [&str; 7] = [
    "array", "boolean", "integer", "null", "number", "object", "string",
];
