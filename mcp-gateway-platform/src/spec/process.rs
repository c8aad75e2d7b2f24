//! Servers that are programs.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::Secret;

/// A server that is a program.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct Process {
    /// The program.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// The variables of its environment.
    pub env: Vec<(String, Secret)>,
    /// Its working directory.
    pub directory: Option<PathBuf>,
    /// Whether it gets no variables but those in `env`.
    pub clear_environment: bool,
    /// How long it may take to end when it is asked to.
    pub grace: Option<Duration>,
}

impl Process {
    /// A program that is started with `args`.
    #[must_use]
    pub fn new<A: Into<String>>(
        command: impl Into<String>,
        args: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            command: command.into(),
            args: args.into_iter().map(Into::into).collect(),
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
