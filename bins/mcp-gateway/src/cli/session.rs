//! `mcp-gateway session`.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use http::Method;
use serde_json::Value;

use super::admin::AdminArgs;
use super::table::show_list;

#[derive(Debug, Args)]
pub(super) struct SessionArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the sessions of clients at the replica that answers
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        gateway: AdminArgs,
    },
    /// End a session and its calls; its client may begin another one
    End {
        /// Identifier of the session
        id: String,
        #[command(flatten)]
        gateway: AdminArgs,
    },
}

/// Runs `mcp-gateway session`.
///
/// # Errors
///
/// Fails if the gateway rejects the command or the output is closed.
pub(super) fn run(args: &SessionArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::List { json, gateway } => gateway.with(async |client| {
            let sessions = client.list(&["sessions"]).await?;
            show_list(sessions, *json, table)?;
            Ok(())
        }),
        Command::End { id, gateway } => gateway.with(async |client| {
            client.send(Method::DELETE, &["sessions", id], None).await?;
            Ok(())
        }),
    }
}

/// Returns the rows of a table.
fn table(sessions: &[Value]) -> Vec<[String; 5]> {
    let heading = ["ID", "SUBJECT", "GATEWAY", "CLIENT", "IDLE"].map(str::to_owned);
    let row = |session: &Value| {
        let text = |key: &str| session[key].as_str().unwrap_or("-").to_owned();
        let idle = session["idle"].as_u64();
        [
            text("id"),
            text("subject"),
            text("gateway"),
            text("client"),
            idle.map_or_else(|| "in use".to_owned(), |idle| format!("{idle} s")),
        ]
    };
    std::iter::once(heading)
        .chain(sessions.iter().map(row))
        .collect()
}
