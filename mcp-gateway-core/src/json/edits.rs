//! Edits of a JSON text by span.
//!
//! They let the gateway change a name, an identifier or one member of `_meta` in a message while
//! every other byte stays as it was.

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

/// A set of replacements in a text.
///
/// Spans are byte offsets in the original text and must not overlap. They may be added in any
/// order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edits<'a>(Vec<(Range<usize>, Cow<'a, str>)>);

impl<'a> Edits<'a> {
    /// Creates an empty set.
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// Replaces `span` by `text`. Spans must not overlap.
    pub(crate) fn replace(&mut self, span: Range<usize>, text: impl Into<Cow<'a, str>>) {
        self.0.push((span, text.into()));
    }

    /// Inserts `text` before the offset `at`.
    pub(crate) fn insert(&mut self, at: usize, text: impl Into<Cow<'a, str>>) {
        self.replace(at..at, text);
    }

    /// Removes the replacements inside of `span`, which is about to be replaced as a whole.
    pub(crate) fn forget_within(&mut self, span: &Range<usize>) {
        self.0
            .retain(|(other, _)| other.start < span.start || other.end > span.end);
    }

    /// Returns the edited text, or a cheap clone of `body` if the set is empty.
    ///
    /// All spans must lie inside of `body`.
    pub(crate) fn apply(mut self, body: &Bytes) -> Bytes {
        if self.0.is_empty() {
            return body.clone();
        }
        self.0.sort_by_key(|(span, _)| span.start);
        let added: usize = self.0.iter().map(|(_, text)| text.len()).sum();
        let mut edited = Vec::with_capacity(body.len() + added);
        let mut done = 0;
        for (span, text) in &self.0 {
            edited.extend_from_slice(&body[done..span.start]);
            edited.extend_from_slice(text.as_bytes());
            done = span.end;
        }
        edited.extend_from_slice(&body[done..]);
        edited.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_in_any_order() {
        let body = Bytes::from_static(b"one two three");
        let mut edits = Edits::new();
        edits.replace(8..13, "3");
        edits.replace(0..3, "1");
        edits.insert(4, "and ");
        assert_eq!(edits.apply(&body), "1 and two 3");
        assert_eq!(Edits::new().apply(&body).as_ptr(), body.as_ptr());
    }
}
