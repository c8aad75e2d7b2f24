//! Index of the members of a JSON object.
//!
//! The index holds spans instead of text, so it can be stored next to the shared buffer of a
//! message. It is the place that rejects duplicate keys: RFC 8259 leaves their meaning open, and
//! two readers of the same text could disagree.

use std::borrow::Cow;
use std::ops::Range;

use super::walk_error::WalkError;
use super::walker::{Member, MemberKey, Walker};

/// Spans of the members of a JSON object in the text from which it was read.
///
/// It holds no text, so that it can be stored beside the text; every accessor receives that same
/// text. Keys are compared after their escapes are resolved. An object with a duplicate key is
/// rejected, because two parsers could read it differently.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<Field>);

/// One member: its key and the span of its value.
#[derive(Clone, Debug)]
struct Field {
    key: Key,
    value: Range<usize>,
}

/// Key of a member.
#[derive(Clone, Debug)]
enum Key {
    /// Span of a key without escapes, between its quotes.
    At(Range<usize>),
    /// Decoded form of a key that contains escapes.
    Decoded(Box<str>),
}

/// Rejection of a text that is not a valid object.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum FieldsError {
    #[error("duplicate key {0:?}")]
    Duplicate(String),
    #[error("more than {MAX_MEMBERS} members")]
    TooMany,
    #[error(transparent)]
    Walk(#[from] WalkError),
}

impl Fields {
    /// Reads the object at `span` of `text`.
    ///
    /// # Errors
    ///
    /// [`FieldsError`] if the span does not hold exactly one object, or if the object has a
    /// duplicate key or more than [`MAX_MEMBERS`] members.
    pub(crate) fn parse(text: &str, span: Range<usize>) -> Result<Self, FieldsError> {
        let mut walker = Walker::part(text, span);
        let (fields, _) = Self::walk(text, &mut walker)?;
        walker.end()?;
        Ok(fields)
    }

    /// Reads the next value of `walker`, which walks over `text`; returns its span as well.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub(crate) fn walk(
        text: &str,
        walker: &mut Walker<'_>,
    ) -> Result<(Self, Range<usize>), FieldsError> {
        let mut fields = Self::with_capacity();
        let span = walker.object(|member| fields.add(text, member))?;
        Ok((fields, span))
    }

    /// Creates an empty index with room for the members of most objects.
    pub(crate) fn with_capacity() -> Self {
        Self(Vec::with_capacity(6))
    }

    /// Adds a member.
    ///
    /// # Errors
    ///
    /// [`FieldsError::Duplicate`] or [`FieldsError::TooMany`].
    pub(crate) fn add(&mut self, text: &str, member: Member) -> Result<(), FieldsError> {
        let Member { key, value } = member;
        let key = match key {
            MemberKey {
                span,
                escaped: false,
            } => Key::At(span),
            MemberKey { span, .. } => Key::Decoded(unescape(text, span)),
        };
        let name = key.text(text);
        if self.0.iter().any(|field| field.key.text(text) == name) {
            return Err(FieldsError::Duplicate(name.to_owned()));
        }
        if self.0.len() == MAX_MEMBERS {
            return Err(FieldsError::TooMany);
        }
        self.0.push(Field { key, value });
        Ok(())
    }

    /// Returns the span of the value of `key`.
    pub(crate) fn span(&self, text: &str, key: &str) -> Option<Range<usize>> {
        let field = self.0.iter().find(|field| field.key.text(text) == key)?;
        Some(field.value.clone())
    }

    /// Returns the JSON text of the value of `key`.
    pub(crate) fn raw<'a>(&self, text: &'a str, key: &str) -> Option<&'a str> {
        self.span(text, key).map(|span| &text[span])
    }

    /// Returns the value of `key` if it is a string.
    pub(crate) fn string<'a>(&self, text: &'a str, key: &str) -> Option<Cow<'a, str>> {
        string(self.raw(text, key)?)
    }

    /// Returns the keys and the spans of the values, in the order of the text.
    pub(crate) fn iter<'a>(
        &'a self,
        text: &'a str,
    ) -> impl Iterator<Item = (&'a str, Range<usize>)> + 'a {
        self.0
            .iter()
            .map(|field| (field.key.text(text), field.value.clone()))
    }
}

impl Key {
    /// Returns the decoded key.
    fn text<'a>(&'a self, text: &'a str) -> &'a str {
        match self {
            Self::At(span) => &text[span.clone()],
            Self::Decoded(key) => key,
        }
    }
}

/// Decodes the key with escapes at `span`, which lies between quotes.
pub(crate) fn unescape(text: &str, span: Range<usize>) -> Box<str> {
    let quoted = &text[span.start - 1..span.end + 1];
    // Undecodable keys, such as half of a surrogate pair, are compared in their raw form.
    serde_json::from_str(quoted).unwrap_or_else(|_| text[span].into())
}

/// Returns the string that the JSON `token` denotes, or `None` if it is not a string.
pub(crate) fn string(token: &str) -> Option<Cow<'_, str>> {
    let inner = token.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(token).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// Maximum number of members of an object.
///
/// The objects read here are parameters, `_meta` and results; none of them has more than a dozen
/// members. The limit keeps the quadratic search for duplicates cheap.
const MAX_MEMBERS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Fields, FieldsError> {
        Fields::parse(text, 0..text.len())
    }

    #[test]
    fn members_are_found_where_they_are() {
        let text = r#" {"a": 1, "b" : {"a":[2]} ,"c\u0064":"x\ny", "e":"z"} "#;
        let fields = read(text).unwrap();
        assert_eq!(fields.raw(text, "a"), Some("1"));
        assert_eq!(fields.raw(text, "b"), Some(r#"{"a":[2]}"#));
        assert_eq!(fields.string(text, "cd").as_deref(), Some("x\ny"));
        assert_eq!(fields.string(text, "e").as_deref(), Some("z"));
        assert_eq!(fields.string(text, "a"), None);
        assert_eq!(fields.raw(text, "z"), None);
        let keys: Vec<_> = fields.iter(text).map(|(key, _)| key).collect();
        assert_eq!(keys, ["a", "b", "cd", "e"]);
    }

    #[test]
    fn a_part_is_read_with_the_offsets_of_the_whole() {
        let text = r#"[{"a":{"b":1}},2]"#;
        let fields = Fields::parse(text, 1..14).unwrap();
        assert_eq!(fields.span(text, "a"), Some(6..13));
        assert!(Fields::parse(text, 1..15).is_err());
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        let error = read(r#"{"name":"a","n\u0061me":"b"}"#).unwrap_err();
        assert_eq!(error, FieldsError::Duplicate("name".to_owned()));
        for text in ["[]", "1", "{", "{} {}", r#"{"a":}"#, r#"{"a":1,}"#] {
            assert!(matches!(read(text), Err(FieldsError::Walk(_))), "{text}");
        }
    }

    #[test]
    fn many_members_are_refused_before_they_cost_time() {
        let members: Vec<_> = (0..100_000).map(|n| format!("\"{n}\":0")).collect();
        let error = read(&format!("{{{}}}", members.join(","))).unwrap_err();
        assert_eq!(error, FieldsError::TooMany);
    }
}
