//! Command-line interface.

mod add;
mod admin;
mod approval;
mod audit;
mod call;
mod check;
mod client;
mod connect;
mod connection;
mod entry;
mod files;
mod follow;
mod gateway;
mod login;
mod pins;
mod policy;
mod program_state;
mod request;
mod secret;
mod serve;
mod server;
mod session;
mod state;
mod table;
mod taint;
mod target;
mod token;
mod tools;
mod usage;
mod user;
mod values;
mod whoami;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use mcp_gateway_core::upstream::UpstreamError;
use tokio::runtime::{Builder, Runtime};

use self::add::AddArgs;
use self::approval::ApprovalArgs;
use self::audit::AuditArgs;
use self::call::CallArgs;
use self::check::CheckArgs;
use self::client::OAuthClientArgs;
use self::connect::ConnectArgs;
use self::connection::ConnectionArgs;
use self::entry::EntryArgs;
use self::follow::FollowArgs;
use self::gateway::NamedGatewayArgs;
use self::login::LoginArgs;
use self::pins::{ApproveArgs, DiffArgs, PinArgs, ScanArgs};
use self::policy::PolicyArgs;
use self::program_state::ProgramStateArgs;
use self::request::RequestArgs;
use self::serve::{ServeArgs, ServeCommand};
use self::server::ServerArgs;
use self::session::SessionArgs;
use self::taint::TaintArgs;
use self::target::TargetArgs;
use self::token::TokenArgs;
use self::tools::ToolsArgs;
use self::usage::UsageArgs;
use self::user::UserArgs;
use self::whoami::WhoamiArgs;
use crate::client::McpClient;
use crate::logging;
use crate::output::eprint_text;
use crate::signals::Signals;
use mcp_gateway_config::file::Log;

/// One authenticated MCP endpoint in front of many MCP servers.
///
/// Without a command, it serves. Without a configuration, it serves a demonstration server.
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
    /// Add a ready server to the configuration
    Add(AddArgs),
    /// List calls that require approval, and decide about them
    Approval(ApprovalArgs),
    /// List and verify the audit log
    Audit(AuditArgs),
    /// Approve definitions of pinned servers
    Approve(ApproveArgs),
    /// Call a tool
    Call(CallArgs),
    /// Validate configuration files and report all errors
    Check(CheckArgs),
    /// Create, list and revoke OAuth clients
    Client(OAuthClientArgs),
    /// Print a shell completion script
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print instructions for connecting clients to a gateway
    Connect(ConnectArgs),
    /// List, make and end connections of users, teams and the organization
    Connection(ConnectionArgs),
    /// Serve the built-in demonstration server over stdio
    #[cfg(feature = "demo")]
    Demo,
    /// Print definitions of pinned servers that differ from the approved ones
    Diff(DiffArgs),
    /// List, import and export entries of the registry of a running gateway
    Entry(EntryArgs),
    /// Print calls as they end, or changes of objects, as lines of JSON
    Follow(FollowArgs),
    /// Add, list, change and remove gateways of a running process
    Gateway(NamedGatewayArgs),
    /// Log in to a gateway as an MCP client, and report each step
    Login(LoginArgs),
    /// Approve all definitions that pinned servers have now, in the lock file
    Pin(PinArgs),
    /// List, add and order rules, test a policy, and explain its decisions
    Policy(PolicyArgs),
    /// Request entries of the registry, and decide requests
    Request(RequestArgs),
    /// Run the script on standard input, for a gateway that has started this process
    #[cfg(feature = "code-mode")]
    #[command(hide = true)]
    RunScript,
    /// Report what hides in the definitions of servers
    Scan(ScanArgs),
    /// Serve the gateway
    Serve(ServeCommand),
    /// List and remove the files that programs keep for callers
    State(ProgramStateArgs),
    /// Add, list and remove servers of a running gateway
    Server(ServerArgs),
    /// List and end the sessions of clients
    Session(SessionArgs),
    /// List and clear the taints of callers who have received untrusted results
    Taint(TaintArgs),
    /// Create, list, rotate and revoke API tokens
    Token(TokenArgs),
    /// List the tools of servers
    Tools(ToolsArgs),
    /// List the use of quotas
    Usage(UsageArgs),
    /// Create, list and change users
    User(UserArgs),
    /// Print the user of a token, with role and teams
    Whoami(WhoamiArgs),
}

