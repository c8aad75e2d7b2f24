//! Command-line interface.

pub(crate) mod compare;
pub(crate) mod load;
pub(crate) mod run;
pub(crate) mod serve;
pub(crate) mod token;
mod value;

use clap::{Parser, Subcommand};

use self::compare::CompareArguments;
use self::run::RunArguments;
use self::serve::{BackendArguments, ProxyArguments};
use self::token::TokenArguments;

/// Measures the cost of calls through an MCP endpoint.
#[derive(Debug, Parser)]
#[command(name = "mcp-bench", version)]
pub(crate) struct Arguments {
    /// Command to run.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Serve a minimal MCP server; the first line of the output is its URL
    Backend(BackendArguments),
    /// Compare gateways with a bare HTTP proxy in front of the same MCP server
    Compare(Box<CompareArguments>),
    /// Serve a bare HTTP reverse proxy; the first line of the output is its URL
    Proxy(ProxyArguments),
    /// Load an MCP endpoint and report rate, latency, CPU time and memory
    Run(Box<RunArguments>),
    /// Load the token endpoint of an authorization server
    Token(Box<TokenArguments>),
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    /// Splits each command in `script` into words, as a shell does.
    fn words(script: &str) -> Vec<Vec<String>> {
        let script = format!("mcp-bench() {{ printf '%s\\0' mcp-bench \"$@\"; echo; }}\n{script}");
        let output = Command::new("bash").args(["-e", "-c", &script]).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
        let commands = String::from_utf8(output.stdout).unwrap();
        let words = |command: &str| {
            let words = command.trim_end_matches('\0').split('\0');
            words.map(str::to_owned).collect()
        };
        commands.lines().map(words).collect()
    }

    #[test]
    fn the_commands_of_the_documentation_are_understood() {
        let blocks = include_str!("../README.md").split("```sh\n").skip(1);
        let blocks = blocks.filter_map(|block| block.split("```").next());
        let commands: Vec<_> = blocks.flat_map(words).collect();
        assert!(commands.len() > 5, "{commands:?}");
        for command in commands {
            let parsed = Arguments::try_parse_from(&command);
            assert!(parsed.is_ok(), "{command:?}\n{}", parsed.unwrap_err());
        }
    }
}
