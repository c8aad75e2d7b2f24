//! Tree of a JSON text that is restructured.
//!
//! Members keep their order, and scalars their spelling, so that only what is changed differs from
//! the original text. Unlike [`Edits`](super::Edits), a tree permits changes that depend on several
//! parts of a document.

use std::borrow::Cow;

use super::walk_error::WalkError;
use super::walker::{MemberKey, Walker};
use super::{string, string_json, unescape};

/// A JSON value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Tree<'a> {
    /// Items of an array.
    Array(Vec<Self>),
    /// Members of an object.
    Object(TreeObject<'a>),
    /// JSON text of a string, a number or a literal.
    Scalar(Cow<'a, str>),
}

/// Members of an object, in the order of the text. Keys may be duplicates.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct TreeObject<'a>(Vec<(Cow<'a, str>, Tree<'a>)>);

impl<'a> Tree<'a> {
    /// Parses a JSON text.
    ///
    /// # Errors
    ///
    /// A syntax error, also if the value is nested deeper than [`MAX_DEPTH`](super::MAX_DEPTH).
    pub(crate) fn parse(text: &'a str) -> Result<Self, WalkError> {
        let mut walker = Walker::new(text);
        let tree = Self::read(text, &mut walker)?;
        walker.end()?;
        Ok(tree)
    }

    /// Reads the next value of `walker`, which walks over `text`.
    fn read(text: &'a str, walker: &mut Walker<'a>) -> Result<Self, WalkError> {
        match walker.peek() {
            Some(b'{') => {
                let mut members = Vec::new();
                walker.members(|walker, key| {
                    let value = walker.nested(|walker| Self::read(text, walker))?;
                    members.push((key_text(text, key), value));
                    Ok::<_, WalkError>(())
                })?;
                Ok(Self::Object(TreeObject(members)))
            }
            Some(b'[') => {
                let mut items = Vec::new();
                walker.items(|walker| {
                    items.push(walker.nested(|walker| Self::read(text, walker))?);
                    Ok::<_, WalkError>(())
                })?;
                Ok(Self::Array(items))
            }
            _ => Ok(Self::Scalar(text[walker.value()?].into())),
        }
    }

    /// Creates a string.
    pub(crate) fn of_text(text: &str) -> Self {
        Self::Scalar(string_json(text).into())
    }

    /// Returns `true` if the value is the literal `null`.
    pub(crate) fn is_null(&self) -> bool {
        self.token() == Some("null")
    }

    /// Returns the JSON text of a scalar.
    pub(crate) fn token(&self) -> Option<&str> {
        match self {
            Self::Scalar(token) => Some(token),
            Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// Returns the value if it is a string.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        string(self.token()?)
    }

    /// Returns the members if the value is an object.
    pub(crate) fn as_object(&self) -> Option<&TreeObject<'a>> {
        match self {
            Self::Object(object) => Some(object),
            Self::Array(_) | Self::Scalar(_) => None,
        }
    }

    /// Returns the value at a JSON pointer (RFC 6901).
    pub(crate) fn pointer(&self, pointer: &str) -> Option<&Self> {
        let mut steps = pointer.split('/');
        if !steps.next()?.is_empty() {
            return None;
        }
        steps.try_fold(self, |tree, step| {
            let step = step.replace("~1", "/").replace("~0", "~");
            match tree {
                Self::Array(items) => items.get(step.parse::<usize>().ok()?),
                Self::Object(object) => object.get(&step),
                Self::Scalar(_) => None,
            }
        })
    }

    /// Appends the JSON text to `out`.
    pub(crate) fn write(&self, out: &mut String) {
        match self {
            Self::Array(items) => {
                out.push('[');
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    item.write(out);
                }
                out.push(']');
            }
            Self::Object(TreeObject(members)) => {
                out.push('{');
                for (at, (key, value)) in members.iter().enumerate() {
                    if at > 0 {
                        out.push(',');
                    }
                    out.push_str(&string_json(key));
                    out.push(':');
                    value.write(out);
                }
                out.push('}');
            }
            Self::Scalar(token) => out.push_str(token),
        }
    }
}

