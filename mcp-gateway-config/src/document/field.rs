use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::suggest::instead;
use super::{Key, Node, Outside, Place, Problem, Problems, Scalar, Severity, Table, Value};

/// What has been found wrong so far, and where to look for what is not in the file.
#[derive(Debug)]
pub struct Report<'a> {
    outside: &'a dyn Outside,
    found: RefCell<Vec<Problem>>,
}

/// A value in a file that is being read.
#[derive(Clone, Debug)]
pub struct Field<'a> {
    report: &'a Report<'a>,
    node: &'a Node,
    path: String,
}

/// What can be read from a value in a file.
pub trait Read: Sized {
    /// Reads `field`; what is wrong is noted in its report.
    ///
    /// `None` says that something was wrong. Something may be wrong with a part of what is
    /// returned as well: whether a file can be used, its report says.
    fn read(field: &Field<'_>) -> Option<Self>;
}

impl<'a> Report<'a> {
    pub fn new(outside: &'a dyn Outside) -> Self {
        Self {
            outside,
            found: RefCell::default(),
        }
    }

    /// Begins to read a file.
    pub fn root(&'a self, node: &'a Node) -> Field<'a> {
        Field {
            report: self,
            node,
            path: String::new(),
        }
    }

    pub fn add(&self, problem: Problem) {
        let mut found = self.found.borrow_mut();
        // Anchors make one mistake appear in several places, which are one place in the file.
        if !found.contains(&problem) {
            found.push(problem);
        }
    }

    /// Everything that was found wrong.
    pub fn into_problems(self) -> Problems {
        Problems::new(self.found.into_inner())
    }
}

impl<'a> Field<'a> {
    /// Where the value is, by names.
    pub fn path(&self) -> &str {
        &self.path
    }

    pub fn read<T: Read>(&self) -> Option<T> {
        T::read(self)
    }

    /// Notes that something is wrong with the value, for which there is no use then.
    pub fn problem(&self, message: impl Into<String>) {
        self.note(Severity::Error, self.node.at, message.into());
    }

    /// Notes that the value has no effect, or another one than was probably meant.
    pub fn warning(&self, message: impl Into<String>) {
        self.note(Severity::Warning, self.node.at, message.into());
    }

    pub(super) fn note(&self, severity: Severity, place: Place, message: String) {
        self.report.add(Problem {
            severity,
            place: Some(place),
            path: self.path.clone(),
            message,
        });
    }

    fn expected(&self, what: &str) {
        self.problem(format!("expected {what}, not {}", self.node.value.kind()));
    }

    pub fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    pub fn is_scalar(&self) -> bool {
        matches!(self.node.value, Value::Scalar(_))
    }

    /// The text that a map has under `key`, if there is one, without a word if there is none.
    pub fn peek(&self, key: &str) -> Option<&'a str> {
        let Value::Map(entries) = &self.node.value else {
            return None;
        };
        match &entries.iter().find(|(known, _)| known.text == key)?.1.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            Value::List(_) | Value::Map(_) | Value::Null => None,
        }
    }

    pub fn outside(&self) -> &'a dyn Outside {
        self.report.outside
    }

    /// The value as a scalar that is `what`.
    pub fn scalar(&self, what: &str) -> Option<&'a Scalar> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::List(_) | Value::Map(_) | Value::Null => {
                self.expected(what);
                None
            }
        }
    }

    /// The text of a scalar; numbers and truth values are texts too where a text is expected.
    pub fn text(&self) -> Option<&'a str> {
        self.scalar("a text").map(|scalar| &*scalar.text)
    }

    /// The text of a scalar, as `parse` understands it.
    ///
    /// An error of `parse` is completed to a sentence such as `expected an address: no port`.
    pub fn parse<T>(&self, what: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let text = &self.scalar(what)?.text;
        match parse(text) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.problem(format!("{text:?} is not {what}: {reason}"));
                None
            }
        }
    }

    /// The value that `choices` has under the text.
    pub fn choice<T: Clone>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let chosen = choices.iter().find(|(name, _)| *name == text);
        if chosen.is_none() {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            let instead = instead(text, &names);
            self.problem(format!("{text:?} is not known here; {instead}"));
        }
        chosen.map(|(_, value)| value.clone())
    }

    /// The values of a list.
    pub fn items(&self) -> Option<Vec<Self>> {
        let Value::List(items) = &self.node.value else {
            self.expected("a list");
            return None;
        };
        let item = |(at, node)| self.child(node, &format!("[{at}]"));
        Some(items.iter().enumerate().map(item).collect())
    }

    /// The values of a map whose keys are for the writer of the file to choose.
    pub fn entries(&self) -> Option<Vec<(&'a str, Self)>> {
        let entry = |(key, node): &'a (Key, Node)| (&*key.text, self.member(&key.text, node));
        Some(self.map()?.iter().map(entry).collect())
    }

    /// The value as a map whose keys are known.
    pub fn table(&self) -> Option<Table<'a>> {
        Some(Table::new(self.clone(), self.map()?))
    }

    fn map(&self) -> Option<&'a [(Key, Node)]> {
        let Value::Map(entries) = &self.node.value else {
            self.expected("a map");
            return None;
        };
        let mut places = HashMap::new();
        for (key, _) in entries {
            if let Some(first) = places.insert(&*key.text, key.at) {
                let message = format!(
                    "{:?} is there twice; first in line {}",
                    key.text, first.line
                );
                self.note(Severity::Error, key.at, message);
            }
        }
        Some(entries)
    }

    /// The value that a map has under `key`.
    pub(super) fn member(&self, key: &str, node: &'a Node) -> Self {
        let separator = if self.path.is_empty() { "" } else { "." };
        self.child(node, &format!("{separator}{key}"))
    }

    fn child(&self, node: &'a Node, step: &str) -> Self {
        Self {
            report: self.report,
            node,
            path: format!("{}{step}", self.path),
        }
    }
}

impl<T: Read> Read for Vec<T> {
    fn read(field: &Field<'_>) -> Option<Self> {
        let items = field.items()?;
        let read: Vec<_> = items.iter().map(Field::read).collect();
        read.into_iter().collect()
    }
}

impl Read for String {
    fn read(field: &Field<'_>) -> Option<Self> {
        field.text().map(Self::from)
    }
}

impl Read for Arc<str> {
    fn read(field: &Field<'_>) -> Option<Self> {
        field.text().map(Self::from)
    }
}

impl Read for bool {
    fn read(field: &Field<'_>) -> Option<Self> {
        let scalar = field.scalar("true or false")?;
        match (scalar.quoted, &*scalar.text) {
            (false, "true") => Some(true),
            (false, "false") => Some(false),
            (true, "true" | "false") => {
                field.problem("expected true or false without quotes");
                None
            }
            (_, text) => {
                field.problem(format!("expected true or false, not {text:?}"));
                None
            }
        }
    }
}
