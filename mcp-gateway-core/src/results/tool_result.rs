//! Parts of the result of a tool.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::value::RawValue;

use super::values::Values;
use crate::json::{Fields, object_json, string_json};

/// A result of a tool, as text.
#[derive(Debug, Default)]
pub(super) struct ToolResult<'a> {
    /// JSON text of the whole result.
    pub(super) text: &'a str,
    /// JSON texts of the items of `content`.
    pub(super) blocks: Vec<&'a str>,
    /// JSON text of `structuredContent`.
    pub(super) structured: Option<&'a str>,
    /// The other members.
    rest: Vec<(Box<str>, &'a str)>,
    /// `true` if the parts are those of the text.
    #[cfg_attr(
        not(any(feature = "json-path", test)),
        expect(dead_code, reason = "only projections read values")
    )]
    pub(super) is_readable: bool,
}

impl<'a> ToolResult<'a> {
    /// Returns the parts of `text`; `None` if it is not the result of a tool, such as a request for
    /// input.
    ///
    /// A result that cannot be read has no parts, and neither has one of more than 65,536 items.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let opaque = Self {
            text,
            ..Self::default()
        };
        let Ok(fields) = Fields::parse(text, 0..text.len()) else {
            return Some(opaque);
        };
        let content = fields.raw(text, CONTENT);
        let structured = fields.raw(text, STRUCTURED);
        if content.is_none() && structured.is_none() {
            return None;
        }
        let content = content.unwrap_or("[]");
        if Values::of(content).filter(|depth| *depth == 1).count() > MAX_ITEMS {
            return Some(opaque);
        }
        let Ok(blocks) = serde_json::from_str::<Vec<&RawValue>>(content) else {
            return Some(opaque);
        };
        let rest = fields.iter(text);
        let rest = rest.filter(|(key, _)| ![CONTENT, STRUCTURED].contains(key));
        Some(Self {
            blocks: blocks.into_iter().map(RawValue::get).collect(),
            structured,
            rest: rest.map(|(key, span)| (key.into(), &text[span])).collect(),
            text,
            is_readable: true,
        })
    }

    /// Returns `true` if the tool failed.
    pub(super) fn is_error(&self) -> bool {
        self.rest
            .iter()
            .any(|(key, value)| &**key == "isError" && *value == "true")
    }

    /// Returns the text of a result that consists of one text; `structuredContent` may repeat it.
    pub(super) fn single_text(&self) -> Option<Cow<'a, str>> {
        let [block] = &*self.blocks else {
            return None;
        };
        let text = Block::parse(block).filter(|block| block.is_text())?.text;
        let repeats = |structured: &str| *text == *structured || is_same(&text, structured);
        self.structured.is_none_or(repeats).then_some(text)
    }

    /// Returns the JSON text of the result with other items of `content` and other
    /// `structuredContent`.
    ///
    /// Of the other members those that the protocol needs remain, and all if they have at most `max`
    /// bytes.
    pub(super) fn with_content(
        &self,
        blocks: &[Cow<'_, str>],
        structured: Option<String>,
        max: usize,
    ) -> String {
        let mut members = vec![(CONTENT, format!("[{}]", blocks.join(",")).into())];
        members.extend(structured.map(|text| (STRUCTURED, text.into())));
        let rest = self.rest_within(max);
        members.extend(rest.map(|(key, value)| (&**key, Cow::Borrowed(*value))));
        object_json(&members)
    }

    /// Returns the JSON text of a tool error with the text `text`, in the place of the result.
    pub(super) fn to_error(&self, text: &str) -> String {
        let content = format!("[{}]", text_block(text));
        let mut members = vec![(CONTENT, content.into()), ("isError", "true".into())];
        let kind = self.rest_within(0).find(|(key, _)| &**key == "resultType");
        members.extend(kind.map(|(key, value)| (&**key, Cow::Borrowed(*value))));
        object_json(&members)
    }

    /// Returns the members besides the content that remain if there is room for `max` bytes.
    fn rest_within(&self, max: usize) -> impl Iterator<Item = &(Box<str>, &'a str)> {
        let size = |(key, value): &(Box<str>, &str)| key.len() + value.len();
        let fits = self.rest.iter().map(size).sum::<usize>() <= max;
        self.rest.iter().filter(move |(key, value)| {
            fits || ["isError", "resultType"].contains(&&**key) && value.len() <= MAX_WORD
        })
    }
}

/// Returns `true` if both texts are the same JSON value. Those with many values count as different.
fn is_same(one: &str, other: &str) -> bool {
    let parse = |text| {
        let is_small = Values::of(text).nth(MAX_COMPARED).is_none();
        is_small.then(|| serde_json::from_str::<serde_json::Value>(text).ok())?
    };
    parse(other).is_some_and(|value| Some(value) == parse(one))
}

/// An item of `content` with a text.
#[derive(Debug)]
pub(super) struct Block<'a> {
    json: &'a str,
    /// Span of the JSON string.
    span: Range<usize>,
    /// The text.
    pub(super) text: Cow<'a, str>,
    is_embedded: bool,
}

