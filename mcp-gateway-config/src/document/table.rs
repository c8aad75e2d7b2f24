use super::suggest::instead;
use super::{Field, Key, Node, Read, Severity};

/// A map in a file whose keys are known.
///
/// Each key that is asked for becomes a known one; [`finish`](Self::finish) notes the others.
#[derive(Debug)]
#[must_use = "finish it, so that unknown keys are noted"]
pub struct Table<'a> {
    field: Field<'a>,
    entries: &'a [(Key, Node)],
    known: Vec<&'static str>,
}

impl<'a> Table<'a> {
    pub(super) fn new(field: Field<'a>, entries: &'a [(Key, Node)]) -> Self {
        Self {
            field,
            entries,
            known: Vec::new(),
        }
    }

    /// The map as a whole.
    pub fn whole(&self) -> &Field<'a> {
        &self.field
    }

    /// The value of `key`, if there is one.
    pub fn field(&mut self, key: &'static str) -> Option<Field<'a>> {
        self.known.push(key);
        let (_, node) = self.entries.iter().find(|(known, _)| known.text == key)?;
        let field = self.field.member(key, node);
        (!field.is_null()).then_some(field)
    }

    /// What can be read from the value of `key`, if there is one.
    pub fn get<T: Read>(&mut self, key: &'static str) -> Option<T> {
        self.get_with(key, Field::read)
    }

    /// What `read` makes of the value of `key`, if there is one.
    pub fn get_with<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Field<'a>) -> Option<T>,
    ) -> Option<T> {
        self.field(key).as_ref().and_then(read)
    }

    /// What `read` makes of the value of `key`, which has to be there.
    pub fn required<T>(
        &mut self,
        key: &'static str,
        read: impl FnOnce(&Field<'a>) -> Option<T>,
    ) -> Option<T> {
        let field = self.field(key);
        if field.is_none() {
            self.field.problem(format!("{key:?} is missing"));
        }
        field.as_ref().and_then(read)
    }

    /// The one of `keys` that is there; exactly one has to be.
    pub fn one_of(&mut self, keys: &[&'static str]) -> Option<(&'static str, Field<'a>)> {
        let present = keys.iter().filter_map(|key| Some((*key, self.field(key)?)));
        let present: Vec<_> = present.collect();
        let choice = keys.join(", ");
        match present.len() {
            1 => present.into_iter().next(),
            0 => {
                self.field
                    .problem(format!("one of these is missing: {choice}"));
                None
            }
            _ => {
                self.field
                    .problem(format!("only one of these can be there: {choice}"));
                None
            }
        }
    }

    /// Notes keys that nobody has asked for.
    pub fn finish(self) {
        self.note_unknown(Severity::Error, |name, known| {
            format!("{name:?} is not a key here; {}", instead(name, known))
        });
    }

    /// Notes keys that nobody has asked for, which do not keep the file from being used.
    pub fn finish_leniently(self) {
        self.note_unknown(Severity::Warning, |name, _| {
            format!("{name:?} is not known here, and has no effect")
        });
    }

    fn note_unknown(self, severity: Severity, message: impl Fn(&str, &[&str]) -> String) {
        for (key, _) in self.entries {
            if !self.known.contains(&&*key.text) {
                let message = message(&key.text, &self.known);
                self.field.note(severity, key.at, message);
            }
        }
    }
}
