//! Load generator for MCP endpoints.
//!
//! The README describes the measurements and their method.

mod backend;
mod cli;
mod client;
mod compare;
mod endpoint;
mod era;
mod failure;
mod hold;
mod http1;
mod interrupt;
mod load;
mod process;
mod proxy;
mod report;
mod response;
mod run;
mod sample;
mod serve;
mod session;
mod stats;
mod table;
mod token;
mod units;
mod wire;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};

use crate::cli::{Arguments, Command};
use crate::process::use_cores;

/// Exit code if the measurement was not possible.
const NO_REPORT: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match execute(&arguments.command) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "mcp-bench: {error:#}");
            ExitCode::from(NO_REPORT)
        }
    }
}

fn execute(command: &Command) -> anyhow::Result<ExitCode> {
    raise_descriptor_limit();
    if let Command::Compare(arguments) = command
        && let Some(cores) = arguments.cores
    {
        // Before there is any other thread or process, so that all of them follow.
        use_cores(usize::from(cores))?;
    }
    let runtime = runtime(threads(command))?;
    let result = runtime.block_on(async {
        match command {
            Command::Backend(arguments) => {
                backend::run(arguments).await.map(|()| ExitCode::SUCCESS)
            }
            Command::Compare(arguments) => compare::run(arguments).await,
            Command::Proxy(arguments) => proxy::run(arguments).await.map(|()| ExitCode::SUCCESS),
            Command::Run(arguments) => run::run(arguments).await,
            Command::Token(arguments) => token::run(arguments).await,
        }
    });
    // A thread that waits for standard input cannot be ended otherwise.
    runtime.shutdown_background();
    result
}

/// Returns the number of threads for `command`, if not one per core.
fn threads(command: &Command) -> Option<u16> {
    match command {
        Command::Backend(arguments) => Some(arguments.server.threads.unwrap_or(1)),
        Command::Compare(arguments) => Some(arguments.load.threads),
        Command::Proxy(arguments) => arguments.server.threads,
        Command::Run(arguments) => Some(arguments.load.threads),
        Command::Token(_) => Some(1),
    }
}

fn runtime(threads: Option<u16>) -> std::io::Result<Runtime> {
    match threads {
        // One thread for itself never has to wake another one, which makes calls cheaper.
        Some(1) => Builder::new_current_thread().enable_all().build(),
        Some(threads) => {
            let mut builder = Builder::new_multi_thread();
            builder
                .worker_threads(usize::from(threads))
                .enable_all()
                .build()
        }
        // As gateways on tokio run, also where there is only one core.
        None => Builder::new_multi_thread().enable_all().build(),
    }
}

/// Raises the limit of open files to the maximum; the usual 1024 is too low for held streams.
fn raise_descriptor_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    // Where this is forbidden, opening a connection fails later, with a message that says why.
    let _ = setrlimit(
        Resource::Nofile,
        Rlimit {
            current: maximum,
            maximum,
        },
    );
}
