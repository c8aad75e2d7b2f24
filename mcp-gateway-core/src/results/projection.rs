//! Projection of results by JSON paths.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use serde_json_path::{JsonPath, PathElement};

use super::tool_result::{Block, ToolResult};
use crate::json::object_json;

/// Parts of a result that remain: those that JSON paths select.
///
/// The paths are those of [RFC 9535](https://www.rfc-editor.org/rfc/rfc9535), without the functions
/// `match` and `search`. They apply to `structuredContent`, and to each text that is a JSON object or
/// array. The selected values stay at their place: objects lose the other members, arrays the other
/// elements. So a structured result remains an object. Numbers and the order of members are kept.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::results::Projection;
///
/// let projection = Projection::new(["$.total", "$.items[*]['name', 'url']"])?;
/// let text = r#"{"items":[{"id":1,"name":"a","url":"b"},{"name":"c"}],"total":2.0,"next":3}"#;
/// let expected = r#"{"items":[{"name":"a","url":"b"},{"name":"c"}],"total":2.0}"#;
/// assert_eq!(projection.of(text).as_deref(), Some(expected));
/// assert_eq!(projection.of("no JSON"), None);
/// assert!(Projection::new(["items"]).is_err());
/// # Ok::<_, mcp_gateway_core::results::ProjectionError>(())
/// ```
#[derive(Clone, Eq, PartialEq)]
#[doc(alias("JSONPath", "filter"))]
pub struct Projection(Vec<JsonPath>);

/// Rejection of a text that is not a JSON path.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct ProjectionError {
    reason: Box<str>,
}

/// Selected parts of a value.
#[derive(Debug, Default)]
struct Selection<'a> {
    /// `true` if the whole value is selected.
    is_whole: bool,
    members: BTreeMap<&'a str, Self>,
    elements: BTreeMap<usize, Self>,
}

impl Projection {
    /// Creates a projection to what `paths` select.
    ///
    /// # Errors
    ///
    /// [`ProjectionError`] if one of them is not a JSON path.
    pub fn new<P: AsRef<str>>(paths: impl IntoIterator<Item = P>) -> Result<Self, ProjectionError> {
        let parse = |path: P| {
            JsonPath::parse(path.as_ref()).map_err(|error| ProjectionError {
                reason: error.to_string().into(),
            })
        };
        paths
            .into_iter()
            .map(parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Returns the selected parts of the JSON text `text`; `None` unless it is an object or an array.
    #[must_use]
    pub fn of(&self, text: &str) -> Option<String> {
        if !text.trim_start().starts_with(['{', '[']) {
            return None;
        }
        let value: Value = serde_json::from_str(text).ok()?;
        let mut selection = Selection::default();
        let selected: Vec<_> = self
            .0
            .iter()
            .map(|path| path.query_located(&value))
            .collect();
        for location in selected.iter().flat_map(|nodes| nodes.locations()) {
            selection.add(location.iter());
        }
        selection.write(text.trim())
    }

    /// Returns the JSON text of `result` with the selected parts.
    pub(super) fn apply(&self, result: &ToolResult<'_>) -> String {
        let blocks = result.blocks.iter().map(|json| {
            let text = Block::parse(json).filter(Block::is_text);
            let projected = text.and_then(|block| Some(block.with_text(&self.of(&block.text)?)));
            projected.map_or(Cow::Borrowed(*json), Cow::Owned)
        });
        let blocks: Vec<_> = blocks.collect();
        let structured = result.structured;
        let structured = structured.map(|text| self.of(text).unwrap_or_else(|| text.to_owned()));
        result.with_content(&blocks, structured, usize::MAX)
    }
}

impl fmt::Debug for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths = self.0.iter().map(ToString::to_string);
        f.debug_set().entries(paths).finish()
    }
}

impl<'a> Selection<'a> {
    /// Adds the part at the end of `path`.
    fn add<'p>(&mut self, path: impl Iterator<Item = &'p PathElement<'a>>)
    where
        'a: 'p,
    {
        let mut at = self;
        for element in path {
            at = match element {
                PathElement::Name(name) => at.members.entry(name).or_default(),
                PathElement::Index(index) => at.elements.entry(*index).or_default(),
            };
        }
        at.is_whole = true;
    }