impl<'a> Block<'a> {
    /// Returns the text of the item `json`: of a text block or of an embedded resource.
    pub(super) fn parse(json: &'a str) -> Option<Self> {
        let fields = Fields::parse(json, 0..json.len()).ok()?;
        let is_embedded = match &*fields.string(json, "type")? {
            "text" => false,
            "resource" => true,
            _ => return None,
        };
        let span = match is_embedded {
            true => Fields::parse(json, fields.span(json, "resource")?)
                .ok()?
                .span(json, "text")?,
            false => fields.span(json, "text")?,
        };
        Some(Self {
            json,
            text: crate::json::string(&json[span.clone()])?,
            span,
            is_embedded,
        })
    }

    /// Returns `true` for a text block.
    pub(super) fn is_text(&self) -> bool {
        !self.is_embedded
    }

    /// Returns the size of the item without its text, in bytes.
    pub(super) fn overhead(&self) -> usize {
        self.json.len() - self.span.len()
    }

    /// Returns the JSON text of the item with another text.
    pub(super) fn with_text(&self, text: &str) -> String {
        let (before, after) = (&self.json[..self.span.start], &self.json[self.span.end..]);
        format!("{before}{}{after}", string_json(text))
    }
}

/// Returns the JSON text of a text block.
pub(super) fn text_block(text: &str) -> String {
    object_json(&[
        ("type", "\"text\"".into()),
        ("text", string_json(text).into()),
    ])
}

/// Returns the longest prefix of `text` whose JSON string has at most `max` bytes.
pub(super) fn prefix_within(text: &str, max: usize) -> &str {
    let mut room = max.saturating_sub(2);
    for (at, c) in text.char_indices() {
        let len = match c {
            '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
            '\0'..='\u{1f}' => 6,
            c => c.len_utf8(),
        };
        if len > room {
            return &text[..at];
        }
        room -= len;
    }
    text
}

/// Maximum number of items of `content`.
const MAX_ITEMS: usize = 65_536;

/// Maximum number of values of texts that are compared.
const MAX_COMPARED: usize = 100_000;

/// Maximum length of the JSON text of a member that is kept in any case.
const MAX_WORD: usize = 32;

const CONTENT: &str = "content";
const STRUCTURED: &str = "structuredContent";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_results_of_tools_have_parts() {
        for text in ["{}", r#"{"resultType":"input_required"}"#, r#"{"task":{}}"#] {
            assert!(ToolResult::parse(text).is_none(), "{text}");
        }
        let result = r#"{"content":[{"type":"text","text":"a"}],"isError":true,"x":1}"#;
        let result = ToolResult::parse(result).unwrap();
        assert_eq!(result.blocks, [r#"{"type":"text","text":"a"}"#]);
        assert!(result.is_error());
        let unreadable = ToolResult::parse(r#"{"content":[],"content":[]}"#).unwrap();
        assert!(unreadable.blocks.is_empty() && !unreadable.is_error());
        for (items, is_readable) in [(MAX_ITEMS, true), (MAX_ITEMS + 1, false)] {
            let many = format!(r#"{{"content":[{}1]}}"#, "1,".repeat(items - 1));
            let result = ToolResult::parse(&many).unwrap();
            let number = if is_readable { items } else { 0 };
            assert_eq!(
                (result.is_readable, result.blocks.len()),
                (is_readable, number)
            );
        }
    }

    #[test]
    fn structured_content_may_repeat_the_only_text() {
        let single = |structured: &str, text: &str| {
            let block = text_block(text);
            let result = format!(r#"{{"content":[{block}]{structured}}}"#);
            let result = ToolResult::parse(&result).unwrap();
            result.single_text().map(Cow::into_owned)
        };
        assert_eq!(single("", "a").as_deref(), Some("a"));
        let structured = r#","structuredContent":{"a":1}"#;
        assert_eq!(
            single(structured, r#"{ "a": 1 }"#).as_deref(),
            Some(r#"{ "a": 1 }"#)
        );
        assert_eq!(single(structured, r#"{"a":2}"#), None);
        assert_eq!(single(structured, "a is 1"), None);
        // What is too large to be compared is the same if its text is.
        let many = format!("[{}1]", "1,".repeat(MAX_COMPARED));
        let structured = format!(r#","structuredContent":{many}"#);
        assert!(single(&structured, &many).is_some());
        assert!(single(&structured, &format!(" {many}")).is_none());
    }

    #[test]
    fn the_text_of_an_embedded_resource_is_replaced() {
        let json = r#"{"type":"resource","resource":{"uri":"file:///a","text":"long","x":1}}"#;
        let block = Block::parse(json).unwrap();
        assert!(!block.is_text());
        let short = r#"{"type":"resource","resource":{"uri":"file:///a","text":"\"","x":1}}"#;
        assert_eq!(block.with_text("\""), short);
        for other in [r#"{"type":"image","text":"a"}"#, r#"{"type":"text"}"#, "1"] {
            assert!(Block::parse(other).is_none(), "{other}");
        }
    }

    proptest! {
        #[test]
        fn a_prefix_is_as_long_as_its_json_may_be(text: String, max in 2..80_usize) {
            let prefix = prefix_within(&text, max);
            prop_assert!(text.starts_with(prefix));
            prop_assert!(string_json(prefix).len() <= max);
            if let Some(next) = text[prefix.len()..].chars().next() {
                let longer = format!("{prefix}{next}");
                prop_assert!(string_json(&longer).len() > max);
            }
        }
    }
}
