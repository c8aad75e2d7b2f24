use std::fmt;

use super::Place;

/// Something that is wrong with a file.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Problem {
    /// Whether the file can be used nevertheless.
    pub severity: Severity,
    /// Where it is, by line and column.
    pub place: Option<Place>,
    /// Where it is, by names, such as `servers[0].remote.url`; empty for the file as a whole.
    pub path: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

/// Whether a file can be used nevertheless.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but probably something else was meant.
    Warning,
}

/// Everything that is wrong with a file, in the order of its lines.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// The problems, sorted by their places.
    #[must_use]
    pub fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(|problem| problem.place);
        Self(problems)
    }

    /// One error, about a file as a whole.
    #[must_use]
    pub fn of_file(message: impl Into<String>) -> Self {
        Self(vec![Problem {
            severity: Severity::Error,
            place: None,
            path: String::new(),
            message: message.into(),
        }])
    }

    /// The problems, one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the file cannot be used.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.iter()
            .any(|problem| problem.severity == Severity::Error)
    }

    /// The problems as lines for people, of the file that is known as `file`.
    pub fn lines<'a>(&'a self, file: &'a str) -> impl Iterator<Item = String> + 'a {
        self.iter().map(move |problem| problem.line(file))
    }
}

impl Problem {
    /// The problem as a line for people, of the file that is known as `file`.
    fn line(&self, file: &str) -> String {
        let place = self.place.map(|place| format!(":{place}"));
        let place = place.unwrap_or_default();
        let warning = match self.severity {
            Severity::Error => "",
            Severity::Warning => "warning: ",
        };
        let separator = if self.path.is_empty() { "" } else { ": " };
        let Self { path, message, .. } = self;
        format!("{file}{place}: {warning}{path}{separator}{message}")
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.lines("configuration").collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}
