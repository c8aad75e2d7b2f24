//! Servers that are child processes.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use mcp_gateway_core::upstream::UpstreamProtocol;

use super::{Isolation, Secret, placeholders};

/// Server that is a child process, reached over stdio.
///
/// Placeholders `${input:NAME}` in arguments and in variables of the isolation stand for
/// the [inputs](super::ServerSpec::inputs) of the caller. An argument or a variable is omitted if an
/// optional value is missing.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::spec::Process;
///
/// let process = Process::new("npx", ["-y", "server", "--key=BJ3x0WcQ"]);
/// assert_eq!(process.args.len(), 3);
/// // Arguments may contain secrets, and do not reach logs.
/// assert!(!format!("{process:?}").contains("BJ3x0WcQ"));
/// ```
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub struct Process {
    /// Program, run without a shell.
    pub command: String,
    /// Arguments.
    pub args: Vec<String>,
    /// Environment variables.
    pub env: Vec<(String, Secret)>,
    /// Working directory; that of the gateway if `None`.
    pub directory: Option<PathBuf>,
    /// Set to pass only `env` and basic variables, such as `PATH`, `HOME` and `LANG`; otherwise the
    /// program inherits the environment of the gateway without its secrets. Default: set.
    pub clear_environment: bool,
    /// Time to exit after standard input is closed, and again after SIGTERM.
    pub grace: Option<Duration>,
    /// Protocol; detected if `None`.
    pub protocol: Option<UpstreamProtocol>,
    /// Isolation of its instances; `None` for none.
    pub isolation: Option<Isolation>,
    /// Set to send a call after the response to the one before, of all instances that share state.
    pub one_at_a_time: bool,
}

impl Process {
    /// Creates a program with `args`.
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
            clear_environment: true,
            grace: None,
            protocol: None,
            isolation: None,
            one_at_a_time: false,
        }
    }

    /// Returns `true` if its instances have a state folder.
    #[must_use]
    pub fn uses_state(&self) -> bool {
        let Some(isolation) = &self.isolation else {
            return false;
        };
        isolation.own_home || self.placeholders().any(|name| name == "state")
    }

    /// Returns the names of all placeholders, known or not.
    pub fn placeholders(&self) -> impl Iterator<Item = &str> {
        let isolation = self.isolation.iter();
        let own = isolation.flat_map(|own| {
            let variables = own.env.iter().map(|(_, value)| value);
            variables.chain(&own.cleanup)
        });
        let directory = self.directory.iter().filter_map(|path| path.to_str());
        let texts = own.chain(&self.args).map(String::as_str).chain(directory);
        texts.flat_map(placeholders)
    }
}

impl fmt::Debug for Process {
    /// Omits arguments and variables, which may contain secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("command", &self.command)
            .finish_non_exhaustive()
    }
}
