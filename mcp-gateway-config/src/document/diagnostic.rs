//! Diagnostics of a file.

use std::fmt;

use super::Position;

/// Diagnostic of a file.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::document::{Position, Severity};
/// use mcp_gateway_config::file::parse;
///
/// let found = parse("log: { format: xml }\n").unwrap_err();
/// let first = found.iter().next().unwrap();
/// assert_eq!((&*first.path, first.severity), ("log.format", Severity::Error));
/// assert_eq!(first.position, Some(Position::new(1, 16)));
/// ```
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Diagnostic {
    /// Severity.
    pub severity: Severity,
    /// Position in the file.
    pub position: Option<Position>,
    /// Path of the value, such as `servers[0].remote.url`; empty for the whole file.
    pub path: String,
    /// Description of the error and of valid values.
    pub message: String,
}

/// Severity of a diagnostic.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Severity {
    /// The file is invalid.
    Error,
    /// The file is valid, but probably not as intended.
    Warning,
}

/// Diagnostics of a file, ordered by position.
///
/// # Example
///
/// ```
/// use mcp_gateway_config::file::parse;
///
/// let found = parse("log: { format: xml }\nhosts: localhost\n").unwrap_err();
/// assert_eq!((found.len(), found.has_errors()), (2, true));
/// let lines: Vec<_> = found.lines("gateway.yaml").collect();
/// assert_eq!(lines, [
///     "gateway.yaml:1:16: log.format: unknown value \"xml\"; available: text, json",
///     "gateway.yaml:2:8: hosts: expected a list, not a string",
/// ]);
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Diagnostics(Vec<Diagnostic>);

impl Diagnostics {
    /// Sorts diagnostics by position.
    #[must_use]
    pub fn new(mut problems: Vec<Diagnostic>) -> Self {
        problems.sort_by_key(|problem| problem.position);
        Self(problems)
    }

    /// Creates a single error for the whole file.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_config::document::Diagnostics;
    ///
    /// let found = Diagnostics::of_file("cannot read file");
    /// assert!(found.lines("gateway.yaml").eq(["gateway.yaml: cannot read file"]));
    /// ```
    #[must_use]
    pub fn of_file(message: impl Into<String>) -> Self {
        Self(vec![Diagnostic {
            severity: Severity::Error,
            position: None,
            path: String::new(),
            message: message.into(),
        }])
    }

    /// Creates a single warning for the whole file.
    #[must_use]
    pub fn warning(message: impl Into<String>) -> Self {
        Self::of_file(message).into_warnings()
    }

    /// Iterates over the diagnostics.
    pub fn iter(&self) -> impl Iterator<Item = &Diagnostic> {
        self.0.iter()
    }

    /// Returns the number of diagnostics.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if there are no diagnostics.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns `true` if the file is invalid.
    #[must_use]
    pub fn has_errors(&self) -> bool {
        self.iter()
            .any(|problem| problem.severity == Severity::Error)
    }

    /// Converts all errors to warnings.
    pub(crate) fn into_warnings(mut self) -> Self {
        for problem in &mut self.0 {
            problem.severity = Severity::Warning;
        }
        self
    }

    /// Formats the diagnostics of `file`, one per line.
    pub fn lines<'a>(&'a self, file: &'a str) -> impl Iterator<Item = String> + 'a {
        self.iter().map(move |problem| problem.line(file))
    }
}

impl Diagnostic {
    /// Formats the diagnostic of `file`.
    fn line(&self, file: &str) -> String {
        let place = self.position.map(|place| format!(":{place}"));
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

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<_> = self.lines("configuration").collect();
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Diagnostics {}
