//! A PostgreSQL server for tests.
//!
//! One for each test process, with a database for each test.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, ChildStdout, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
};

use tokio::sync::OnceCell;

use crate::environment::{Environment, EnvironmentError};

/// Error of the server or the database.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresError {
    /// The server does not create a database.
    #[error("createdb: {0}")]
    Database(String),
    /// It is not installed.
    #[error(transparent)]
    Environment(#[from] EnvironmentError),
    /// It could not be run.
    #[error("PostgreSQL cannot be run: {0}")]
    Run(#[from] io::Error),
    /// It does not start.
    #[error("PostgreSQL does not start; its standard error:\n{0}")]
    Start(String),
}

/// A server on a port of this machine. It ends with the process.
#[derive(Debug)]
pub struct Postgres {
    programs: PathBuf,
    port: u16,
    databases: AtomicU32,
    /// It runs until its standard input ends.
    child: Child,
    output: BufReader<ChildStdout>,
}

/// Maximum number of ports to try.
const ATTEMPTS: usize = 5;

/// In its log, if somebody else has taken the port.
const ADDRESS_IN_USE: &str = "Address already in use";

static SHARED: OnceCell<Postgres> = OnceCell::const_new();

impl Postgres {
    /// The server of this process, which is started for the first who asks.
    ///
    /// # Errors
    ///
    /// Fails if PostgreSQL is not installed or does not start.
    pub async fn shared() -> Result<&'static Self, PostgresError> {
        SHARED.get_or_try_init(Self::start).await
    }

    /// Starts a server that nobody else uses, so that it may be killed.
    ///
    /// # Errors
    ///
    /// Fails if PostgreSQL is not installed or does not start.
    pub async fn start() -> Result<Self, PostgresError> {
        let programs = Environment::installed().await?.postgres;
        let mut attempts = 0;
        loop {
            attempts += 1;
            // PostgreSQL does not choose a port, and between the choice and its start somebody else
            // may have taken it.
            match Self::start_at(programs.clone()) {
                Err(PostgresError::Start(reason))
                    if attempts < ATTEMPTS && reason.contains(ADDRESS_IN_USE) => {}
                done => return done,
            }
        }
    }

    /// Starts it on a port that nobody listens on.
    fn start_at(programs: PathBuf) -> Result<Self, PostgresError> {
        let folder = tempfile::Builder::new().prefix("postgres-").tempdir()?;
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("env/postgres.sh");
        let mut child = Command::new(script)
            .arg(&programs)
            // The script removes it, also when this process is killed.
            .arg(folder.keep())
            .arg(port.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe);
        let output = BufReader::new(output.map_err(io::Error::from)?);
        let mut server = Self {
            programs,
            port,
            databases: AtomicU32::new(0),
            child,
            output,
        };
        server.wait()?;
        Ok(server)
    }

    /// Waits for the next line of the script.
    fn wait(&mut self) -> Result<(), PostgresError> {
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        if !line.is_empty() {
            return Ok(());
        }
        let mut reason = String::new();
        if let Some(mut errors) = self.child.stderr.take() {
            errors.read_to_string(&mut reason)?;
        }
        Err(PostgresError::Start(reason))
    }

    /// Kills all processes of the server, in the middle of whatever they do.
    ///
    /// # Errors
    ///
    /// Fails if it does not run.
    pub fn kill(&mut self) -> Result<(), PostgresError> {
        self.order("kill")
    }

    /// Starts the killed server at the same address, with what it has kept.
    ///
    /// # Errors
    ///
    /// Fails if it does not start.
    pub fn restart(&mut self) -> Result<(), PostgresError> {
        self.order("start")
    }

    fn order(&mut self, order: &str) -> Result<(), PostgresError> {
        if let Some(script) = &mut self.child.stdin {
            writeln!(script, "{order}")?;
        }
        self.wait()
    }

    /// Creates an empty database, and returns its URL.
    ///
    /// # Errors
    ///
    /// Fails if the server does not create it.
    pub async fn database(&self) -> Result<String, PostgresError> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        let output = tokio::process::Command::new(self.programs.join("createdb"))
            .args(["--host=127.0.0.1", "--username=postgres", "--no-password"])
            .arg(format!("--port={}", self.port))
            .arg(&name)
            .output()
            .await?;
        if !output.status.success() {
            let reason = String::from_utf8_lossy(&output.stderr).trim().to_owned();
            return Err(PostgresError::Database(reason));
        }
        Ok(self.url(&name))
    }

    /// The URL of the database called `name`.
    #[must_use]
    pub fn url(&self, name: &str) -> String {
        format!(
            "postgres://postgres:not-to-be-shown@127.0.0.1:{}/{name}",
            self.port
        )
    }
}
