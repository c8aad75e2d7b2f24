use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;

/// Replacements to be made in a text, so that everything else stays byte for byte what it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Edits<'a>(Vec<(Range<usize>, Cow<'a, str>)>);

impl<'a> Edits<'a> {
    pub(crate) fn new() -> Self {
        Self(Vec::new())
    }

    /// Puts `text` in the place of `span`. Spans must not overlap.
    pub(crate) fn replace(&mut self, span: Range<usize>, text: impl Into<Cow<'a, str>>) {
        self.0.push((span, text.into()));
    }

    /// Puts `text` in front of what is at `at`.
    pub(crate) fn insert(&mut self, at: usize, text: impl Into<Cow<'a, str>>) {
        self.replace(at..at, text);
    }

    /// Takes back the replacements inside `span`, which is about to be replaced as a whole.
    pub(crate) fn forget_within(&mut self, span: &Range<usize>) {
        self.0
            .retain(|(other, _)| other.start < span.start || other.end > span.end);
    }

    /// The text after the replacements; `body` itself where there are none.
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
