//! `mcp-gateway audit`.

use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use mcp_gateway_audit::{AuditEvent, AuditQuery, AuditRecord, Outcome, Verification};
use mcp_gateway_config::document::duration;
use mcp_gateway_config::file::Log;
use mcp_gateway_platform::audit;
use mcp_gateway_platform::state::StateStore;

use super::state::{StateArgs, StateFileArgs};
use super::table::{abbreviated, relative, show, timestamp};
use crate::administration::open_state;
use crate::logging;
use crate::output::{eprint_line, print_json, print_line};

#[derive(Debug, Args)]
pub(super) struct AuditArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List records, oldest first
    List(ListArgs),
    /// Verify that no record was modified, deleted or inserted
    Verify(StateFileArgs),
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Age of the oldest record
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1d")]
    since: Duration,
    /// Age of the newest record
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    until: Option<Duration>,
    /// Maximum number of records
    #[arg(long, value_name = "NUMBER")]
    limit: Option<usize>,
    /// Principal that caused the event
    #[arg(long)]
    subject: Option<String>,
    /// Server of a call
    #[arg(long)]
    server: Option<String>,
    /// Tool, prompt, task or URI of a call, or object of a change
    #[arg(long)]
    target: Option<String>,
    /// Method of a call, or action of a change
    #[arg(long)]
    action: Option<String>,
    /// Outcome of a call
    #[arg(long, value_parser = outcome)]
    outcome: Option<Outcome>,
    /// Print the time since each record instead of its time in UTC
    #[arg(long)]
    relative: bool,
    /// Print one JSON object per line, with all fields
    #[arg(long, conflicts_with = "relative")]
    json: bool,
    #[command(flatten)]
    state: StateFileArgs,
}

/// Runs `mcp-gateway audit`.
///
/// # Errors
///
/// Fails if the state cannot be opened or read, or the output is closed.
pub(super) fn run(args: AuditArgs) -> anyhow::Result<ExitCode> {
    logging::init(&Log::from_level("warn"));
    super::runtime()?.block_on(async {
        match args.command {
            Command::List(args) => list(args).await,
            Command::Verify(args) => verify(args.into()).await,
        }
    })
}

