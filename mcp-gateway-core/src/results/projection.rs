//! Projection of results by JSON paths.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;
use serde_json_path::{JsonPath, PathElement};

use super::tool_result::{Block, ToolResult};
use super::values::Values;
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
pub struct Projection {
    paths: Vec<JsonPath>,
    /// Maximum number of descendant segments (`..`) of a path, at least 1.
    descents: u32,
}

/// Rejection of a text that is not a JSON path.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct ProjectionError {
    reason: Box<str>,
}

/// Rejection of a text whose values cannot be replaced reliably.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("the text is ambiguous or has too many values")]
#[non_exhaustive]
pub struct ReplacementError;

/// A text has too many values to be projected.
#[derive(Debug)]
struct TooManyValues;

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
    /// [`ProjectionError`] if one of them is not a JSON path, or is too large: it may have 1,024
    /// bytes, 6 filters and 16 parentheses.
    pub fn new<P: AsRef<str>>(paths: impl IntoIterator<Item = P>) -> Result<Self, ProjectionError> {
        let parse = |path: P| {
            check_path(path.as_ref())?;
            JsonPath::parse(path.as_ref()).map_err(|error| ProjectionError {
                reason: error.to_string().into(),
            })
        };
        let paths: Vec<_> = paths.into_iter().map(parse).collect::<Result<_, _>>()?;
        let descents = paths
            .iter()
            .map(|path| path.to_string().matches("..").count());
        let descents = u32::try_from(descents.max().unwrap_or_default()).unwrap_or(u32::MAX);
        Ok(Self {
            descents: descents.max(1),
            paths,
        })
    }

    /// Returns the selected parts of the JSON text `text`; `None` unless it is an object or an array
    /// that is small enough.
    ///
    /// Each value counts once for each level of nesting that it is at, and to the power of the number
    /// of descendant segments (`..`) of the path with the most of them. The limit is 1,000,000.
    #[must_use]
    pub fn of(&self, text: &str) -> Option<String> {
        self.checked(text).ok().flatten()
    }

    /// Returns the JSON text `text` with `replacement`, a JSON text, in the place of the selected
    /// values; `None` if none is selected. Calls `replaced` with the JSON text of each of them.
    ///
    /// # Errors
    ///
    /// [`ReplacementError`] if the text has too many values, as for [`of`](Self::of), or is not one
    /// that all readers read alike: an object has the same member twice, or a number is not finite.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_core::results::Projection;
    ///
    /// let paths = Projection::new(["$.items[*].email"])?;
    /// let text = r#"{"items":[{"email":"a@b.c","id":12345678901234567890}],"email":1.0}"#;
    /// let mut seen = Vec::new();
    /// let replaced = paths.replace(text, "\"***\"", |value| seen.push(value.to_owned()))?;
    /// let expected = r#"{"items":[{"email":"***","id":12345678901234567890}],"email":1.0}"#;
    /// assert_eq!(replaced.as_deref(), Some(expected));
    /// assert_eq!(seen, ["\"a@b.c\""]);
    /// assert!(paths.replace(r#"{"a":1,"a":2}"#, "0", |_| ()).is_err());
    /// # Ok::<_, Box<dyn std::error::Error>>(())
    /// ```
    pub fn replace(
        &self,
        text: &str,
        replacement: &str,
        mut replaced: impl FnMut(&str),
    ) -> Result<Option<String>, ReplacementError> {
        self.check_size(text).map_err(|_| ReplacementError)?;
        let value: Value = serde_json::from_str(text).map_err(|_| ReplacementError)?;
        // A member that another one of the same name replaces is missing in the value.
        if Values::of(text).count() != count(&value) {
            return Err(ReplacementError);
        }
        let mut selection = Selection::default();
        let selected = self.paths.iter().map(|path| path.query_located(&value));
        let selected: Vec<_> = selected.collect();
        for location in selected.iter().flat_map(|nodes| nodes.locations()) {
            selection.add(location.iter());
        }
        if selection.is_empty() {
            return Ok(None);
        }
        let written = selection.replace(text.trim(), (replacement, &mut replaced));
        written.map(Some).ok_or(ReplacementError)
    }

    /// Returns the selected parts of the JSON text `text`; `None` unless it is an object or an array.
    fn checked(&self, text: &str) -> Result<Option<String>, TooManyValues> {
        if !text.trim_start().starts_with(['{', '[']) {
            return Ok(None);
        }
        self.check_size(text)?;
        Ok(self.selected(text.trim()))
    }

    /// Checks that the values of `text`, and the places of those that are selected, fit in memory.
    fn check_size(&self, text: &str) -> Result<(), TooManyValues> {
        let mut room = MAX_VALUES;
        for depth in Values::of(text) {
            let cost = (depth + 1).saturating_pow(self.descents);
            room = room.checked_sub(cost).ok_or(TooManyValues)?;
        }
        Ok(())
    }

    /// Returns the selected parts of the JSON text `text`.
    fn selected(&self, text: &str) -> Option<String> {
        let value: Value = serde_json::from_str(text).ok()?;
        let mut selection = Selection::default();
        let selected = self.paths.iter().map(|path| path.query_located(&value));
        let selected: Vec<_> = selected.collect();
        for location in selected.iter().flat_map(|nodes| nodes.locations()) {
            selection.add(location.iter());
        }
        selection.write(text)
    }

    /// Returns the JSON text of `result` with the selected parts; `None` if it has too many parts.
    pub(super) fn apply(&self, result: &ToolResult<'_>) -> Option<String> {
        if !result.is_readable {
            return None;
        }
        let projected = |json: &&'_ str| {
            let Some(block) = Block::parse(json).filter(Block::is_text) else {
                return Ok(None);
            };
            let projected = self.checked(&block.text)?;
            Ok(projected.map(|text| block.with_text(&text)))
        };
        let blocks = result.blocks.iter().map(|json| {
            let projected = projected(json)?;
            Ok(projected.map_or(Cow::Borrowed(*json), Cow::Owned))
        });
        let blocks: Vec<_> = blocks.collect::<Result<_, TooManyValues>>().ok()?;
        let structured = match result.structured {
            Some(text) => {
                let projected = self.checked(text).ok()?;
                Some(projected.unwrap_or_else(|| text.to_owned()))
            }
            None => None,
        };
        Some(result.with_content(&blocks, structured, usize::MAX))
    }
}

