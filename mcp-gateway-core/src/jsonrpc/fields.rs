use std::borrow::Cow;
use std::fmt;
use std::ops::Range;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Where the members of a JSON object are in the text that it was read from.
///
/// It holds no text itself, so that it can be kept beside the text. Keys are compared after their
/// escapes are resolved; an object that has a key twice is refused, because two readers of it could
/// come to different conclusions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(Key, Range<usize>)>);

#[derive(Clone, Debug)]
enum Key {
    At(Range<usize>),
    /// A key that was written with escapes.
    Owned(Box<str>),
}

impl Fields {
    /// Reads the object at `span` of `text`.
    pub(crate) fn read(text: &str, span: Range<usize>) -> Result<Self, serde_json::Error> {
        let object: Object<'_> = serde_json::from_str(&text[span])?;
        let at = |part: &str| {
            let start = part.as_ptr() as usize - text.as_ptr() as usize;
            start..start + part.len()
        };
        let entry = |(key, value): (Cow<'_, str>, &RawValue)| {
            let key = match key {
                Cow::Borrowed(key) => Key::At(at(key)),
                Cow::Owned(key) => Key::Owned(key.into()),
            };
            (key, at(value.get()))
        };
        Ok(Self(object.0.into_iter().map(entry).collect()))
    }

    /// The span of the value of `key`.
    pub(crate) fn span(&self, text: &str, key: &str) -> Option<Range<usize>> {
        self.iter(text)
            .find(|(name, _)| *name == key)
            .map(|(_, span)| span)
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
        self.0.iter().map(|(key, span)| match key {
            Key::At(at) => (&text[at.clone()], span.clone()),
            Key::Owned(key) => (&**key, span.clone()),
        })
    }
}

/// The string that the JSON `token` holds, if it holds one.
pub(crate) fn string(token: &str) -> Option<Cow<'_, str>> {
    let inner = token.strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        return serde_json::from_str(token).ok().map(Cow::Owned);
    }
    Some(Cow::Borrowed(inner))
}

struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'de> Deserialize<'de> for Object<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor)
    }
}

struct ObjectVisitor;

impl<'de> Visitor<'de> for ObjectVisitor {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::with_capacity(8);
        while let Some((KeyText(key), value)) = map.next_entry::<KeyText<'de>, &RawValue>()? {
            if entries.len() >= MAX_MEMBERS {
                return Err(A::Error::custom(format_args!(
                    "more than {MAX_MEMBERS} members"
                )));
            }
            if entries.iter().any(|(other, _)| *other == key) {
                return Err(A::Error::custom(format_args!("duplicate key {key:?}")));
            }
            entries.push((key, value));
        }
        Ok(Object(entries))
    }
}

struct KeyText<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for KeyText<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor).map(Self)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, key: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E>(self, key: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// The objects that are read here are envelopes, parameters and `_meta`, none of which has more
/// than a dozen members. The bound keeps the search for duplicates cheap.
const MAX_MEMBERS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Fields, serde_json::Error> {
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
    fn what_two_readers_could_read_differently_is_refused() {
        let error = read(r#"{"name":"a","n\u0061me":"b"}"#).unwrap_err();
        assert!(
            error.to_string().starts_with("duplicate key \"name\""),
            "{error}"
        );
        for text in ["[]", "1", "{", "{} {}", r#"{"a":}"#, r#"{"a":1,}"#] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn many_members_are_refused_before_they_cost_time() {
        let members: Vec<_> = (0..100_000).map(|n| format!("\"{n}\":0")).collect();
        assert!(read(&format!("{{{}}}", members.join(","))).is_err());
    }
}