    /// Returns the JSON text of the selected parts of the value `text`.
    fn write(&self, text: &str) -> Option<String> {
        if self.is_whole {
            return Some(text.to_owned());
        }
        if text.starts_with('[') {
            let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            let selected = self.elements.iter();
            let selected = selected.filter_map(|(at, part)| part.write(elements.get(*at)?.get()));
            return Some(format!("[{}]", selected.collect::<Vec<_>>().join(",")));
        }
        let members = members(text)?;
        let selected = members.iter().filter_map(|(key, value)| {
            let value = self.members.get(&**key)?.write(value.get())?;
            Some((&**key, value.into()))
        });
        Some(object_json(&selected.collect::<Vec<_>>()))
    }
}

/// Returns the members of the object `text`, in its order.
fn members(text: &str) -> Option<Vec<(Cow<'_, str>, &RawValue)>> {
    struct Members;

    impl<'de> Visitor<'de> for Members {
        type Value = Vec<(Cow<'de, str>, &'de RawValue)>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut members = Vec::new();
            while let Some((key, value)) = map.next_entry::<String, _>()? {
                members.push((key.into(), value));
            }
            Ok(members)
        }
    }

    let mut text = serde_json::Deserializer::from_str(text);
    text.deserialize_map(Members).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn of(paths: &[&str], text: &str) -> String {
        Projection::new(paths).unwrap().of(text).unwrap()
    }

    #[test]
    fn selected_values_stay_at_their_place() {
        let text =
            r#"{"b":[{"x":1,"y":[1,2]},{"y":3},{"x":12345678901234567890123}],"a":{"k":1.50}}"#;
        let table: [(&[&str], &str); 8] = [
            (&["$"], text),
            (&["$.a.k"], r#"{"a":{"k":1.50}}"#),
            (
                &["$..x"],
                r#"{"b":[{"x":1},{"x":12345678901234567890123}]}"#,
            ),
            (
                &["$.b[1:]", "$.a"],
                r#"{"b":[{"y":3},{"x":12345678901234567890123}],"a":{"k":1.50}}"#,
            ),
            (&["$.b[?@.y].y[0]"], r#"{"b":[{"y":[1]}]}"#),
            (&["$.b[0]", "$.b[0].x"], r#"{"b":[{"x":1,"y":[1,2]}]}"#),
            (&["$.c"], "{}"),
            (&["$.b[?length(@.y) == 2].x"], r#"{"b":[{"x":1}]}"#),
        ];
        for (paths, expected) in table {
            assert_eq!(of(paths, text), expected, "{paths:?}");
        }
        assert_eq!(of(&["$[1]"], " [1, 2]"), "[2]");
    }

    #[test]
    fn texts_and_structured_content_are_projected_alike() {
        let result = json!({
            "content": [
                { "type": "text", "text": r#"{"a":1,"b":2}"# },
                { "type": "text", "text": "plain" },
                { "type": "image", "data": "AA" },
            ],
            "structuredContent": { "a": 1, "b": 2 },
            "_meta": { "b": 1 },
        });
        let text = result.to_string();
        let projection = Projection::new(["$.a"]).unwrap();
        let projected = projection.apply(&ToolResult::parse(&text).unwrap());
        let projected: Value = serde_json::from_str(&projected).unwrap();
        assert_eq!(projected["content"][0]["text"], r#"{"a":1}"#);
        assert_eq!(projected["content"][1], result["content"][1]);
        assert_eq!(projected["content"][2], result["content"][2]);
        assert_eq!(projected["structuredContent"], json!({ "a": 1 }));
        assert_eq!(projected["_meta"], result["_meta"]);
    }

    #[test]
    fn what_is_no_path_of_the_standard_is_rejected() {
        for path in [
            "",
            "a",
            "$.",
            "$.a ",
            "$[?match(@.a, 'b')]",
            "$[?search(@, 'b')]",
        ] {
            assert!(Projection::new([path]).is_err(), "{path}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text: String) {
            let projection = Projection::new(["$..a", "$[0:3]"]).unwrap();
            if let Some(projected) = projection.of(&text) {
                prop_assert!(serde_json::from_str::<Value>(&projected).is_ok());
            }
        }
    }
}