impl fmt::Debug for Projection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paths = self.paths.iter().map(ToString::to_string);
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

    /// Returns `true` if nothing is selected.
    fn is_empty(&self) -> bool {
        !self.is_whole && self.members.is_empty() && self.elements.is_empty()
    }

    /// Returns the JSON text of the value `text` with another text in the place of the selected parts,
    /// which it passes to a function.
    fn replace(
        &self,
        text: &str,
        (replacement, replaced): (&str, &mut dyn FnMut(&str)),
    ) -> Option<String> {
        if self.is_whole {
            replaced(text);
            return Some(replacement.to_owned());
        }
        if text.starts_with('[') {
            let elements: Vec<&RawValue> = serde_json::from_str(text).ok()?;
            let elements =
                elements
                    .iter()
                    .enumerate()
                    .map(|(at, element)| match self.elements.get(&at) {
                        Some(part) => part.replace(element.get(), (replacement, &mut *replaced)),
                        None => Some(element.get().to_owned()),
                    });
            let elements: Option<Vec<_>> = elements.collect();
            return Some(format!("[{}]", elements?.join(",")));
        }
        let members = members(text)?;
        let members = members.iter().map(|(key, value)| {
            let value = match self.members.get(&**key) {
                Some(part) => part
                    .replace(value.get(), (replacement, &mut *replaced))?
                    .into(),
                None => value.get().into(),
            };
            Some((&**key, value))
        });
        let members: Option<Vec<_>> = members.collect();
        Some(object_json(&members?))
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

/// Returns the number of values in `value`, as [`Values`] counts them.
fn count(value: &Value) -> usize {
    let parts = |values: &mut dyn Iterator<Item = &Value>| {
        let (count, total) = values.fold((0, 0), |(count, total), value| {
            (count + 1, total + self::count(value))
        });
        // An empty one counts as having a value.
        total + usize::from(count == 0)
    };
    1 + match value {
        Value::Array(items) => parts(&mut items.iter()),
        Value::Object(members) => parts(&mut members.values()),
        _ => 0,
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

/// Limit of the values of a text, each counted by its depth.
///
/// A value needs up to 700 bytes while it is parsed, and its place as much as it is deep.
const MAX_VALUES: usize = 1_000_000;

/// Checks the size of `path`, because the time of parsing doubles with each nested filter, and each
/// parenthesis takes room on the stack.
fn check_path(path: &str) -> Result<(), ProjectionError> {
    let count = |mark| path.matches(mark).count();
    let fits = path.len() <= MAX_PATH && count('?') <= MAX_FILTERS && count('(') <= MAX_GROUPS;
    fits.then_some(()).ok_or_else(|| ProjectionError {
        reason: format!(
            "the path is too large: at most {MAX_PATH} bytes, {MAX_FILTERS} filters and \
             {MAX_GROUPS} parentheses"
        )
        .into(),
    })
}

/// Maximum size of a path, in bytes.
const MAX_PATH: usize = 1024;

/// Maximum number of filters (`?`) in a path.
const MAX_FILTERS: usize = 6;

/// Maximum number of opening parentheses in a path.
const MAX_GROUPS: usize = 16;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn category_projection_paths_have_a_limit() {
        let filters = |count: usize| format!("${}{}", "[?@.a".repeat(count), "]".repeat(count));
        let groups = |count: usize| format!("$[?{}@.a{}]", "(".repeat(count), ")".repeat(count));
        let long = |size: usize| format!("$.{}", "a".repeat(size - 2));
        for (largest, larger) in [
            (filters(MAX_FILTERS), filters(MAX_FILTERS + 1)),
            (groups(MAX_GROUPS), groups(MAX_GROUPS + 1)),
            (long(MAX_PATH), long(MAX_PATH + 1)),
        ] {
            assert!(Projection::new([&largest]).is_ok(), "{largest}");
            let error = Projection::new([&larger]).unwrap_err();
            assert!(error.to_string().contains("too large"), "{larger}: {error}");
        }
    }

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
        let projected = projection
            .apply(&ToolResult::parse(&text).unwrap())
            .unwrap();
        let projected: Value = serde_json::from_str(&projected).unwrap();
        assert_eq!(projected["content"][0]["text"], r#"{"a":1}"#);
        assert_eq!(projected["content"][1], result["content"][1]);
        assert_eq!(projected["content"][2], result["content"][2]);
        assert_eq!(projected["structuredContent"], json!({ "a": 1 }));
        assert_eq!(projected["_meta"], result["_meta"]);
    }

    #[test]
    fn texts_with_too_many_values_are_not_projected() {
        let of = |path: &str, text: &str| Projection::new([path]).unwrap().of(text).is_some();
        let array = |items: usize| format!("[{}0]", "0,".repeat(items - 1));
        // The array counts once, and each of its items twice.
        assert!(of("$[0]", &array(MAX_VALUES / 2 - 1)));
        assert!(!of("$[0]", &array(MAX_VALUES / 2)));
        // A long text is no reason.
        assert!(of(
            "$.a",
            &format!(r#"{{"a":"{}"}}"#, "x,".repeat(MAX_VALUES))
        ));
        // Descendants of descendants are selected once for each of their ancestors.
        let nested = format!("{}{}{}", "[".repeat(100), array(1000), "]".repeat(100));
        assert!(of("$..[0]", &nested));
        assert!(!of("$..[*]..[0]", &nested));
        let content = format!(
            r#"{{"content":[],"structuredContent":{}}}"#,
            array(MAX_VALUES)
        );
        let result = ToolResult::parse(&content).unwrap();
        assert!(Projection::new(["$[0]"]).unwrap().apply(&result).is_none());
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
