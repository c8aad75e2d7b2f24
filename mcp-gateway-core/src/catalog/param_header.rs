//! Headers that mirror arguments of a tool.
//!
//! A tool marks a parameter with `x-mcp-header` in its input schema. The client repeats the
//! argument in a header `Mcp-Param-…`; the gateway validates the header and sends it on. See [MCP
//! 2026-07-28, custom headers from tool parameters][spec].
//!
//! [spec]: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#custom-headers-from-tool-parameters

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value};

use crate::json::Fields;
use crate::protocol::header::{self, MCP_PARAM_PREFIX};

/// Annotated parameters of a tool.
#[derive(Clone, Debug, Default)]
pub(super) struct ParamHeaderSpecs(Vec<ParamHeader>);

/// One annotated parameter.
#[derive(Clone, Debug)]
struct ParamHeader {
    name: HeaderName,
    /// Keys that lead from the arguments to the parameter.
    path: Vec<String>,
    /// `true` if the value is compared numerically.
    integer: bool,
}

/// Error of a request whose header contradicts the argument that it mirrors.
///
/// The fault of the client, which receives HTTP 400 and JSON-RPC code -32020.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("header {header} does not match its argument")]
#[non_exhaustive]
pub struct ParamMismatch {
    /// Name of the header.
    pub header: HeaderName,
}

impl ParamHeaderSpecs {
    /// Parses the annotations of an input schema.
    ///
    /// # Errors
    ///
    /// A description of an invalid annotation. A client must drop the tool then.
    pub(super) fn parse(schema: &str) -> Result<Self, String> {
        // Few schemas have the annotation, but every schema is searched.
        if memchr::memmem::find(schema.as_bytes(), ANNOTATION.as_bytes()).is_none() {
            return Ok(Self::default());
        }
        let schema: Value = serde_json::from_str(schema).map_err(|error| error.to_string())?;
        let mut headers = Self::default();
        headers.collect(&schema, &mut Vec::new())?;
        Ok(headers)
    }