async fn list(args: ListArgs) -> anyhow::Result<ExitCode> {
    let (query, limit) = (args.query()?, args.limit.unwrap_or(usize::MAX));
    let state = open(args.state.into()).await?;
    if args.json {
        each((query, limit), &state, |record| {
            Ok(print_json(serde_json::to_string(record)?)?)
        })
        .await?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut rows = vec![["TIME", "SUBJECT", "EVENT", "RESULT"].map(str::to_owned)];
    let now = seconds(SystemTime::now());
    each((query, limit), &state, |record| {
        let then = record.time / 1000;
        let time = match args.relative {
            true => relative(then, now),
            false => timestamp(then),
        };
        rows.push(row(record, time));
        Ok(())
    })
    .await?;
    show(&rows)?;
    Ok(ExitCode::SUCCESS)
}

impl ListArgs {
    /// Returns the query for the records.
    ///
    /// # Errors
    ///
    /// Fails if the time cannot be represented.
    fn query(&self) -> anyhow::Result<AuditQuery> {
        let ago = |age: Duration| SystemTime::now().checked_sub(age);
        let since = ago(self.since).context("--since is too long ago")?;
        let mut query = AuditQuery::new().since(since);
        if let Some(age) = self.until {
            query = query.until(ago(age).context("--until is too long ago")?);
        }
        if let Some(subject) = &self.subject {
            query = query.with_subject(subject);
        }
        if let Some(server) = &self.server {
            query = query.with_server(server);
        }
        if let Some(target) = &self.target {
            query = query.with_target(target);
        }
        if let Some(action) = &self.action {
            query = query.with_action(action);
        }
        if let Some(outcome) = self.outcome {
            query = query.with_outcome(outcome);
        }
        Ok(query)
    }
}

/// Passes up to `limit` records of `query` to `take`, page by page.
async fn each(
    (mut query, limit): (AuditQuery, usize),
    state: &StateStore,
    mut take: impl FnMut(&AuditRecord) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut left = limit;
    loop {
        let page = query.run(&*state.store).await?;
        page.records.iter().take(left).try_for_each(&mut take)?;
        left = left.saturating_sub(page.records.len());
        match page.next {
            Some(next) if left > 0 => query = query.after(next),
            _ => return Ok(()),
        }
    }
}

async fn verify(args: StateArgs) -> anyhow::Result<ExitCode> {
    let state = open(args).await?;
    let verification = Verification::run(&*state.store, &audit::key(&state)?).await?;
    for fault in &verification.faults {
        print_line(fault)?;
    }
    let Verification {
        chains,
        segments,
        records,
        pending,
        ..
    } = verification;
    let result = match verification.faults.len() {
        0 => "intact".to_owned(),
        1 => "1 fault".to_owned(),
        faults => format!("{faults} faults"),
    };
    print_line(format_args!(
        "{result}; records: {records}, segments: {segments}, chains: {chains}, pending: {pending}"
    ))?;
    Ok(match verification.faults.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Opens the state of the gateway that `args` select.
async fn open(args: StateArgs) -> anyhow::Result<StateStore> {
    let (spec, state) = open_state(&args.files()).await?;
    if spec.fixed.audit.is_none() {
        eprint_line("The configuration has no `audit`, so that the gateway adds no records.");
    }
    Ok(state)
}

/// Formats a record that happened at `time`, within the width of a terminal.
fn row(record: &AuditRecord, time: String) -> [String; 4] {
    let (event, result) = match &record.event {
        AuditEvent::Call(call) => {
            let target = call.target.as_deref().unwrap_or_default();
            let event = format!("{} {} {target}", call.server, call.method);
            let detail = match (&call.reason, call.code) {
                (Some(reason), _) => format!(" ({reason})"),
                (None, Some(code)) => format!(" ({code})"),
                (None, None) => String::new(),
            };
            (event, format!("{}{detail}", call.outcome))
        }
        AuditEvent::Change(change) => {
            let event = format!("{} {}", change.action, change.object);
            (event, change.fields.join(", "))
        }
        AuditEvent::Gap(gap) => ("records lost".to_owned(), gap.lost.to_string()),
        _ => Default::default(),
    };
    [
        time,
        abbreviated(&record.actor.subject, MAX_SUBJECT),
        abbreviated(event.trim_end(), MAX_EVENT),
        abbreviated(&result, MAX_RESULT),
    ]
}

// With the time and the spaces between them, the columns have 100 characters.

/// Maximum width of the column of subjects.
const MAX_SUBJECT: usize = 18;

/// Maximum width of the column of events.
const MAX_EVENT: usize = 38;

/// Maximum width of the column of results.
const MAX_RESULT: usize = 18;

fn seconds(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs())
}

/// Parses an outcome of the command line.
fn outcome(text: &str) -> Result<Outcome, String> {
    let all = [
        Outcome::Cancelled,
        Outcome::Error,
        Outcome::Failed,
        Outcome::Success,
        Outcome::ToolError,
    ];
    let found = all.into_iter().find(|outcome| outcome.to_string() == text);
    found.ok_or_else(|| {
        format!(
            "expected one of {}",
            all.map(|one| one.to_string()).join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use mcp_gateway_audit::{Actor, Change};

    use super::*;

    #[test]
    fn rows_fit_a_terminal() {
        let change = Change::new("server.create", "server/".to_owned() + &"x".repeat(200));
        let record = AuditRecord::new(
            Actor::new("usr_0123456789abcdefghij"),
            AuditEvent::Change(change),
        );
        let row = row(&record, timestamp(record.time / 1000));
        let width = row.iter().map(|cell| cell.chars().count()).sum::<usize>();
        assert!(width + 3 * 2 <= 100, "{row:?}");
        assert_eq!(row[1], "usr_0123456789abc…");
        assert!(row[2].starts_with("server.create server/xxx"), "{row:?}");
    }
}