impl<'a> TreeObject<'a> {
    /// Returns the value of `key`.
    pub(crate) fn get(&self, key: &str) -> Option<&Tree<'a>> {
        let member = self.0.iter().find(|(other, _)| other == key);
        member.map(|(_, value)| value)
    }

    /// Returns the value of `key`.
    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Tree<'a>> {
        let member = self.0.iter_mut().find(|(other, _)| other == key);
        member.map(|(_, value)| value)
    }

    /// Sets the value of `key`; a new member becomes the last one.
    pub(crate) fn set(&mut self, key: impl Into<Cow<'a, str>>, value: Tree<'a>) {
        let key = key.into();
        match self.get_mut(&key) {
            Some(place) => *place = value,
            None => self.0.push((key, value)),
        }
    }

    /// Removes the members with `key`.
    pub(crate) fn remove(&mut self, key: &str) {
        self.0.retain(|(other, _)| other != key);
    }

    /// Keeps the members for which `keep` returns `true`.
    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&str, &mut Tree<'a>) -> bool) {
        self.0.retain_mut(|(key, value)| keep(key, value));
    }

    /// Returns the members in the order of the text.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Tree<'a>)> {
        self.0.iter().map(|(key, value)| (&**key, value))
    }
}

/// Returns the decoded key.
pub(super) fn key_text(text: &str, key: MemberKey) -> Cow<'_, str> {
    match key.escaped {
        false => Cow::Borrowed(&text[key.span]),
        true => Cow::Owned(unescape(text, key.span).into()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(tree: &Tree<'_>) -> String {
        let mut out = String::new();
        tree.write(&mut out);
        out
    }

    #[test]
    fn only_changes_differ() {
        let text = r#"{"b":1E400,"a":[true,{"c":"\u00e9"}],"a":{}}"#;
        let Ok(Tree::Object(mut object)) = Tree::parse(text) else {
            panic!("no object");
        };
        assert_eq!(written(&Tree::Object(object.clone())), text);
        object.set("b", Tree::of_text("\""));
        object.remove("a");
        object.set("d", Tree::Array(Vec::new()));
        assert_eq!(written(&Tree::Object(object)), r#"{"b":"\"","d":[]}"#);
    }

    #[test]
    fn pointers_lead_to_values() {
        let text = r##"{"$defs":{"a/b":[{"~":1}]},"":2}"##;
        let tree = Tree::parse(text).unwrap();
        let token = |pointer| tree.pointer(pointer).and_then(Tree::token);
        assert_eq!(token("/$defs/a~1b/0/~0"), Some("1"));
        assert_eq!(token("/"), Some("2"));
        assert_eq!(tree.pointer(""), Some(&tree));
        for missing in ["/a", "/$defs/a~1b/1", "//x", "$defs"] {
            assert_eq!(tree.pointer(missing), None, "{missing}");
        }
    }

    #[test]
    fn depth_is_bounded() {
        for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
            let nested = |depth| format!("{}1{}", open.repeat(depth), close.repeat(depth));
            assert!(Tree::parse(&nested(126)).is_ok());
            assert!(Tree::parse(&nested(127)).is_err());
            assert!(Tree::parse(&nested(100_000)).is_err());
        }
    }

    proptest! {
        #[test]
        fn a_tree_reads_what_serde_json_reads(text in r#"[\[\]{}",:\\untrfalse0-9eE+. \-]{0,24}"#) {
            let read: Option<serde_json::Value> = serde_json::from_str(&text).ok();
            let tree = Tree::parse(&text);
            prop_assert!(tree.is_ok() || read.is_none());
            if let (Ok(tree), Some(read)) = (tree, read) {
                let again: serde_json::Value = serde_json::from_str(&written(&tree)).unwrap();
                prop_assert_eq!(again, read);
            }
        }
    }
}
