//! The command line.

pub(crate) mod compare;
pub(crate) mod load;
pub(crate) mod run;
pub(crate) mod serve;
mod value;

use clap::{Parser, Subcommand};

use self::compare::CompareArguments;
use self::run::RunArguments;
use self::serve::{BackendArguments, ProxyArguments};

/// Measures what calls through an MCP endpoint cost.
#[derive(Debug, Parser)]
#[command(name = "mcp-bench", version)]
pub(crate) struct Arguments {
    /// What is to be done.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a minimal MCP server, whose URL is the first line of the output
    Backend(BackendArguments),
    /// Compare gateways with a bare HTTP proxy in front of the same MCP server
    Compare(Box<CompareArguments>),
    /// Serve a bare HTTP reverse proxy, whose URL is the first line of the output
    Proxy(ProxyArguments),
    /// Load one MCP endpoint, and report rate, latency, CPU time and memory
    Run(Box<RunArguments>),
}
