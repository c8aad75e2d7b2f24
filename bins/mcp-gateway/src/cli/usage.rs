//! `mcp-gateway usage`.

use std::process::ExitCode;

use clap::Args;
use mcp_gateway_auth::Clock;
use serde_json::Value;

use super::admin::AdminArgs;
use super::table::{relative, show_list};

#[derive(Debug, Args)]
pub(super) struct UsageArgs {
    /// Name of a quota
    quota: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    gateway: AdminArgs,
}

/// Runs `mcp-gateway usage`.
///
/// # Errors
///
/// Fails if the gateway rejects the command or the output is closed.
pub(super) fn run(args: &UsageArgs) -> anyhow::Result<ExitCode> {
    args.gateway.with(async |client| {
        let query = [("quota", args.quota.as_deref())];
        let usage = client.list_by(&["usage"], &query).await?;
        show_list(usage, args.json, table)?;
        Ok(())
    })
}

/// Returns the rows of a table, with the end of the window relative to now.
fn table(usage: &[Value]) -> Vec<[String; 5]> {
    let now = Clock::system().now();
    let heading = ["QUOTA", "OF", "USED", "WINDOW", "ENDS"].map(str::to_owned);
    let row = |usage: &Value| {
        let text = |key: &str| usage[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| usage[key].as_u64().unwrap_or_default();
        let key = usage["key"].as_object().into_iter().flatten();
        let key = key.map(|(attribute, value)| {
            let value = value.as_str().unwrap_or_default();
            format!("{attribute} {}", if value.is_empty() { "-" } else { value })
        });
        [
            text("quota"),
            key.collect::<Vec<_>>().join(", "),
            format!("{} of {}", number("used"), number("amount")),
            text("window"),
            relative(number("ends"), now),
        ]
    };
    std::iter::once(heading)
        .chain(usage.iter().map(row))
        .collect()
}
