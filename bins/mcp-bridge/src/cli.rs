//! Command-line interface.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::EnvFilter;

use crate::http_server::{self, HttpArgs};
use crate::init;
use crate::install::{self, InstallArgs};
use crate::stdio_server::{self, StdioArgs};

/// Bridges stdio MCP servers to HTTP, and HTTP servers to stdio.
#[derive(Debug, Parser)]
#[command(name = "mcp-bridge", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// Log level or filter, such as debug or warn,mcp_gateway_core=debug
    #[arg(long, value_name = "LEVEL", env = "MCP_BRIDGE_LOG", global = true)]
    log_level: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve an HTTP server over stdio
    Http(HttpArgs),
    /// Copy this program to a path
    Install(InstallArgs),
    /// Wait, as a hook of a container without a shell that is about to end
    Sleep {
        /// Time to wait
        seconds: u64,
    },
    /// Serve a stdio server over HTTP
    Stdio(StdioArgs),
}

/// Runs the command line.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    init_logging(&cli);
    match execute(cli.command) {
        Ok(code) => code,
        Err(error) => {
            // There is no other place to report it.
            let _ = writeln!(io::stderr().lock(), "mcp-bridge: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Http(args) => {
            let runtime = runtime()?;
            let done = runtime.block_on(http_server::run(args));
            // A thread that reads standard input cannot be ended otherwise.
            runtime.shutdown_background();
            done.map(|()| ExitCode::SUCCESS)
        }
        Command::Install(args) => install::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Sleep { seconds } => {
            std::thread::sleep(Duration::from_secs(seconds));
            Ok(ExitCode::SUCCESS)
        }
        Command::Stdio(_) if init::is_first() => init::run(),
        Command::Stdio(args) => {
            let runtime = runtime()?;
            let done = runtime.block_on(stdio_server::run(args));
            // Waits until everything is dropped, so that no child process remains.
            drop(runtime);
            done
        }
    }
}

/// Creates a runtime of one thread: a call goes through the bridge and back without waking another
/// thread, which costs more than the bridge itself.
fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Initializes logging to standard error, because standard output carries messages.
fn init_logging(cli: &Cli) {
    let default = match cli.command {
        // Clients display this output to their users as errors.
        Command::Http(_) => "warn",
        Command::Install(_) | Command::Sleep { .. } | Command::Stdio(_) => "info",
    };
    let filter = EnvFilter::new(cli.log_level.as_deref().unwrap_or(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}
