//! Visits of the parts of a JSON value, of any number and with duplicate keys.
//!
//! [`Fields`](super::Fields) rejects objects that two readers could read differently. Where such an
//! object is forwarded nevertheless, all that a reader could find in it must be found.

use std::ops::Range;

use super::tree::key_text;
use super::walk_error::WalkError;
use super::walker::{Member, Walker};

/// Calls `visit` with the key and the span of the value of each member of the object at `span` of
/// `text`, duplicates included. There are none if the value is no object.
pub(crate) fn each_member(
    text: &str,
    span: Range<usize>,
    mut visit: impl FnMut(&str, Range<usize>),
) {
    let member = |Member { key, value }| {
        visit(&key_text(text, key), value);
        Ok::<_, WalkError>(())
    };
    // The text was validated with the message that contains it.
    let _ = Walker::part(text, span).object(member);
}

/// Calls `visit` with the span of each item of the array at `span` of `text`. There are none if the
/// value is no array.
pub(crate) fn each_item(text: &str, span: Range<usize>, mut visit: impl FnMut(Range<usize>)) {
    // The text was validated with the message that contains it.
    let _ = Walker::part(text, span).items(|walker| {
        visit(walker.value()?);
        Ok::<_, WalkError>(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(text: &str) -> Vec<(String, &str)> {
        let mut members = Vec::new();
        each_member(text, 0..text.len(), |key, value| {
            members.push((key.to_owned(), &text[value]));
        });
        members
    }

    fn items(text: &str) -> Vec<&str> {
        let mut items = Vec::new();
        each_item(text, 0..text.len(), |item| items.push(&text[item]));
        items
    }

    #[test]
    fn all_members_are_visited() {
        let text = r#"{"a":1,"\u0061":{"b":[]} , "a" : "x"}"#;
        let expected = [("a", "1"), ("a", r#"{"b":[]}"#), ("a", r#""x""#)];
        assert_eq!(
            members(text),
            expected.map(|(key, value)| (key.to_owned(), value))
        );
        assert!(members("[1]").is_empty());
        assert!(members("{}").is_empty());
    }

    #[test]
    fn all_items_are_visited() {
        assert_eq!(
            items(r#"[1, {"a":[2]} ,"x",[]]"#),
            ["1", r#"{"a":[2]}"#, r#""x""#, "[]"]
        );
        assert!(items("[]").is_empty());
        assert!(items("{}").is_empty());
    }
}
