//! Cut of a result to its budget.

use std::borrow::Cow;

use super::document::Link;
use super::tool_result::{Block, ToolResult, prefix_within, text_block};
use crate::json::Fields;

/// Returns the JSON text of `result`, cut to at most `max` bytes, with a note and the `link` to the
/// whole.
///
/// Items of `content` remain in order as long as there is room. A text that is too long is cut
/// between two characters. Any other item is replaced by a note, because a part of an image is
/// invalid. Structured content is left out, and takes the place of `content` if that is empty.
pub(super) fn cut(result: &ToolResult<'_>, max: usize, link: Option<&Link>) -> String {
    let structured = result.structured.filter(|_| result.blocks.is_empty());
    let structured = structured.map(text_block);
    let blocks = || result.blocks.iter().copied().chain(structured.as_deref());
    let total = match blocks().next() {
        Some(_) => blocks().map(size).sum(),
        None => result.text.len(),
    };
    let mut tail = Tail { total, max, link };
    let bare = result.with_content(&[], None, max / 4).len();
    let mut room = max.saturating_sub(bare);
    if tail.size() > room {
        tail.link = None;
    }
    room = room.saturating_sub(tail.size());
    let (mut kept, mut shown) = (Vec::new(), 0);
    for json in blocks() {
        let Some((block, size)) = fitted(json, room.saturating_sub(1)) else {
            continue;
        };
        room -= block.len() + 1;
        shown += size;
        kept.push(block);
    }
    kept.extend(tail.blocks(shown));
    result.with_content(&kept, None, max / 4)
}

/// Returns as much of the item `json` as has at most `room` bytes, and the size of what is shown.
fn fitted(json: &str, room: usize) -> Option<(Cow<'_, str>, usize)> {
    if json.len() <= room {
        return Some((json.into(), size(json)));
    }
    let (short, shown) = match Block::parse(json) {
        Some(block) => {
            let room = room
                .checked_sub(block.overhead())
                .filter(|room| *room >= MIN_TEXT)?;
            let prefix = prefix_within(&block.text, room);
            (block.with_text(prefix), prefix.len())
        }
        None => (placeholder(json), 0),
    };
    (short.len() <= room).then_some((short.into(), shown))
}

/// Returns the text block that takes the place of an item that cannot be cut.
fn placeholder(json: &str) -> String {
    let fields = Fields::parse(json, 0..json.len()).unwrap_or_default();
    let inner = |key| {
        fields
            .span(json, key)
            .and_then(|span| Fields::parse(json, span).ok())
    };
    let mime_type = fields.string(json, "mimeType").or_else(|| {
        let resource = inner("resource")?;
        resource.string(json, "mimeType")
    });
    let words = [fields.string(json, "type"), mime_type];
    let words = words.iter().flatten().filter(|word| word.len() <= MAX_WORD);
    let words: Vec<_> = words.map(AsRef::as_ref).collect();
    text_block(&format!(
        "[{}: {} bytes, left out]",
        words.join(" "),
        json.len()
    ))
}

/// Returns the size of an item for the reader: of its text, or of its JSON text.
fn size(json: &str) -> usize {
    Block::parse(json).map_or(json.len(), |block| block.text.len())
}

/// The last items of a result that is cut: a note, and the link to the whole.
#[derive(Debug)]
struct Tail<'a> {
    total: usize,
    max: usize,
    link: Option<&'a Link>,
}

impl Tail<'_> {
    /// Returns the items, if `shown` bytes precede them.
    fn blocks(&self, shown: usize) -> Vec<Cow<'static, str>> {
        let Self { total, max, link } = self;
        let mut note = match total.saturating_sub(shown) {
            0 => format!("Structured content of this result left out (limit {max} bytes)."),
            left_out => format!("{left_out} of {total} bytes left out (limit {max} bytes)."),
        };
        if let Some(link) = link {
            note = format!("{note} Read on with resources/read: {}", link.from(shown));
        }
        let note = text_block(&format!("[{note}]")).into();
        let link = link.and_then(Link::block).map(Cow::Owned);
        std::iter::once(note).chain(link).collect()
    }

    /// Returns the maximum size of the items, in bytes.
    fn size(&self) -> usize {
        // The longest text has the longest numbers.
        let widest = [0, self.total.saturating_sub(1), self.total];
        let size = |shown| {
            self.blocks(shown)
                .iter()
                .map(|block| block.len() + 1)
                .sum::<usize>()
        };
        widest.into_iter().map(size).max().unwrap_or_default() + MAX_DIGITS
    }
}

/// Smallest JSON string to which a text is cut.
const MIN_TEXT: usize = 64;

/// Longest type of an item that is named in a note.
const MAX_WORD: usize = 64;

