//! `mcp-gateway request`.

use std::process::ExitCode;
use std::time::SystemTime;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::admin::AdminArgs;
use super::table::{relative, show_list};
use super::values::ValueArgs;
use crate::output::print_line;

#[derive(Debug, Args)]
pub(super) struct RequestArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Approve a request: install its entry
    Approve {
        /// Request identifier
        id: String,
        /// Name of the server
        server: String,
        #[command(flatten)]
        values: ValueArgs,
        /// Message for the requester
        #[arg(long)]
        message: Option<String>,
        #[command(flatten)]
        gateway: AdminArgs,
    },
    /// Request an entry of the registry
    Create {
        /// Entry: NAME or NAME@VERSION
        entry: String,
        /// Reason
        #[arg(long)]
        reason: String,
        #[command(flatten)]
        gateway: AdminArgs,
    },
    /// Deny a request
    Deny {
        /// Request identifier
        id: String,
        /// Message for the requester
        #[arg(long)]
        message: Option<String>,
        #[command(flatten)]
        gateway: AdminArgs,
    },
    /// List requests: all for admins, and otherwise your own
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        gateway: AdminArgs,
    },
}

/// Runs `mcp-gateway request`.
///
/// # Errors
///
/// Fails if the gateway rejects the command or the output is closed.
pub(super) fn run(args: &RequestArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Approve {
            id,
            server,
            values,
            message,
            gateway,
        } => {
            let values = values.read()?;
            let body = json!({ "server": server, "values": values, "message": message });
            gateway.with(async |client| {
                let path = ["requests", id, "approve"];
                client.send(Method::POST, &path, Some(&body)).await?;
                Ok(())
            })
        }
        Command::Create {
            entry,
            reason,
            gateway,
        } => gateway.with(async |client| {
            let body = json!({ "entry": entry, "reason": reason });
            let request = client
                .send(Method::POST, &["requests"], Some(&body))
                .await?;
            Ok(print_line(request["id"].as_str().unwrap_or_default())?)
        }),
        Command::Deny {
            id,
            message,
            gateway,
        } => gateway.with(async |client| {
            let body = json!({ "message": message });
            client
                .send(Method::POST, &["requests", id, "deny"], Some(&body))
                .await?;
            Ok(())
        }),
        Command::List { json, gateway } => gateway.with(async |client| {
            let requests = client.list(&["requests"]).await?;
            show_list(requests, *json, table)?;
            Ok(())
        }),
    }
}

fn table(requests: &[Value]) -> Vec<[String; 6]> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let now = now.map(|now| now.as_secs()).unwrap_or_default();
    let heading = ["ID", "ENTRY", "REQUESTER", "CREATED", "STATE", "REASON"].map(str::to_owned);
    let row = |request: &Value| {
        let text = |key: &str| request[key].as_str().unwrap_or_default().to_owned();
        let created = relative(request["created"].as_u64().unwrap_or_default(), now);
        let state = match request["decision"]["approved"].as_bool() {
            Some(true) => "approved",
            Some(false) => "denied",
            None => "open",
        };
        [
            text("id"),
            text("entry"),
            text("requester"),
            created,
            state.to_owned(),
            text("reason"),
        ]
    };
    let rows = std::iter::once(heading).chain(requests.iter().map(row));
    rows.collect()
}