    /// Collects the annotations below `schema`, which `path` leads to.
    fn collect(&mut self, schema: &Value, path: &mut Vec<String>) -> Result<(), String> {
        let Value::Object(schema) = schema else {
            return Ok(());
        };
        if let Some(annotation) = schema.get(ANNOTATION) {
            self.add(annotation, schema, path)?;
        }
        for (key, value) in schema {
            match (key.as_str(), value) {
                ("properties", Value::Object(properties)) => {
                    for (name, property) in properties {
                        path.push(name.clone());
                        self.collect(property, path)?;
                        path.pop();
                    }
                }
                (keyword, _) if SUBSCHEMAS.contains(&keyword) && is_annotated(value) => {
                    return Err(format!("{ANNOTATION} is not allowed below {keyword}"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Adds the annotation of one property.
    fn add(
        &mut self,
        annotation: &Value,
        schema: &Map<String, Value>,
        path: &[String],
    ) -> Result<(), String> {
        let name = annotation.as_str().filter(|name| !name.is_empty());
        let name = name.ok_or_else(|| format!("{ANNOTATION} must be a name"))?;
        let name = HeaderName::try_from(format!("{MCP_PARAM_PREFIX}{name}"))
            .map_err(|_| format!("{ANNOTATION} {name:?} is not a header name"))?;
        let integer = match schema.get("type").and_then(Value::as_str) {
            Some("boolean" | "string") => false,
            Some("integer") => true,
            _ => {
                return Err(format!(
                    "{ANNOTATION} requires the type string, integer or boolean"
                ));
            }
        };
        if path.is_empty() {
            return Err(format!("{ANNOTATION} must annotate a property"));
        }
        if self.0.iter().any(|other| other.name == name) {
            return Err(format!("duplicate {ANNOTATION} {name}"));
        }
        self.0.push(ParamHeader {
            name,
            path: path.to_vec(),
            integer,
        });
        Ok(())
    }

    /// Returns the headers that mirror `arguments`, after validating those that the client sent.
    pub(super) fn headers_for(
        &self,
        arguments: Option<&str>,
        sent: Option<&HeaderMap>,
    ) -> Result<Vec<(HeaderName, HeaderValue)>, ParamMismatch> {
        let mut headers = Vec::with_capacity(self.0.len());
        for param in &self.0 {
            let value = arguments.and_then(|arguments| param.value(arguments));
            if let Some(sent) = sent
                && !param.matches(value.as_deref(), sent.get(&param.name))
            {
                let header = param.name.clone();
                return Err(ParamMismatch { header });
            }
            if let Some(value) = value {
                headers.push((param.name.clone(), header::encode(&value)));
            }
        }
        Ok(headers)
    }
}

impl ParamHeader {
    /// Returns the argument as text, or `None` if it is absent or is not a scalar.
    fn value(&self, arguments: &str) -> Option<String> {
        let mut json = Cow::Borrowed(arguments);
        for key in &self.path {
            let fields = Fields::parse(&json, 0..json.len()).ok()?;
            json = Cow::Owned(fields.raw(&json, key)?.to_owned());
        }
        match serde_json::from_str(&json).ok()? {
            Value::Bool(value) => Some(value.to_string()),
            Value::Number(_) => Some(json.into_owned()),
            Value::String(value) => Some(value),
            Value::Array(_) | Value::Null | Value::Object(_) => None,
        }
    }

    /// Returns `true` if the header of the client agrees with the argument.
    fn matches(&self, value: Option<&str>, sent: Option<&HeaderValue>) -> bool {
        let (value, sent) = match (value, sent) {
            (None, None) => return true,
            (Some(value), Some(sent)) => (value, sent),
            _ => return false,
        };
        let Some(sent) = header::decode(sent) else {
            return false;
        };
        // "Servers SHOULD compare the header value and the body value numerically."
        let number = |text: &str| text.parse::<f64>().ok();
        sent == value || (self.integer && number(&sent).is_some() && number(&sent) == number(value))
    }
}

/// Returns `true` if `schema` contains an annotation at any depth.
fn is_annotated(schema: &Value) -> bool {
    match schema {
        Value::Array(schemas) => schemas.iter().any(is_annotated),
        Value::Object(members) => {
            members.get(ANNOTATION).is_some_and(Value::is_string)
                || members.values().any(is_annotated)
        }
        Value::Bool(_) | Value::Null | Value::Number(_) | Value::String(_) => false,
    }
}

/// Keyword of the annotation.
const ANNOTATION: &str = "x-mcp-header";

/// Keywords of JSON Schema that contain schemas, apart from `properties`.
const SUBSCHEMAS: [&str; 19] = [
    "$defs",
    "additionalProperties",
    "allOf",
    "anyOf",
    "contains",
    "definitions",
    "dependentSchemas",
    "else",
    "if",
    "items",
    "not",
    "oneOf",
    "patternProperties",
    "prefixItems",
    "propertyNames",
    "then",
    "additionalItems",
    "unevaluatedItems",
    "unevaluatedProperties",
];

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = r#"{"type":"object","properties":{
        "region":{"type":"string","x-mcp-header":"Region"},
        "size":{"type":"integer","x-mcp-header":"Size"},
        "x-mcp-header":{"type":"number"},
        "more":{"type":"object","properties":{"dry":{"type":"boolean","x-mcp-header":"Dry"}}}}}"#;

    fn mirror(arguments: &str) -> Vec<(String, String)> {
        let headers = ParamHeaderSpecs::parse(SCHEMA)
            .unwrap()
            .headers_for(Some(arguments), None)
            .unwrap();
        let text = |value: HeaderValue| value.to_str().unwrap().to_owned();
        headers
            .into_iter()
            .map(|(name, value)| (name.to_string(), text(value)))
            .collect()
    }

    #[test]
    fn arguments_are_mirrored() {
        let headers = mirror(r#"{"region":" west","size":42,"more":{"dry":true}}"#);
        let expected = [
            ("mcp-param-region", "=?base64?IHdlc3Q=?="),
            ("mcp-param-size", "42"),
            ("mcp-param-dry", "true"),
        ];
        assert_eq!(headers.len(), 3);
        for (name, value) in expected {
            assert!(
                headers.contains(&(name.to_owned(), value.to_owned())),
                "{headers:?}"
            );
        }
        assert!(mirror(r#"{"region":null,"more":[],"size":{}}"#).is_empty());
    }

    #[test]
    fn annotations_that_a_client_must_refuse() {
        let table = [
            r#"{"properties":{"a":{"type":"string","x-mcp-header":""}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"a b"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"a\r\nb"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":7}}}"#,
            r#"{"properties":{"a":{"type":"number","x-mcp-header":"A"}}}"#,
            r#"{"properties":{"a":{"x-mcp-header":"A"}}}"#,
            r#"{"properties":{"a":{"type":"string","x-mcp-header":"A"},"b":{"type":"string","x-mcp-header":"a"}}}"#,
            r#"{"properties":{"a":{"items":{"type":"string","x-mcp-header":"A"}}}}"#,
            r#"{"anyOf":[{"properties":{"a":{"type":"string","x-mcp-header":"A"}}}]}"#,
            r#"{"$defs":{"a":{"type":"string","x-mcp-header":"A"}}}"#,
            r#"{"type":"string","x-mcp-header":"A"}"#,
        ];
        for schema in table {
            assert!(ParamHeaderSpecs::parse(schema).is_err(), "{schema}");
        }
        let data = r#"{"properties":{"a":{"default":{"x-mcp-header":"A"}}}}"#;
        assert!(ParamHeaderSpecs::parse(data).unwrap().0.is_empty());
    }

    #[test]
    fn what_the_client_sent_must_match() {
        let headers = ParamHeaderSpecs::parse(SCHEMA).unwrap();
        let check = |arguments: &str, sent: &[(&str, &str)]| {
            let name = |name: &str| HeaderName::try_from(name).unwrap();
            let value = |value: &str| HeaderValue::from_str(value).unwrap();
            let sent = sent.iter().map(|(n, v)| (name(n), value(v))).collect();
            headers.headers_for(Some(arguments), Some(&sent)).is_ok()
        };
        assert!(check(r#"{"region":"w"}"#, &[("Mcp-Param-Region", "w")]));
        assert!(check(
            r#"{"region":"w"}"#,
            &[("mcp-param-region", "=?base64?dw==?=")]
        ));
        assert!(check(r#"{"size":42}"#, &[("Mcp-Param-Size", "42.0")]));
        assert!(check(r#"{"region":null}"#, &[("Mcp-Param-Other", "x")]));
        assert!(!check(r#"{"region":"w"}"#, &[]));
        assert!(!check(r#"{"region":"w"}"#, &[("Mcp-Param-Region", "W")]));
        assert!(!check(
            r#"{"region":"w"}"#,
            &[("Mcp-Param-Region", "=?base64?%?=")]
        ));
        assert!(!check("{}", &[("Mcp-Param-Region", "w")]));
        assert!(!check(r#"{"size":42}"#, &[("Mcp-Param-Size", "43")]));
    }
}
