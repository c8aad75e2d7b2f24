//! Servers that are child processes.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::process::Command;

pub use self::exit::ProcessExit;
use self::exit::{ExitListener, ExitState};
use self::group::ProcessGroup;
use self::input::ProgramInput;
use crate::Mask;
use crate::credential::Credential;
use crate::error::UpstreamError;
use crate::task::BackgroundTask;
use crate::transport::{ProgramOutput, StdioTransport, Transport};
use crate::upstream::{Instance, RuntimeBackend, UpstreamServer, UpstreamServerBuilder};

mod exit;
mod group;
mod input;
mod stderr;

/// A backend that runs a program and communicates over its standard input and output.
///
/// The program leads a process group of its own. It is terminated as the [specification][spec]
/// requires: its input is closed, then it receives SIGTERM, then SIGKILL, with a grace period
/// between the steps. Every process of its group ends with it. Lines that it writes to its standard
/// error are logged as events with the target `mcp_gateway::stderr`, without the secrets of the
/// [credential](Instance::credential) with which it was started.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::runtime::Process;
/// use mcp_gateway_core::transport::Transport;
/// use mcp_gateway_core::upstream::{Instance, RuntimeBackend};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let backend = Process::new("echo", "cat").with_args(["-u"]).with_env("LANG", "C");
/// assert!(!backend.is_remote());
/// let transport = backend.connect(&Instance::shared()).await?;
/// assert!(matches!(transport, Transport::Stdio(_)));
///
/// let missing = Process::new("echo", "no-such-program");
/// assert!(missing.connect(&Instance::shared()).await.is_err());
/// # Ok(())
/// # }
/// ```
///
/// [spec]: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/stdio#shutdown
#[derive(Clone)]
#[doc(alias("stdio", "subprocess", "command"))]
pub struct Process {
    /// Name of the server, for the log.
    name: Arc<str>,
    /// Program to run.
    program: OsString,
    /// Arguments of the program.
    args: Vec<OsString>,
    /// Variables to set.
    env: Vec<(OsString, OsString)>,
    /// Variables to remove.
    hidden_env: Vec<OsString>,
    /// `true` if all variables of this process are inherited.
    inherit_env: bool,
    /// Working directory; that of this process by default.
    directory: Option<PathBuf>,
    /// Secrets with which each process is started.
    mask: Mask,
    /// Grace period before each signal.
    grace: Duration,
    /// Function that is called with each exit.
    exits: Option<ExitListener>,
}

impl Process {
    /// Creates a backend that runs `program` as the server `name`.
    ///
    /// `program` is looked up in `PATH` unless it contains a slash.
    #[must_use]
    pub fn new(name: impl Into<Arc<str>>, program: impl Into<OsString>) -> Self {
        Self {
            name: name.into(),
            program: program.into(),
            args: Vec::new(),
            env: Vec::new(),
            hidden_env: Vec::new(),
            inherit_env: false,
            directory: None,
            mask: Mask::new(),
            grace: DEFAULT_GRACE,
            exits: None,
        }
    }

