//! JSON values whose numbers keep their digits.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::value::RawValue;

use crate::printable::is_hidden;

/// A JSON value. Members of objects are sorted.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Node {
    /// Items of an array.
    Array(Vec<Self>),
    /// Members of an object.
    Object(BTreeMap<String, Self>),
    /// Text of a number or a literal.
    Scalar(String),
    /// A string.
    Text(String),
}

impl Node {
    /// Parses a JSON text; `None` if it is invalid or nested too deep. Of members with the same key, the
    /// last one counts: a definition with a digest has none.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::read(text.trim_matches([' ', '\t', '\n', '\r']), MAX_DEPTH)
    }

    fn read(text: &str, depth: usize) -> Option<Self> {
        let depth = depth.checked_sub(1)?;
        match text.as_bytes().first()? {
            b'"' => serde_json::from_str(text).ok().map(Self::Text),
            b'[' => {
                let items: Vec<&RawValue> = serde_json::from_str(text).ok()?;
                let items = items.into_iter();
                let items = items.map(|item| Self::read(item.get(), depth));
                Some(Self::Array(items.collect::<Option<_>>()?))
            }
            b'{' => {
                let members: BTreeMap<String, &RawValue> = serde_json::from_str(text).ok()?;
                let members = members.into_iter();
                let members =
                    members.map(|(key, value)| Some((key, Self::read(value.get(), depth)?)));
                Some(Self::Object(members.collect::<Option<_>>()?))
            }
            _ => {
                let scalar: &RawValue = serde_json::from_str(text).ok()?;
                Some(Self::Scalar(scalar.get().to_owned()))
            }
        }
    }

    /// Returns the members of an object.
    pub(crate) fn members(&self) -> Option<&BTreeMap<String, Self>> {
        match self {
            Self::Object(members) => Some(members),
            Self::Array(_) | Self::Scalar(_) | Self::Text(_) => None,
        }
    }

    /// Returns the text of a string.
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Array(_) | Self::Object(_) | Self::Scalar(_) => None,
        }
    }

    /// Appends the JSON text in lines that are indented by two spaces, the first by none and the others
    /// by `indent` more. Characters that nobody sees are escaped.
    pub(crate) fn write(&self, indent: usize, out: &mut String) {
        let line = |out: &mut String, indent: usize| {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
        };
        match self {
            Self::Array(items) if !items.is_empty() => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    line(out, indent + 2);
                    item.write(indent + 2, out);
                }
                line(out, indent);
                out.push(']');
            }
            Self::Object(members) if !members.is_empty() => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    out.push_str(if at > 0 { "," } else { "" });
                    line(out, indent + 2);
                    write_text(key, out);
                    out.push_str(": ");
                    value.write(indent + 2, out);
                }
                line(out, indent);
                out.push('}');
            }
            Self::Array(_) => out.push_str("[]"),
            Self::Object(_) => out.push_str("{}"),
            Self::Scalar(token) => out.push_str(token),
            Self::Text(text) => write_text(text, out),
        }
    }
}

impl fmt::Display for Node {
    /// Writes the JSON text on one line, with the escapes of [`Node::write`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let separator = |at: usize| if at > 0 { ", " } else { "" };
        let quoted = |text: &str| {
            let mut out = String::new();
            write_text(text, &mut out);
            out
        };
        match self {
            Self::Array(items) => {
                f.write_str("[")?;
                for (at, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", separator(at))?;
                }
                f.write_str("]")
            }
            Self::Object(members) => {
                f.write_str("{")?;
                for (at, (key, value)) in members.iter().enumerate() {
                    write!(f, "{}{}: {value}", separator(at), quoted(key))?;
                }
                f.write_str("}")
            }
            Self::Scalar(token) => f.write_str(token),
            Self::Text(text) => f.write_str(&quoted(text)),
        }
    }
}

/// Appends a JSON string in which characters that nobody sees are escaped.
pub(crate) fn write_text(text: &str, out: &mut String) {
    let json = serde_json::Value::from(text).to_string();
    for c in json.chars() {
        match is_hidden(c) {
            true => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
            false => out.push(c),
        }
    }
}

/// Maximum depth, that of messages.
const MAX_DEPTH: usize = 128;

#[cfg(test)]
mod tests {
    use mcp_gateway_core::catalog::DefinitionDigest;
    use proptest::prelude::*;

    use super::*;

    fn pretty(text: &str) -> Option<String> {
        let mut out = String::new();
        Node::parse(text)?.write(0, &mut out);
        Some(out)
    }

    #[test]
    fn members_are_sorted_and_hidden_characters_escaped() {
        let text = r#"{"b":[1.50,{}],"a":"x\u200b😀é","c":[]}"#;
        let expected =
            "{\n  \"a\": \"x\\u200b😀é\",\n  \"b\": [\n    1.50,\n    {}\n  ],\n  \"c\": []\n}";
        assert_eq!(pretty(text).as_deref(), Some(expected));
        assert_eq!(
            Node::parse(text).unwrap().to_string(),
            r#"{"a": "x\u200b😀é", "b": [1.50, {}], "c": []}"#
        );
    }

    proptest! {
        #[test]
        fn a_text_keeps_its_digest(text in r#"[\[\]{}"a\u{200b}\u{e0041},:truefalsn0-9eE.\-]{0,24}"#) {
            if let Some(digest) = DefinitionDigest::of_json(&text) {
                let written = pretty(&text).unwrap();
                prop_assert_eq!(DefinitionDigest::of_json(&written), Some(digest), "{}", written);
                prop_assert_eq!(pretty(&written), Some(written));
            }
        }
    }
}