/// Room for the digits of a number.
const MAX_DIGITS: usize = 20;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::results::ResultBudget;

    fn shortened(result: &Value, max: usize) -> Value {
        let text = result.to_string();
        let text = cut(&ToolResult::parse(&text).unwrap(), max, None);
        assert!(text.len() <= max, "{} {text}", text.len());
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn a_text_is_cut_between_characters_with_a_note() {
        let text = "ä\"".repeat(2000);
        let result = json!({
            "content": [{ "type": "text", "text": text, "annotations": { "priority": 1 } }],
            "isError": true,
            "resultType": "complete",
        });
        let cut = shortened(&result, 2048);
        let shown = cut["content"][0]["text"].as_str().unwrap();
        assert!(
            text.starts_with(shown) && shown.len() > 1000,
            "{}",
            shown.len()
        );
        assert_eq!(cut["content"][0]["annotations"]["priority"], 1);
        let left_out = text.len() - shown.len();
        let note = format!("[{left_out} of 6000 bytes left out (limit 2048 bytes).]");
        assert_eq!(cut["content"][1], json!({ "type": "text", "text": note }));
        assert_eq!(
            (&cut["isError"], &cut["resultType"]),
            (&true.into(), &"complete".into())
        );
    }

    #[test]
    fn binary_content_is_never_cut() {
        let data = "A".repeat(3000);
        let resource = json!({ "uri": "file:///a", "mimeType": "image/gif", "blob": data });
        let result = json!({ "content": [
            { "type": "text", "text": "before" },
            { "type": "image", "mimeType": "image/png", "data": data },
            { "type": "audio", "mimeType": "audio/wav", "data": data },
            { "type": "resource", "resource": resource },
            { "type": "text", "text": "after" },
        ]});
        let cut = shortened(&result, 1024);
        let texts: Vec<_> = cut["content"].as_array().unwrap().iter().collect();
        let text = |at: usize| texts[at]["text"].as_str().unwrap();
        assert_eq!(text(0), "before");
        assert_eq!(text(1), "[image image/png: 3049 bytes, left out]");
        assert_eq!(text(2), "[audio audio/wav: 3049 bytes, left out]");
        assert!(text(3).starts_with("[resource image/gif: 3"), "{}", text(3));
        assert_eq!(text(4), "after");
        assert!(
            text(5).contains("bytes left out (limit 1024 bytes)"),
            "{}",
            text(5)
        );
        assert_eq!(texts.len(), 6);
    }

    #[test]
    fn structured_content_goes_first() {
        let structured = json!({ "items": vec![7; 400] });
        let result = json!({
            "content": [{ "type": "text", "text": structured.to_string() }],
            "structuredContent": structured,
        });
        let cut = shortened(&result, 1200);
        assert_eq!(cut["content"][0], result["content"][0]);
        let note = "[Structured content of this result left out (limit 1200 bytes).]";
        assert_eq!(cut["content"][1]["text"], note);
        assert!(cut.get("structuredContent").is_none());

        let only = json!({ "content": [], "structuredContent": { "items": vec![7; 1000] } });
        let cut = shortened(&only, 1024);
        let shown = cut["content"][0]["text"].as_str().unwrap();
        assert!(shown.starts_with(r#"{"items":[7,7"#), "{shown}");
    }

    #[test]
    fn a_result_of_which_nothing_can_be_shown_is_a_note() {
        let meta = json!({ "content": [], "_meta": { "x": "y".repeat(2000) } });
        let cut = shortened(&meta, 1024);
        assert!(cut.get("_meta").is_none());
        assert!(
            cut["content"][0]["text"]
                .as_str()
                .unwrap()
                .contains("left out")
        );
        let twice = format!(r#"{{"content":[],"content":["{}"]}}"#, "x".repeat(2000));
        let cut = super::cut(&ToolResult::parse(&twice).unwrap(), 1024, None);
        assert!(cut.contains("2029 of 2029 bytes left out"), "{cut}");
    }

    /// Any item of a result.
    fn blocks() -> impl Strategy<Value = Value> {
        let text = prop_oneof!["[a-zäöü😀\"\\\\\n\u{1}]{0,900}", ".{0,40}"];
        (0..5, text).prop_map(|(kind, text)| match kind {
            0 => json!({ "type": "image", "mimeType": text, "data": text }),
            1 => json!({ "type": "resource", "resource": { "uri": "a:b", "text": text } }),
            2 => json!({ "type": "resource_link", "uri": text, "name": "x" }),
            3 => json!({ "type": text, "text": 1 }),
            _ => json!({ "type": "text", "text": text, "_meta": { "a": text.len() } }),
        })
    }

    proptest! {
        #[test]
        fn any_result_fits_its_budget(
            content in prop::collection::vec(blocks(), 0..8),
            structured in prop::option::of("[a-z\"]{0,3000}"),
            is_error: bool,
            meta in "[a-z]{0,800}",
            max in ResultBudget::MIN_BYTES..6000,
            links: bool,
        ) {
            let mut result = json!({ "content": content, "isError": is_error, "_meta": { "a": meta } });
            if let Some(structured) = structured {
                result["structuredContent"] = json!({ "a": structured });
            }
            let text = result.to_string();
            let link = links.then(|| Link::sample(text.len()));
            let cut = cut(&ToolResult::parse(&text).unwrap(), max, link.as_ref());
            prop_assert!(cut.len() <= max, "{} of {max}: {cut}", cut.len());
            let cut: Value = serde_json::from_str(&cut).unwrap();
            prop_assert_eq!(&cut["isError"], is_error);
            let blocks = cut["content"].as_array().unwrap();
            prop_assert!(blocks.iter().any(|block| block["type"] == "text"));
            prop_assert_eq!(blocks.iter().any(|block| block["name"] == "result"), links);
        }
    }
}
