use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::Secret;
use super::secret::Setting;
use crate::document::{Field, Read};

/// A server that is a program.
#[derive(Clone, Eq, PartialEq)]
pub struct Process {
    pub command: String,
    pub args: Vec<String>,
    pub env: Vec<(String, Secret)>,
    pub directory: Option<PathBuf>,
    /// Whether it gets no variables but those in `env`.
    pub clear_environment: bool,
    /// How long it may take to end when it is asked to.
    pub grace: Option<Duration>,
}

impl Process {
    /// A program that is started with `args`.
    pub fn new(command: impl Into<String>, args: Vec<String>) -> Self {
        Self {
            command: command.into(),
            args,
            env: Vec::new(),
            directory: None,
            clear_environment: false,
            grace: None,
        }
    }
}

impl fmt::Debug for Process {
    /// Leaves out arguments and variables, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}

impl Read for Process {
    fn read(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let command = table.required("command", command);
        let process = Self {
            command: command.unwrap_or_default(),
            args: table.get("args").unwrap_or_default(),
            env: table.get_with("env", variables).unwrap_or_default(),
            directory: table.get::<String>("directory").map(PathBuf::from),
            clear_environment: table.get("clearEnvironment").unwrap_or(false),
            grace: table.get("grace"),
        };
        table.finish();
        Some(process)
    }
}

/// Reads the name of a program. Its arguments are separate, because no shell takes them apart.
fn command(field: &Field<'_>) -> Option<String> {
    let text = field.text()?;
    if text.trim().is_empty() {
        field.problem("the name of a program is missing");
        return None;
    }
    if text.contains(char::is_whitespace) && !text.contains('/') {
        field.warning("this is one name with spaces in it; arguments stand in args");
    }
    Some(text.to_owned())
}

fn variables(field: &Field<'_>) -> Option<Vec<(String, Secret)>> {
    let entries = field.entries()?;
    let variable = |(name, field): &(&str, Field<'_>)| {
        let Setting(value) = field.read()?;
        if !is_variable(name) {
            field.problem("this is no name of a variable");
            return None;
        }
        Some(((*name).to_owned(), value))
    };
    Some(entries.iter().filter_map(variable).collect())
}

/// Whether the system takes a variable of the name.
pub fn is_variable(name: &str) -> bool {
    !name.is_empty() && !name.contains(['=', '\0'])
}
