use std::borrow::Cow;
use std::ops::Range;

use super::walker::{Member, WalkError, Walker};

/// Where the members of a JSON object are in the text that it was read from.
///
/// It holds no text itself, so that it can be kept beside the text. Keys are compared after their
/// escapes are resolved; an object that has a key twice is refused, because two readers of it could
/// come to different conclusions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<Field>);

#[derive(Clone, Debug)]
struct Field {
    key: Key,
    value: Range<usize>,
}

#[derive(Clone, Debug)]
enum Key {
    At(Range<usize>),
    /// A key that was written with escapes.
    Decoded(Box<str>),
}

/// Why an object cannot be read.
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
    pub(crate) fn read(text: &str, span: Range<usize>) -> Result<Self, FieldsError> {
        let mut walker = Walker::part(text, span);
        let mut fields = Self(Vec::with_capacity(6));
        walker.object(|member| fields.add(text, member))?;
        walker.end()?;
        Ok(fields)
    }

    fn add(&mut self, text: &str, member: Member) -> Result<(), FieldsError> {
        let Member {
            key,
            escaped,
            value,
        } = member;
        let key = match escaped {
            false => Key::At(key),
            true => Key::Decoded(decoded(text, key)),
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

    /// The span of the value of `key`.
    pub(crate) fn span(&self, text: &str, key: &str) -> Option<Range<usize>> {
        let field = self.0.iter().find(|field| field.key.text(text) == key)?;
        Some(field.value.clone())
    }

    /// The JSON text of the value of `key`.
    pub(crate) fn raw<'a>(&self, text: &'a str, key: &str) -> Option<&'a str> {
        self.span(text, key).map(|span| &text[span])
    }

    /// The value of `key`, where it is a string.
    pub(crate) fn string<'a>(&self, text: &'a str, key: &str) -> Option<Cow<'a, str>> {
        string(self.raw(text, key)?)
    }

    /// The members in their order.
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
    fn text<'a>(&'a self, text: &'a str) -> &'a str {
        match self {
            Self::At(span) => &text[span.clone()],
            Self::Decoded(key) => key,
        }
    }
}

/// What is written with escapes at `span`, which is between quotes.
pub(crate) fn decoded(text: &str, span: Range<usize>) -> Box<str> {
    let quoted = &text[span.start - 1..span.end + 1];
    // What cannot be decoded, such as half a surrogate pair, is compared as it is written.
    serde_json::from_str(quoted).unwrap_or_else(|_| text[span].into())
}

/// The string that the JSON `token` holds, if it holds one.
pub(crate) fn string(token: &str) -> Option<Cow<'_, str>> {
    let inner = token.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(token).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

/// The objects that are read here are parameters, `_meta` and results, none of which has more than
/// a dozen members. The bound keeps the search for duplicates cheap.
const MAX_MEMBERS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Fields, FieldsError> {
        Fields::read(text, 0..text.len())
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
        let fields = Fields::read(text, 1..14).unwrap();
        assert_eq!(fields.span(text, "a"), Some(6..13));
        assert!(Fields::read(text, 1..15).is_err());
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