/// Runs the command line.
///
/// Returns exit code 0 on success, 1 on failure, and 2 for an invalid command line.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // There is no other place to report it.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    match execute(
        cli.command
            .unwrap_or_else(|| Command::Serve(cli.serve.into())),
    ) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            eprint_text(format_args!("mcp-gateway: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn execute(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Add(args) => add::run(&args),
        Command::Approval(args) => approval::run(&args),
        Command::Audit(args) => audit::run(args),
        Command::Approve(args) => pins::approve(&args),
        Command::Call(args) => with_servers(&args.target, &[], async |servers| {
            call::run(&args, servers).await
        }),
        Command::Check(args) => check::run(&args),
        Command::Client(args) => client::run(args),
        Command::Completions { shell } => {
            let mut command = Cli::command();
            clap_complete::generate(shell, &mut command, "mcp-gateway", &mut io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Command::Connect(args) => connect::run(&args),
        Command::Connection(args) => connection::run(&args),
        Command::Session(args) => session::run(&args),
        Command::Taint(args) => taint::run(&args),
        #[cfg(feature = "demo")]
        Command::Demo => {
            let runtime = runtime()?;
            runtime.block_on(crate::demo::serve(tokio::io::stdin(), tokio::io::stdout()))?;
            // A thread that reads the standard input cannot be ended otherwise.
            runtime.shutdown_background();
            Ok(ExitCode::SUCCESS)
        }
        Command::Diff(args) => pins::diff(&args),
        Command::Gateway(args) => gateway::run(args),
        Command::Follow(args) => follow::run(&args),
        Command::Entry(args) => entry::run(&args),
        Command::Login(args) => login::run(&args),
        Command::Pin(args) => pins::pin(&args),
        Command::Policy(args) => policy::run(&args),
        Command::Request(args) => request::run(&args),
        #[cfg(feature = "code-mode")]
        Command::RunScript => Ok(mcp_gateway_code::run_child()),
        Command::Scan(args) => pins::scan(&args),
        Command::Serve(args) => serve::run(args),
        Command::State(args) => program_state::run(args),
        Command::Server(args) => server::run(&args),
        Command::Token(args) => token::run(args),
        Command::Tools(args) => with_servers(&args.target, &args.files, async |servers| {
            tools::run(&args, servers).await
        }),
        Command::Usage(args) => usage::run(&args),
        Command::Whoami(args) => whoami::run(&args),
        Command::User(args) => user::run(args),
    }
}

/// Runs `work` with the servers of `target` or `files`, and closes them in any case.
fn with_servers(
    target: &TargetArgs,
    files: &[PathBuf],
    work: impl AsyncFnOnce(&McpClient) -> anyhow::Result<ExitCode>,
) -> anyhow::Result<ExitCode> {
    // The error of a server contains what a warning would.
    logging::init(&Log::from_level("error"));
    runtime()?.block_on(async {
        let servers = target.servers(files)?;
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

/// Returns the upstream error that caused `error`.
fn upstream(error: &anyhow::Error) -> Option<&UpstreamError> {
    error.chain().find_map(|cause| cause.downcast_ref())
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}

/// Returns `true` if the reader of the output has closed it, as `head` does.
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
        for line in [
            "mcp-gateway serve --config a.yaml --mcp-config b.json",
            "mcp-gateway serve a.yaml b.json",
            "mcp-gateway tools a.yaml --mcp-config b.json",
            "mcp-gateway check --config a.yaml --mcp-config b.json",
            "mcp-gateway user list a.yaml",
            "mcp-gateway token list --config a.yaml --json",
            "mcp-gateway client list a.yaml",
            "mcp-gateway audit list a.yaml --since 1h",
            "mcp-gateway audit verify a.yaml",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
        for line in [
            "mcp-gateway --listen 8080",
            "mcp-gateway unknown",
            "mcp-gateway tools --url http://a --config b",
            "mcp-gateway tools --url http://a b.yaml",
            "mcp-gateway user list a.yaml --config b.yaml",
            "mcp-gateway check",
            "mcp-gateway serve --log-level loud",
        ] {
            assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
        }
    }
}
