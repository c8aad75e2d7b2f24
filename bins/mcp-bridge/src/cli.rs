//! The command line.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::Builder;
use tracing_subscriber::EnvFilter;

use crate::http_server::{self, HttpArgs};
use crate::stdio_server::{self, StdioArgs};

/// Turns stdio MCP servers into HTTP ones, and HTTP ones into stdio ones.
#[derive(Debug, Parser)]
#[command(name = "mcp-bridge", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// What is logged, such as debug or warn,mcp_gateway_core=debug
    #[arg(long, value_name = "LEVEL", env = "MCP_BRIDGE_LOG", global = true)]
    log_level: Option<String>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a server that speaks HTTP available on standard input and output
    Http(HttpArgs),
    /// Make a program that speaks on standard input and output available over HTTP
    Stdio(StdioArgs),
}

/// Does what the command line says.
pub(crate) fn main() -> ExitCode {
    let cli = Cli::parse();
    init_logging(&cli);
    match execute(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // There is nobody else to tell.
            let _ = writeln!(io::stderr().lock(), "mcp-bridge: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<()> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    let done = match command {
        Command::Http(args) => runtime.block_on(http_server::run(args)),
        Command::Stdio(args) => {
            let done = runtime.block_on(stdio_server::run(args));
            // Waits until everything is dropped, so that no program is left behind.
            drop(runtime);
            return done;
        }
    };
    // A thread that reads the standard input cannot be ended otherwise.
    runtime.shutdown_background();
    done
}

/// Begins to log to the standard error, because the standard output is for messages.
fn init_logging(cli: &Cli) {
    let default = match cli.command {
        // Clients show what is written there to their users, as if something were wrong.
        Command::Http(_) => "warn",
        Command::Stdio(_) => "info",
    };
    let filter = EnvFilter::new(cli.log_level.as_deref().unwrap_or(default));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .init();
}
