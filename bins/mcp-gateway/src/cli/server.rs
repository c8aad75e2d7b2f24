//! `mcp-gateway server`.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use futures_util::StreamExt as _;
use http::Method;
use serde_json::{Value, json};

use super::admin::AdminArgs;
use super::secret::read_secret;
use super::table::show_list;
use super::values::ValueArgs;
use crate::output::print_line;

#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add a server to the store
    Add(AddArgs),
    /// List servers, of the configuration and of the store
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        gateway: AdminArgs,
    },
    /// Print the log of a server on a cluster
    Logs(LogArgs),
    /// Replace the pods of a server on a cluster
    Restart {
        /// Name of the server
        name: String,
        #[command(flatten)]
        gateway: AdminArgs,
    },
    /// Remove a server from the store
    Remove {
        /// Name of the server
        name: String,
        #[command(flatten)]
        gateway: AdminArgs,
    },
}

#[derive(Debug, Args)]
struct LogArgs {
    /// Name of the server
    name: String,
    /// Maximum number of lines from the end
    #[arg(long, value_name = "LINES", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    tail: Option<u32>,
    /// Continue with lines that are written later
    #[arg(long, short, conflicts_with = "previous")]
    follow: bool,
    /// Print the log of the container before the last restart
    #[arg(long, short)]
    previous: bool,
    #[command(flatten)]
    gateway: AdminArgs,
}

#[derive(Debug, Args)]
struct AddArgs {
    /// Name of the server
    name: String,
    /// URL of a remote server
    #[arg(required_unless_present_any = ["program", "entry"], conflicts_with_all = ["program", "entry"])]
    remote: Option<String>,
    /// Install this entry of the registry: NAME or NAME@VERSION
    #[arg(long, conflicts_with = "program")]
    entry: Option<String>,
    #[command(flatten)]
    values: ValueArgs,
    /// Read a bearer token for the remote server from the terminal or standard input
    #[arg(long, requires = "remote")]
    bearer: bool,
    /// Program and its arguments, if the configuration of the gateway allows programs
    #[arg(last = true)]
    program: Vec<String>,
    #[command(flatten)]
    gateway: AdminArgs,
}

/// Runs `mcp-gateway server`.
///
/// # Errors
///
/// Fails if the gateway rejects the command or the output is closed.
pub(super) fn run(args: &ServerArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Add(args) => {
            let entry = entry(args)?;
            args.gateway.with(async |client| {
                let path = ["servers"];
                let added = client.send(Method::POST, &path, Some(&entry)).await?;
                let inputs = added["entry"]["inputs"].as_array().into_iter().flatten();
                let names: Vec<_> = inputs.filter_map(|it| it["name"].as_str()).collect();
                if !names.is_empty() {
                    let names = names.join(", ");
                    print_line(format_args!("supplied by each connection: {names}"))?;
                }
                Ok(())
            })
        }
        Command::List { json, gateway } => gateway.with(async |client| {
            let servers = client.list(&["servers"]).await?;
            show_list(servers, *json, table)?;
            Ok(())
        }),
        Command::Logs(args) => args.gateway.with(async |client| {
            let (name, tail) = (&args.name, args.tail.map(|lines| lines.to_string()));
            let query = [
                ("tail", tail.as_deref()),
                ("follow", args.follow.then_some("true")),
                ("previous", args.previous.then_some("true")),
            ];
            let mut log = client.text(&["servers", name, "logs"], &query).await?;
            let mut output = std::io::stdout().lock();
            while let Some(piece) = log.next().await {
                let piece = piece.with_context(|| format!("the log of {name:?} is incomplete"))?;
                // A reader that has seen enough closes the pipe.
                if output
                    .write_all(&piece)
                    .and_then(|()| output.flush())
                    .is_err()
                {
                    break;
                }
            }
            Ok(())
        }),
        Command::Restart { name, gateway } => gateway.with(async |client| {
            let path = ["servers", name, "restart"];
            let restarted = client.send(Method::POST, &path, None).await;
            restarted.with_context(|| format!("cannot restart server {name:?}"))?;
            Ok(())
        }),
        Command::Remove { name, gateway } => gateway.with(async |client| {
            let removed = client.send(Method::DELETE, &["servers", name], None).await;
            removed.with_context(|| format!("cannot remove server {name:?}"))?;
            Ok(())
        }),
    }
}

/// Returns the entry of a server.
fn entry(args: &AddArgs) -> anyhow::Result<Value> {
    let name = &args.name;
    if let Some(entry) = &args.entry {
        let values = args.values.read()?;
        return Ok(json!({ "name": name, "entry": entry, "values": values }));
    }
    Ok(match (&args.remote, args.program.split_first()) {
        (Some(url), _) if args.bearer => {
            let bearer = read_secret("Bearer token: ")?;
            json!({ "name": name, "remote": { "url": url, "bearer": { "secret": *bearer } } })
        }
        (Some(url), _) => json!({ "name": name, "remote": { "url": url } }),
        (None, program) => {
            let (command, args) = program.context("missing program name")?;
            json!({ "name": name, "process": { "command": command, "args": args } })
        }
    })
}

fn table(servers: &[Value]) -> Vec<[String; 5]> {
    let heading = ["NAME", "SOURCE", "STATE", "ENTRY", "ERROR"].map(str::to_owned);
    let row = |server: &Value| {
        let text = |key: &str| server[key].as_str().unwrap_or_default().to_owned();
        let violation = server["violations"][0]["message"].as_str();
        let error = violation.map_or_else(|| text("error"), str::to_owned);
        let entry = installed(&server["installed"]);
        [text("name"), text("source"), text("state"), entry, error]
    };
    let rows = std::iter::once(heading).chain(servers.iter().map(row));
    rows.collect()
}

/// Returns the entry from which a server has been installed, with its status unless it is active.
fn installed(installed: &Value) -> String {
    let entry = installed["entry"].as_str().unwrap_or("-");
    match (
        installed["status"].as_str(),
        installed["statusMessage"].as_str(),
    ) {
        (None | Some("active"), _) => entry.to_owned(),
        (Some(status), None) => format!("{entry} ({status})"),
        (Some(status), Some(message)) => format!("{entry} ({status}: {message})"),
    }
}
