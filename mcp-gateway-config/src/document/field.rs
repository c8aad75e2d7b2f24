//! Typed access to values of a file.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use super::scope::OutOfScope;
use super::suggest::suggestion;
use super::{
    Diagnostic, Diagnostics, Environment, Key, LookupScope, Node, Position, Scalar, Severity,
    Table, Value,
};

/// Collected diagnostics, and the environment of the file.
#[derive(Debug)]
pub(crate) struct DiagnosticSink<'a> {
    environment: &'a dyn Environment,
    scope: LookupScope,
    out_of_scope: OutOfScope<'a>,
    /// With the order in which they were found.
    found: RefCell<HashMap<Diagnostic, usize>>,
}

/// Value in a file, with its path and position.
#[derive(Clone, Debug)]
pub(crate) struct Field<'a> {
    report: &'a DiagnosticSink<'a>,
    node: &'a Node,
    path: String,
}

/// Type that can be read from a value in a file.
pub(crate) trait FromField: Sized {
    /// Reads `field`, and records errors in its report.
    ///
    /// Returns `None` after an error. Parts of a returned value may have errors as well: the report
    /// determines whether a file is valid.
    fn from_field(field: &Field<'_>) -> Option<Self>;
}

impl<'a> DiagnosticSink<'a> {
    /// Creates an empty sink.
    pub(crate) fn new(environment: &'a dyn Environment) -> Self {
        Self::within(LookupScope::All, environment)
    }

    /// Creates an empty sink for a file whose references are looked up within `scope`.
    pub(crate) fn within(scope: LookupScope, environment: &'a dyn Environment) -> Self {
        Self {
            environment,
            scope,
            out_of_scope: OutOfScope(environment),
            found: RefCell::default(),
        }
    }

    /// Returns the root of a file.
    pub(crate) fn root(&'a self, node: &'a Node) -> Field<'a> {
        Field {
            report: self,
            node,
            path: String::new(),
        }
    }

    /// Records a diagnostic, unless it is recorded already.
    pub(crate) fn add(&self, problem: Diagnostic) {
        // Aliases repeat the diagnostics of their anchors at the same position.
        let mut found = self.found.borrow_mut();
        let number = found.len();
        found.entry(problem).or_insert(number);
    }

    /// Returns the number of errors so far.
    fn error_count(&self) -> usize {
        let found = self.found.borrow();
        let errors = found.keys().filter(|one| one.severity == Severity::Error);
        errors.count()
    }

    /// Returns all diagnostics.
    pub(crate) fn into_diagnostics(self) -> Diagnostics {
        let mut found: Vec<_> = self.found.into_inner().into_iter().collect();
        found.sort_unstable_by_key(|(_, number)| *number);
        Diagnostics::new(found.into_iter().map(|(problem, _)| problem).collect())
    }
}

impl<'a> Field<'a> {
    /// Returns the path of the value.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// Reads the value as a `T`.
    pub(crate) fn read<T: FromField>(&self) -> Option<T> {
        T::from_field(self)
    }

    /// Records an error of the value, which is then unusable.
    pub(crate) fn error(&self, message: impl Into<String>) {
        self.note(Severity::Error, self.node.at, message.into());
    }

    /// Records a warning: the value is ignored, or probably not what was intended.
    pub(crate) fn warning(&self, message: impl Into<String>) {
        self.note(Severity::Warning, self.node.at, message.into());
    }

    /// Records a diagnostic at `place`, with the path of the value.
    pub(super) fn note(&self, severity: Severity, place: Position, message: String) {
        self.report.add(Diagnostic {
            severity,
            position: Some(place),
            path: self.path.clone(),
            message,
        });
    }

    /// Records that the value should be `what`.
    fn expected(&self, what: &str) {
        self.error(format!("expected {what}, not {}", self.node.value.kind()));
    }

    /// Returns `true` if the value is absent or null.
    pub(crate) fn is_null(&self) -> bool {
        matches!(self.node.value, Value::Null)
    }

    /// Returns `true` if the value is a string, number or boolean.
    pub(crate) fn is_scalar(&self) -> bool {
        matches!(self.node.value, Value::Scalar(_))
    }

    /// Returns `true` if the value is a map.
    pub(crate) fn is_map(&self) -> bool {
        matches!(self.node.value, Value::Map(_))
    }

    /// Returns `true` if the value is a list.
    pub(crate) fn is_list(&self) -> bool {
        matches!(self.node.value, Value::List(_))
    }

    /// Returns the value under `key` of a map, if it is not null, without a diagnostic.
    pub(crate) fn get(&self, key: &str) -> Option<Self> {
        let Value::Map(entries) = &self.node.value else {
            return None;
        };
        let (_, node) = entries.iter().find(|(known, _)| known.text == key)?;
        let field = self.member(key, node);
        (!field.is_null()).then_some(field)
    }

