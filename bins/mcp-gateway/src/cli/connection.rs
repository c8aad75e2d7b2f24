//! `mcp-gateway connection`.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use http::Method;
use mcp_gateway_auth::Clock;
use serde_json::{Map, Value, json};

use super::admin::AdminArgs;
use super::secret::read_secret;
use super::table::{relative, show_list};

#[derive(Debug, Args)]
pub(super) struct ConnectionArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the connections of users, teams and the organization
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        gateway: AdminArgs,
    },
    /// Connect a team or the organization with values for the inputs of a server
    Set(SetArgs),
    /// End a connection
    Remove {
        /// Owner: organization, team/NAME or user/ID
        owner: String,
        /// Name of the server
        server: String,
        #[command(flatten)]
        gateway: AdminArgs,
    },
}

#[derive(Debug, Args)]
struct SetArgs {
    /// Owner: organization or team/NAME
    owner: String,
    /// Name of the server
    server: String,
    /// Read the value of an input from the terminal, or from a line of standard input
    #[arg(long, value_name = "NAME")]
    input: Vec<String>,
    /// Read the value of an input from a file
    #[arg(long, value_name = "NAME=PATH", value_parser = file)]
    input_file: Vec<(String, PathBuf)>,
    /// Store the values without a test at the server
    #[arg(long)]
    untested: bool,
    #[command(flatten)]
    gateway: AdminArgs,
}

/// Runs `mcp-gateway connection`.
///
/// # Errors
///
/// Fails if a value cannot be read, the gateway rejects the command or the output is closed.
pub(super) fn run(args: &ConnectionArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::List { json, gateway } => gateway.with(async |client| {
            let connections = client.list(&["connections"]).await?;
            show_list(connections, *json, table)?;
            Ok(())
        }),
        Command::Set(args) => {
            let connection = json!({
                "owner": args.owner,
                "server": args.server,
                "values": values(args)?,
                "untested": args.untested,
            });
            args.gateway.with(async |client| {
                let segments = ["connections"];
                client
                    .send(Method::POST, &segments, Some(&connection))
                    .await?;
                Ok(())
            })
        }
        Command::Remove {
            owner,
            server,
            gateway,
        } => gateway.with(async |client| {
            let connections = client.list(&["connections"]).await?;
            let mut found = connections.iter();
            let found = found.find(|one| one["owner"] == **owner && one["server"] == **server);
            let id = found.and_then(|connection| connection["id"].as_str());
            let Some(id) = id else {
                bail!("{owner} has no connection of the server {server:?}");
            };
            client
                .send(Method::DELETE, &["connections", id], None)
                .await?;
            Ok(())
        }),
    }
}

/// Reads the values of the inputs.
fn values(args: &SetArgs) -> anyhow::Result<Map<String, Value>> {
    let mut values = Map::new();
    for (name, path) in &args.input_file {
        let value = fs::read_to_string(path);
        let value = value.with_context(|| format!("failed to read {}", path.display()))?;
        values.insert(name.clone(), value.into());
    }
    for name in &args.input {
        let value = read_secret(&format!("{name}: "))?;
        values.insert(name.clone(), value.as_str().into());
    }
    Ok(values)
}

/// Parses the name of an input and a path.
fn file(text: &str) -> Result<(String, PathBuf), &'static str> {
    let (name, path) = text.split_once('=').ok_or("expected NAME=PATH")?;
    Ok((name.to_owned(), path.into()))
}

/// Returns the rows of a table, with times relative to now.
fn table(connections: &[Value]) -> Vec<[String; 5]> {
    let now = Clock::system().now();
    let heading = ["OWNER", "SERVER", "KIND", "STATUS", "CONNECTED"].map(str::to_owned);
    let row = |connection: &Value| {
        let text = |key: &str| connection[key].as_str().unwrap_or_default().to_owned();
        let status = match connection["error"].as_str() {
            Some(error) => format!("{}: {error}", text("status")),
            None => text("status"),
        };
        let connected = connection["connected"].as_u64().unwrap_or_default();
        let connected = relative(connected, now);
        [
            text("owner"),
            text("server"),
            text("kind"),
            status,
            connected,
        ]
    };
    let rows = std::iter::once(heading).chain(connections.iter().map(row));
    rows.collect()
}
