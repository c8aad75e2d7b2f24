//! Maps with a fixed set of keys.

use super::node::Value;
use super::suggest::suggestion;
use super::{Field, FromField, Key, Node, Severity};

/// Map in a file with a fixed set of keys.
///
/// Each key that is read becomes a known one; [`finish`](Self::finish) reports the others.
#[derive(Debug)]
#[must_use = "finish it, so that unknown keys are reported"]
pub(crate) struct Table<'a> {
    field: Field<'a>,
    entries: &'a [(Key, Node)],
    known: Vec<&'static str>,
}

impl<'a> Table<'a> {
    /// Creates a table without known keys.
    pub(super) fn new(field: Field<'a>, entries: &'a [(Key, Node)]) -> Self {
        Self {
            field,
            entries,
            known: Vec::new(),
        }
    }

    /// Returns the whole map.
    pub(crate) fn whole(&self) -> &Field<'a> {
        &self.field
    }

    /// Returns the value of `key`, if present.
    pub(crate) fn field(&mut self, key: &'static str) -> Option<Field<'a>> {
        self.known.push(key);
        let (_, node) = self.entries.iter().find(|(known, _)| known.text == key)?;
        let field = self.field.member(key, node);
        (!field.is_null()).then_some(field)
    }

    /// Reads the value of `key`, if present.
    pub(crate) fn get<T: FromField>(&mut self, key: &'static str) -> Option<T> {
        self.get_with(key, Field::read)
    }

    /// Reads the value of `key` with `read`, if present.
    pub(crate) fn get_with<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Field<'a>) -> Option<T>,
    ) -> Option<T> {
        self.field(key).as_ref().and_then(read)
    }

    /// Reads the value of the required `key` with `read`.
    pub(crate) fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Field<'a>) -> Option<T>,
    ) -> Option<T> {
        let field = self.field(key);
        if !self.entries.iter().any(|(known, _)| known.text == key) {
            self.field.error(format!("missing key {key:?}"));
        }
        field.as_ref().and_then(read)
    }

    /// Returns the one of `keys` that is present; exactly one is required.
    pub(crate) fn one_of(&mut self, keys: &[&'static str]) -> Option<(&'static str, Field<'a>)> {
        let present = keys.iter().filter_map(|key| Some((*key, self.field(key)?)));
        let present: Vec<_> = present.collect();
        let choice = keys.join(", ");
        match present.len() {
            1 => present.into_iter().next(),
            0 => {
                self.field.error(format!("missing one of: {choice}"));
                None
            }
            _ => {
                self.field
                    .error(format!("only one of these is allowed: {choice}"));
                None
            }
        }
    }

    /// Reports unknown keys, and known ones without a value, as errors.
    ///
    /// The default of a missing key is often wider than what an empty value seems to say, such as
    /// `allow:` with all of its items commented out.
    pub(crate) fn finish(self) {
        let is_empty = |key: &Key, node: &Node| {
            matches!(node.value, Value::Null) && self.known.contains(&&*key.text)
        };
        for (key, node) in self
            .entries
            .iter()
            .filter(|(key, node)| is_empty(key, node))
        {
            let message = "missing value; use [] for an empty list, or remove the key".to_owned();
            let field = self.field.member(&key.text, node);
            field.note(Severity::Error, key.at, message);
        }
        self.note_unknown(Severity::Error, |name, known| {
            format!("unknown key {name:?}; {}", suggestion(name, known))
        });
    }

    /// Reports unknown keys as warnings.
    pub(crate) fn finish_leniently(self) {
        self.note_unknown(Severity::Warning, |name, _| {
            format!("unknown key {name:?} is ignored")
        });
    }

    /// Records all keys that were not read, with `message` from the key and the known keys.
    fn note_unknown(self, severity: Severity, message: impl Fn(&str, &[&str]) -> String) {
        for (key, _) in self.entries {
            if !self.known.contains(&&*key.text) {
                let message = message(&key.text, &self.known);
                self.field.note(severity, key.at, message);
            }
        }
    }
}