    /// Appends arguments.
    #[must_use]
    pub fn with_args<A: Into<OsString>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets an environment variable of the program.
    ///
    /// Of the variables of this process, a program inherits only those that name the user, paths,
    /// the locale and trusted certificates, such as `HOME`, `PATH` and `LANG`.
    #[must_use]
    pub fn with_env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }

    /// Removes an inherited environment variable, unless it is set with
    /// [`with_env`](Self::with_env).
    #[must_use]
    pub fn without_env(mut self, name: impl Into<OsString>) -> Self {
        self.hidden_env.push(name.into());
        self
    }

    /// Inherits all environment variables of this process.
    ///
    /// They may contain secrets, which the program can pass on to its callers.
    #[must_use]
    pub fn with_inherited_env(mut self) -> Self {
        self.inherit_env = true;
        self
    }

    /// Sets the working directory of the program.
    #[must_use]
    pub fn with_directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// Replaces secrets of `mask` in what the program writes to its standard error, and in its errors,
    /// besides those of the [credential](Instance::credential) with which it is started.
    #[must_use]
    pub fn with_mask(mut self, mask: Mask) -> Self {
        self.mask = mask;
        self
    }

    /// Sets the grace period after the close of the input, and again after SIGTERM. Default: 3
    /// seconds.
    #[must_use]
    pub fn with_grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Sets the function that is called with each exit of the program, also with one that the closing
    /// of its connection has caused.
    ///
    /// It must not block.
    #[must_use]
    pub fn on_exit(mut self, listener: impl Fn(ProcessExit) + Send + Sync + 'static) -> Self {
        self.exits = Some(Arc::new(listener));
        self
    }

    /// Returns the command of the program: its arguments, environment and working directory.
    ///
    /// For programs that run beside it in the same environment.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_core::runtime::Process;
    ///
    /// let mut command = Process::new("a", "sh").with_args(["-c", "exit 3"]).to_command();
    /// assert_eq!(command.status().unwrap().code(), Some(3));
    /// ```
    #[must_use]
    pub fn to_command(&self) -> std::process::Command {
        let mut command = std::process::Command::new(&self.program);
        command.args(&self.args);
        if !self.inherit_env {
            command.env_clear();
            command.envs(std::env::vars_os().filter(|(name, _)| is_inherited(name)));
        }
        for name in &self.hidden_env {
            command.env_remove(name);
        }
        command.envs(self.env.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        // A process group of its own, so that all descendants can be terminated with it, and so
        // that an interrupt at the terminal reaches the gateway alone.
        command.process_group(0);
        command
    }

    /// Returns the command that starts the program, with streams to the gateway.
    fn command(&self) -> Command {
        let mut command = Command::from(self.to_command());
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Starts the program.
    fn start(&self, credential: &Credential) -> Result<StdioTransport, UpstreamError> {
        let program = self.program.to_string_lossy();
        let failed = |error| {
            UpstreamError::connect(StartError {
                program: program.clone().into_owned(),
                source: error,
            })
        };
        if let Some(directory) = &self.directory
            && !directory.is_dir()
        {
            // The system reports it like a missing program.
            let missing = format!("working directory {} does not exist", directory.display());
            return Err(failed(std::io::Error::new(ErrorKind::NotFound, missing)));
        }
        let mut child = self.command().spawn().map_err(failed)?;
        let missing = || failed(std::io::Error::other("missing standard streams"));
        let stdin = child.stdin.take().ok_or_else(missing)?;
        let stdout = child.stdout.take().ok_or_else(missing)?;
        let stderr = child.stderr.take().ok_or_else(missing)?;
        tracing::info!(server = %self.name, %program, pid = child.id(), "server started");
        let output = ProgramOutput::default().with_mask(credential.add_to(self.mask.clone()));
        let exit = ExitState::new(self.exits.clone());
        let (stdin, output) = ProgramInput::new(stdin, output, exit.clone());
        let log = stderr::log_lines(Arc::clone(&self.name), Arc::clone(&output), stderr);
        BackgroundTask::detach(log);
        let name = Arc::clone(&self.name);
        let group = ProcessGroup::watch(name, child, Arc::clone(&output), self.grace, exit);
        Ok(StdioTransport::new(stdout, stdin, group).with_output(output))
    }
}

impl UpstreamServer {
    /// Creates a builder for the server `name`, which is the program `program`.
    ///
    /// `program` is looked up in `PATH` unless it contains a slash. It is started for the first
    /// call.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_core::UpstreamServer;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let time = UpstreamServer::process("time", "uvx").args(["mcp-server-time"]).build();
    /// assert_eq!(&**time.name(), "time");
    /// assert_eq!(time.connections(), 0);
    /// # }
    /// ```
    pub fn process(
        name: impl Into<Arc<str>>,
        program: impl Into<OsString>,
    ) -> UpstreamServerBuilder<Process> {
        let name = name.into();
        Self::builder(Arc::clone(&name), Process::new(name, program))
    }
}

impl UpstreamServerBuilder<Process> {
    /// Appends arguments of the program.
    pub fn args<A: Into<OsString>>(self, args: impl IntoIterator<Item = A>) -> Self {
        self.map_backend(|process| process.with_args(args))
    }

    /// Sets an environment variable of the program.
    ///
    /// Of the variables of this process, it inherits only the basic ones, such as `HOME` and `PATH`.
    pub fn env(self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.map_backend(|process| process.with_env(name, value))
    }

    /// Sets the working directory of the program.
    pub fn current_dir(self, directory: impl Into<PathBuf>) -> Self {
        self.map_backend(|process| process.with_directory(directory))
    }
}

#[async_trait]
impl RuntimeBackend for Process {
    async fn connect(&self, instance: &Instance) -> Result<Transport, UpstreamError> {
        self.start(instance.credential()).map(Transport::Stdio)
    }
}

impl fmt::Debug for Process {
    /// Omits arguments and variables, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

/// Failure to start a program.
#[derive(Debug, thiserror::Error)]
#[error("failed to start {program:?}")]
struct StartError {
    program: String,
    source: std::io::Error,
}

/// Returns `true` if programs inherit the variable `name` by default.
fn is_inherited(name: &OsStr) -> bool {
    name.to_str()
        .is_some_and(|name| INHERITED.contains(&name) || name.starts_with("LC_"))
}

/// Variables that programs inherit by default, besides `LC_*`: they name the user, paths, the locale
/// and trusted certificates. URLs of proxies are not among them, because they may contain passwords.
const INHERITED: [&str; 18] = [
    "HOME",
    "LANG",
    "LANGUAGE",
    "LOGNAME",
    "NODE_EXTRA_CA_CERTS",
    "PATH",
    "SHELL",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "TERM",
    "TMPDIR",
    "TZ",
    "USER",
    "XDG_CACHE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
];

/// Default grace period.
const DEFAULT_GRACE: Duration = Duration::from_secs(3);

#[cfg(test)]
mod tests {
    use super::*;

    /// Names of the variables that the command of `process` sets.
    fn variables(process: &Process) -> Vec<String> {
        let command = process.command();
        let set = command
            .as_std()
            .get_envs()
            .filter(|(_, value)| value.is_some());
        set.map(|(name, _)| name.to_string_lossy().into_owned())
            .collect()
    }

    #[test]
    fn programs_have_a_basic_environment() {
        let process = Process::new("a", "b").with_env("OWN", "1");
        let variables = variables(&process);
        assert!(variables.contains(&"OWN".to_owned()), "{variables:?}");
        assert!(variables.contains(&"PATH".to_owned()), "{variables:?}");
        // Cargo sets it for tests.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        assert!(
            !variables.contains(&"CARGO_MANIFEST_DIR".to_owned()),
            "{variables:?}"
        );
        assert!(is_inherited(OsStr::new("LC_ALL")));
        assert!(!is_inherited(OsStr::new("HTTPS_PROXY")));
    }

    #[test]
    fn hidden_variables_are_removed_from_an_inherited_environment() {
        let process = Process::new("a", "b")
            .with_inherited_env()
            .without_env("SECRET");
        let command = process.command();
        let removed: Vec<_> = command.as_std().get_envs().collect();
        assert_eq!(removed, [(OsStr::new("SECRET"), None)]);
    }

    #[test]
    fn a_missing_directory_is_named() {
        let process = Process::new("a", "true").with_directory("/nonexistent");
        let error = process.start(&Credential::none()).unwrap_err();
        let error = crate::error::error_chain(&error);
        assert!(
            error.contains("working directory /nonexistent does not exist"),
            "{error}"
        );
    }
}