    /// Returns the value as JSON.
    pub(crate) fn json(&self) -> serde_json::Value {
        super::json::value(self.node)
    }

    /// Returns the number of errors in the whole file so far.
    pub(crate) fn error_count(&self) -> usize {
        self.report.error_count()
    }

    /// Returns the string under `key` of a map, without a diagnostic if it is missing.
    pub(crate) fn peek(&self, key: &str) -> Option<&'a str> {
        let Value::Map(entries) = &self.node.value else {
            return None;
        };
        match &entries.iter().find(|(known, _)| known.text == key)?.1.value {
            Value::Scalar(scalar) => Some(&scalar.text),
            Value::List(_) | Value::Map(_) | Value::Null => None,
        }
    }

    /// Returns the environment of the value, without lookups outside of the scope.
    pub(crate) fn environment(&self) -> &'a dyn Environment {
        match self.report.scope.contains(&self.path) {
            true => self.report.environment,
            false => &self.report.out_of_scope,
        }
    }

    /// Returns the value as a scalar, expected to be `what`.
    pub(crate) fn scalar(&self, what: &str) -> Option<&'a Scalar> {
        match &self.node.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::List(_) | Value::Map(_) | Value::Null => {
                self.expected(what);
                None
            }
        }
    }

    /// Returns the text of a scalar; numbers and booleans are accepted as strings.
    pub(crate) fn text(&self) -> Option<&'a str> {
        self.scalar("a string").map(|scalar| &*scalar.text)
    }

    /// Parses the text of a scalar with `parse`.
    ///
    /// An error of `parse` is completed to a message such as `"a" is not an address: no port`.
    pub(crate) fn parse<T>(
        &self,
        what: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = &self.scalar(what)?.text;
        match parse(text) {
            Ok(value) => Some(value),
            Err(reason) => {
                self.error(format!("{text:?} is not {what}: {reason}"));
                None
            }
        }
    }

    /// Returns the value of `choices` with the name of the scalar.
    pub(crate) fn choice<T: Clone>(&self, choices: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        let chosen = choices.iter().find(|(name, _)| *name == text);
        if chosen.is_none() {
            let names: Vec<_> = choices.iter().map(|(name, _)| *name).collect();
            let instead = suggestion(text, &names);
            self.error(format!("unknown value {text:?}; {instead}"));
        }
        chosen.map(|(_, value)| value.clone())
    }

    /// Returns the items of a list.
    pub(crate) fn items(&self) -> Option<Vec<Self>> {
        let Value::List(items) = &self.node.value else {
            self.expected("a list");
            return None;
        };
        let item = |(at, node)| self.child(node, &format!("[{at}]"));
        Some(items.iter().enumerate().map(item).collect())
    }

    /// Returns the entries of a map with arbitrary keys.
    pub(crate) fn entries(&self) -> Option<Vec<(&'a str, Self)>> {
        let entry = |(key, node): &'a (Key, Node)| (&*key.text, self.member(&key.text, node));
        Some(self.map()?.iter().map(entry).collect())
    }

    /// Returns the value as a map with a fixed set of keys.
    pub(crate) fn table(&self) -> Option<Table<'a>> {
        Some(Table::new(self.clone(), self.map()?))
    }

    /// Returns the entries of a map, and records duplicate keys.
    fn map(&self) -> Option<&'a [(Key, Node)]> {
        let Value::Map(entries) = &self.node.value else {
            self.expected("a map");
            return None;
        };
        let mut places = HashMap::new();
        for (key, _) in entries {
            if let Some(first) = places.insert(&*key.text, key.at) {
                let message = format!("duplicate key {:?}; first in line {}", key.text, first.line);
                self.note(Severity::Error, key.at, message);
            }
        }
        Some(entries)
    }

    /// Returns the member `key` of a map.
    pub(super) fn member(&self, key: &str, node: &'a Node) -> Self {
        let separator = if self.path.is_empty() { "" } else { "." };
        self.child(node, &format!("{separator}{key}"))
    }

    /// Returns a part of the value, whose path ends with `step`.
    fn child(&self, node: &'a Node, step: &str) -> Self {
        Self {
            report: self.report,
            node,
            path: format!("{}{step}", self.path),
        }
    }
}

impl<T: FromField> FromField for Vec<T> {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let items = field.items()?;
        let read: Vec<_> = items.iter().map(Field::read).collect();
        read.into_iter().collect()
    }
}

impl FromField for String {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        field.text().map(Self::from)
    }
}

impl FromField for Arc<str> {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        field.text().map(Self::from)
    }
}

impl FromField for bool {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let scalar = field.scalar("true or false")?;
        match (scalar.quoted, &*scalar.text) {
            (false, "true") => Some(true),
            (false, "false") => Some(false),
            (true, "true" | "false") => {
                field.error("expected true or false without quotes");
                None
            }
            (_, text) => {
                field.error(format!("expected true or false, not {text:?}"));
                None
            }
        }
    }
}
