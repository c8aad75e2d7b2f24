//! `mcp-gateway whoami`.

use std::process::ExitCode;

use clap::Args;
use http::Method;
use serde_json::Value;

use super::admin::AdminArgs;
use crate::output::{print_json, print_line};

#[derive(Debug, Args)]
pub(super) struct WhoamiArgs {
    /// Print JSON, with the operations that the role permits
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: AdminArgs,
}

/// Runs `mcp-gateway whoami`.
///
/// # Errors
///
/// Fails if the gateway rejects the command or the output is closed.
pub(super) fn run(args: &WhoamiArgs) -> anyhow::Result<ExitCode> {
    args.gateway.with(async |client| {
        let me = client.send(Method::GET, &["whoami"], None).await?;
        if args.json {
            print_json(&me)?;
            return Ok(());
        }
        let text = |key: &str| me[key].as_str().unwrap_or_default();
        let names = |key: &str| {
            let names = me[key].as_array().into_iter().flatten();
            let names: Vec<_> = names.filter_map(Value::as_str).collect();
            names.join(", ")
        };
        let mut line = format!("{} ({})", text("subject"), text("role"));
        for (label, key) in [("teams", "teams"), ("administers", "administeredTeams")] {
            let names = names(key);
            if !names.is_empty() {
                line.push_str(&format!(", {label}: {names}"));
            }
        }
        print_line(&line)?;
        Ok(())
    })
}
