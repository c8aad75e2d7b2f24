//! `mcp-gateway taint`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::Method;
use mcp_gateway_auth::Clock;
use serde_json::Value;

use super::admin::AdminArgs;
use super::table::{relative, show_list};

#[derive(Debug, Args)]
pub(super) struct TaintArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the callers whose context is untrusted
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        gateway: AdminArgs,
    },
    /// End a taint: the context of its caller is trusted again
    Clear {
        /// Identifier of the taint
        id: String,
        #[command(flatten)]
        gateway: AdminArgs,
    },
}

/// Runs `mcp-gateway taint`.
///
/// # Errors
///
/// Fails if the gateway rejects the command or the output is closed.
pub(super) fn run(args: &TaintArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::List { json, gateway } => gateway.with(async |client| {
            let taints = client.list(&["taints"]).await?;
            show_list(taints, *json, table)?;
            Ok(())
        }),
        Command::Clear { id, gateway } => gateway.with(async |client| {
            client.send(Method::DELETE, &["taints", id], None).await?;
            Ok(())
        }),
    }
}

/// Returns the rows of a table, with times relative to now.
fn table(taints: &[Value]) -> Vec<[String; 6]> {
    let now = Clock::system().now();
    let heading = ["ID", "SUBJECT", "KIND", "RULE", "RESULT OF", "SINCE"].map(str::to_owned);
    let row = |taint: &Value| {
        let text = |key: &str| taint[key].as_str().unwrap_or_default().to_owned();
        let origin = match taint["tool"].as_str() {
            Some(tool) => format!("{}/{tool}", text("server")),
            None => text("server"),
        };
        let since = taint["since"].as_u64().unwrap_or_default();
        [
            text("id"),
            text("subject"),
            text("kind"),
            text("rule"),
            origin,
            relative(since, now),
        ]
    };
    std::iter::once(heading)
        .chain(taints.iter().map(row))
        .collect()
}
