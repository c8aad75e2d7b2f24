//! `mcp-gateway approval`.

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, Subcommand, ValueEnum};
use http::Method;
use serde_json::{Value, json};

use super::admin::AdminArgs;
use super::table::{abbreviated, relative, show_list, timestamp};
use crate::admin_client::AdminClient;
use crate::output::{print_json, print_line};

#[derive(Debug, Args)]
pub(super) struct ApprovalArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Approve a call
    Approve(DecisionArgs),
    /// Deny a call
    Deny(DecisionArgs),
    /// List approvals: all for admins, otherwise those that you decide and those of your calls
    List(ListArgs),
    /// Show a call that requires approval, with its arguments
    Show {
        /// Identifier of the approval
        id: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        gateway: AdminArgs,
    },
}

#[derive(Debug, Args)]
struct DecisionArgs {
    /// Identifier of the approval
    id: String,
    /// Reason, for the caller
    #[arg(long)]
    reason: Option<String>,
    #[command(flatten)]
    gateway: AdminArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Status; `all` for any
    #[arg(long, default_value = "pending")]
    status: Status,
    /// Subject of the caller
    #[arg(long)]
    caller: Option<String>,
    /// Name of the server
    #[arg(long)]
    server: Option<String>,
    /// Print JSON
    #[arg(long, conflicts_with = "watch")]
    json: bool,
    /// Keep running, and print further approvals
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    gateway: AdminArgs,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
enum Status {
    All,
    Approved,
    Denied,
    Expired,
    Pending,
    Redeemed,
}

/// Runs `mcp-gateway approval`.
///
/// # Errors
///
/// Fails if the gateway rejects the command or the output is closed.
pub(super) fn run(args: &ApprovalArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Approve(args) => decide(args, "approve"),
        Command::Deny(args) => decide(args, "deny"),
        Command::List(args) => args.gateway.with(async |client| match args.watch {
            true => watch(args, client).await,
            false => list(args, client).await,
        }),
        Command::Show { id, json, gateway } => gateway.with(async |client| {
            let approval = client.send(Method::GET, &["approvals", id], None).await?;
            match json {
                true => print_json(format_args!("{approval:#}"))?,
                // Line by line, so that no text of others looks like another fact.
                false => facts(&approval).iter().try_for_each(print_line)?,
            }
            Ok(())
        }),
    }
}

fn decide(args: &DecisionArgs, decision: &str) -> anyhow::Result<ExitCode> {
    args.gateway.with(async |client| {
        let body = json!({ "decision": decision, "reason": args.reason });
        let path = ["approvals", &args.id, "decision"];
        client.send(Method::POST, &path, Some(&body)).await?;
        Ok(())
    })
}

async fn list(args: &ListArgs, client: &AdminClient) -> anyhow::Result<()> {
    let approvals = args.find(client).await?;
    show_list(approvals, args.json, table)?;
    Ok(())
}

/// Prints each approval once. Ends when the output is closed.
async fn watch(args: &ListArgs, client: &AdminClient) -> anyhow::Result<()> {
    let mut printed = BTreeSet::new();
    loop {
        let found = args.find(client).await?;
        for approval in found.iter().filter(|found| !printed.contains(&id(found))) {
            print_line(line(approval))?;
        }
        printed = found.iter().map(id).collect();
        tokio::time::sleep(POLL).await;
    }
}

impl ListArgs {
    async fn find(&self, client: &AdminClient) -> anyhow::Result<Vec<Value>> {
        let status = self.status.to_possible_value();
        let status = status.filter(|_| self.status != Status::All);
        let query = [
            ("status", status.as_ref().map(|status| status.get_name())),
            ("caller", self.caller.as_deref()),
            ("server", self.server.as_deref()),
        ];
        client.list_by(&["approvals"], &query).await
    }
}

fn id(approval: &Value) -> String {
    text(approval, "id")
}

fn text(approval: &Value, key: &str) -> String {
    approval[key].as_str().unwrap_or_default().to_owned()
}

fn seconds(approval: &Value, key: &str) -> u64 {
    approval[key].as_u64().unwrap_or_default()
}

fn now() -> u64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map(|now| now.as_secs()).unwrap_or_default()
}

fn tool(approval: &Value) -> String {
    format!("{}/{}", text(approval, "server"), text(approval, "tool"))
}

fn table(approvals: &[Value]) -> Vec<[String; 6]> {
    let now = now();
    let heading = ["ID", "CALLER", "TOOL", "ARGUMENTS", "STATUS", "EXPIRES"].map(str::to_owned);
    let row = |approval: &Value| {
        [
            id(approval),
            text(approval, "caller"),
            tool(approval),
            abbreviated(&text(approval, "arguments"), ARGUMENTS_WIDTH),
            text(approval, "status"),
            relative(seconds(approval, "expires"), now),
        ]
    };
    let rows = std::iter::once(heading).chain(approvals.iter().map(row));
    rows.collect()
}

fn line(approval: &Value) -> String {
    format!(
        "{}  {} calls {} {}",
        id(approval),
        text(approval, "caller"),
        tool(approval),
        text(approval, "arguments"),
    )
}

/// Returns all that an approver should read, one fact a line.
fn facts(approval: &Value) -> Vec<String> {
    let caller = match approval["callerName"].as_str() {
        Some(name) => format!("{} ({name})", text(approval, "caller")),
        None => text(approval, "caller"),
    };
    let mut facts = vec![
        ("approval", id(approval)),
        ("status", text(approval, "status")),
        ("caller", caller),
        ("client", text(approval, "client")),
        ("gateway", text(approval, "gateway")),
        ("tool", tool(approval)),
        ("arguments", text(approval, "arguments")),
        ("rule", text(approval, "rule")),
        ("reason", text(approval, "reason")),
        ("approvers", approvers(&approval["approvers"])),
        ("expires", timestamp(seconds(approval, "expires"))),
    ];
    if let Some(time) = approval["validFor"].as_u64() {
        facts.push(("holds for", format!("{time} seconds")));
    }
    let decision = &approval["decision"];
    if let Some(approved) = decision["approved"].as_bool() {
        let verb = if approved { "approved" } else { "denied" };
        let at = timestamp(seconds(decision, "at"));
        facts.push((
            "decision",
            format!("{verb} by {} at {at}", text(decision, "by")),
        ));
        facts.push(("answer", text(decision, "reason")));
    }
    let facts = facts.into_iter().filter(|(_, value)| !value.is_empty());
    facts
        .map(|(name, value)| format!("{name:10} {value}"))
        .collect()
}

/// Formats who decides.
fn approvers(approvers: &Value) -> String {
    if approvers["caller"] == true {
        return "the caller".to_owned();
    }
    let names = |key: &str, kind: &str| {
        let names = approvers[key].as_array().into_iter().flatten();
        let names = names.filter_map(Value::as_str);
        names
            .map(|name| format!("{kind} {name:?}"))
            .collect::<Vec<_>>()
    };
    [names("roles", "role"), names("teams", "team")]
        .concat()
        .join(", ")
}

/// Width of the arguments in the table, in characters.
const ARGUMENTS_WIDTH: usize = 60;

/// Pause between two lists.
const POLL: Duration = Duration::from_secs(2);
