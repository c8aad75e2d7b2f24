//! The command line.

mod call;
mod check;
mod client;
mod connect;
mod login;
mod serve;
mod state;
mod table;
mod target;
mod token;
mod tools;
mod user;

use std::io;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use mcp_gateway_core::upstream::UpstreamError;
use tokio::runtime::{Builder, Runtime};

use self::call::CallArgs;
use self::check::CheckArgs;
use self::client::ClientArgs;
use self::connect::ConnectArgs;
use self::login::LoginArgs;
use self::serve::ServeArgs;
use self::target::TargetArgs;
use self::token::TokenArgs;
use self::tools::ToolsArgs;
use self::user::UserArgs;
use crate::client::Servers;
use crate::config::Log;
use crate::logging;
use crate::output::complain;
use crate::signals::Signals;

/// One governed endpoint in front of many MCP servers.
///
/// Without a command it serves, and without a configuration it serves a demonstration.
#[derive(Debug, Parser)]
#[command(name = "mcp-gateway", version, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Call a tool
    Call(CallArgs),
    /// Say everything that is wrong with configuration files
    Check(CheckArgs),
    /// Make, list and revoke OAuth clients
    Client(ClientArgs),
    /// Write the script by which a shell completes commands
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Say how clients connect to a gateway
    Connect(ConnectArgs),
    /// Be the built-in server, on standard input and output
    #[cfg(feature = "demo")]
    Demo,
    /// Log in to a gateway as an MCP client does, and say how that went
    Login(LoginArgs),
    /// Serve
    Serve(ServeArgs),
    /// Make, list, rotate and revoke API tokens
    Token(TokenArgs),
    /// List tools
    Tools(ToolsArgs),
    /// Make, list and change accounts
    User(UserArgs),
}

/// Does what the command line says.
///
/// It returns 0 when all is well, 1 when something is wrong, and 2 when the command line is.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // There is nobody else to tell.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match execute(cli.command.unwrap_or(Command::Serve(cli.serve))) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            complain(format_args!("mcp-gateway: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Call(args) => with_servers(&args.target, async |servers| {
            call::run(&args, servers).await
        }),
        Command::Check(args) => check::run(args),
        Command::Client(args) => client::run(args),
        Command::Completions { shell } => {
            let mut command = Cli::command();
            clap_complete::generate(shell, &mut command, "mcp-gateway", &mut io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Connect(args) => connect::run(&args),
        #[cfg(feature = "demo")]
        Command::Demo => {
            let runtime = runtime()?;
            runtime.block_on(crate::demo::serve(tokio::io::stdin(), tokio::io::stdout()))?;
            // A thread that reads the standard input cannot be ended otherwise.
            runtime.shutdown_background();
            Ok(ExitCode::SUCCESS)
        }
        Command::Login(args) => login::run(&args),
        Command::Serve(args) => serve::run(args),
        Command::Token(args) => token::run(args),
        Command::Tools(args) => with_servers(&args.target, async |servers| {
            tools::run(&args, servers).await
        }),
        Command::User(args) => user::run(args),
    }
}

/// Does `work` with the servers that `target` means, and ends them whatever happens.
fn with_servers(
    target: &TargetArgs,
    work: impl AsyncFnOnce(&Servers) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    logging::init(&Log {
        level: "warn".to_owned(),
        ..Log::default()
    });
    runtime()?.block_on(async {
        let servers = target.servers()?;
        let mut signals = Signals::listen()?;
        let done = tokio::select! {
            done = work(&servers) => done,
            () = signals.stop() => Ok(ExitCode::FAILURE),
        };
        tokio::select! {
            () = servers.close() => {}
            () = signals.stop() => {}
        }
        done.map_err(
            |error| match upstream(&error).and_then(|error| target.hint(error)) {
                Some(hint) => anyhow::anyhow!("{error:#}\n{hint}"),
                None => error,
            },
        )
    })
}

/// The error of a server that caused `error`.
fn upstream(error: &anyhow::Error) -> Option<&UpstreamError> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}

/// Whether somebody who read the output has read enough, as `head` does.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serving_needs_no_command() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse("mcp-gateway").unwrap().command.is_none());
        assert!(parse("mcp-gateway --listen 127.0.0.1:0").is_ok());
        assert!(parse("mcp-gateway serve --config a.yaml --mcp-config b.json").is_ok());
        for line in [
            "mcp-gateway --listen 8080",
            "mcp-gateway unknown",
            "mcp-gateway tools --url http://a --config b",
            "mcp-gateway check",
            "mcp-gateway serve --log-level loud",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
