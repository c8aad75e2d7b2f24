//! `mcp-gateway audit`.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use mcp_gateway_audit::{AuditEvent, AuditQuery, AuditRecord, Outcome, Verification};
use mcp_gateway_config::document::duration;
use mcp_gateway_config::file::Log;
use mcp_gateway_platform::audit;
use mcp_gateway_platform::state::StateStore;

use super::table::{relative, sanitize, show};
use crate::administration::open_state;
use crate::files::ConfigFiles;
use crate::logging;
use crate::output::print_line;

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
    Verify {
        /// Configuration file of the gateway, for its store
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Age of the oldest record
    #[arg(long, value_name = "DURATION", value_parser = duration, default_value = "1d")]
    since: Duration,
    /// Principal that caused the event
    #[arg(long)]
    subject: Option<String>,
    /// Server of a call
    #[arg(long)]
    server: Option<String>,
    /// Method of a call, or action of a change
    #[arg(long)]
    action: Option<String>,
    /// Outcome of a call
    #[arg(long, value_parser = outcome)]
    outcome: Option<Outcome>,
    /// Print one JSON object per line
    #[arg(long)]
    json: bool,
    /// Configuration file of the gateway, for its store
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
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
            Command::List(args) => list(&args).await,
            Command::Verify { config } => verify(config).await,
        }
    })
}

async fn list(args: &ListArgs) -> anyhow::Result<ExitCode> {
    let state = state(args.config.clone()).await?;
    let since = SystemTime::now().checked_sub(args.since);
    let mut query = AuditQuery::new().since(since.context("--since is too long ago")?);
    if let Some(subject) = &args.subject {
        query = query.with_subject(subject);
    }
    if let Some(server) = &args.server {
        query = query.with_server(server);
    }
    if let Some(action) = &args.action {
        query = query.with_action(action);
    }
    if let Some(outcome) = args.outcome {
        query = query.with_outcome(outcome);
    }
    if args.json {
        return list_json(query, &state).await;
    }
    let mut rows = vec![["TIME", "SUBJECT", "EVENT", "RESULT"].map(str::to_owned)];
    let now = seconds(SystemTime::now());
    loop {
        let page = query.run(&*state.store).await?;
        rows.extend(page.records.iter().map(|record| row(record, now)));
        match page.next {
            Some(next) => query = query.after(next),
            None => break,
        }
    }
    show(&rows)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints records as JSON, page by page.
async fn list_json(mut query: AuditQuery, state: &StateStore) -> anyhow::Result<ExitCode> {
    loop {
        let page = query.run(&*state.store).await?;
        for record in &page.records {
            print_line(serde_json::to_string(record)?)?;
        }
        match page.next {
            Some(next) => query = query.after(next),
            None => return Ok(ExitCode::SUCCESS),
        }
    }
}

async fn verify(config: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let state = state(config).await?;
    let verification = Verification::run(&*state.store, &audit::key(&state)?).await?;
    for fault in &verification.faults {
        print_line(sanitize(&fault.to_string()))?;
    }
    let Verification {
        chains,
        segments,
        records,
        ..
    } = verification;
    let result = match verification.faults.len() {
        0 => "intact".to_owned(),
        1 => "1 fault".to_owned(),
        faults => format!("{faults} faults"),
    };
    print_line(format_args!(
        "{result}; records: {records}, segments: {segments}, chains: {chains}"
    ))?;
    Ok(match verification.faults.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Opens the state of the gateway that the file `config` configures.
async fn state(config: Option<PathBuf>) -> anyhow::Result<StateStore> {
    let files = ConfigFiles {
        config,
        clients: Vec::new(),
    };
    let (spec, state) = open_state(&files).await?;
    if spec.fixed.audit.is_none() {
        crate::output::eprint_line(
            "The configuration has no `audit`, so that the gateway adds no records.",
        );
    }
    Ok(state)
}

fn row(record: &AuditRecord, now: u64) -> [String; 4] {
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
        relative(record.time / 1000, now),
        sanitize(&record.actor.subject),
        sanitize(event.trim_end()),
        sanitize(&result),
    ]
}

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
