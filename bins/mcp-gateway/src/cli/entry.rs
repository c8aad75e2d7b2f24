//! `mcp-gateway entry`.

use std::fs;
use std::io::Read as _;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use http::Method;
use serde_json::{Value, json};

use super::admin::AdminArgs;
use super::table::show_list;
use crate::admin_client::AdminClient;
use crate::output::{eprint_line, print_json, print_line};

#[derive(Debug, Args)]
pub(super) struct EntryArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Add an entry from a JSON file
    Add {
        /// File with the entry; - for standard input
        file: String,
        #[command(flatten)]
        gateway: AdminArgs,
    },
    /// Print the server.json of an entry
    Export {
        /// Entry: NAME or NAME@VERSION
        entry: String,
        #[command(flatten)]
        gateway: AdminArgs,
    },
    /// Import entries from a registry, or from a server.json
    Import(ImportArgs),
    /// List entries
    List {
        /// Text in the name, the title or the description
        #[arg(long)]
        search: Option<String>,
        /// Status: active, deprecated or deleted
        #[arg(long)]
        status: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        gateway: AdminArgs,
    },
    /// Remove a version of an entry
    Remove {
        /// Entry: NAME or NAME@VERSION
        entry: String,
        #[command(flatten)]
        gateway: AdminArgs,
    },
    /// Print an entry
    Show {
        /// Entry: NAME or NAME@VERSION
        entry: String,
        #[command(flatten)]
        gateway: AdminArgs,
    },
}

#[derive(Debug, Args)]
struct ImportArgs {
    /// URL of a registry, a file, or - for standard input
    source: String,
    /// Import the entries of the registry whose names contain this text
    #[arg(long)]
    search: Option<String>,
    /// Import the entries of the registry that have changed since this time (RFC 3339)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Import all versions instead of the latest ones
    #[arg(long)]
    all_versions: bool,
    /// Show new entries to this team only
    #[arg(long = "team", value_name = "TEAM")]
    teams: Vec<String>,
    /// Maximum number of pages of the registry, with up to 100 entries each
    #[arg(long, value_name = "NUMBER", default_value_t = 1000)]
    pages: usize,
    #[command(flatten)]
    gateway: AdminArgs,
}

/// Runs `mcp-gateway entry`.
///
/// # Errors
///
/// Fails if the gateway rejects the command or the output is closed.
pub(super) fn run(args: &EntryArgs) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Add { file, gateway } => {
            let entry = parse(file, &read(file)?)?;
            gateway.with(async |client| {
                let added = client
                    .send(Method::POST, &["entries"], Some(&entry))
                    .await?;
                let entry = &added["entry"];
                let (name, version) = (entry["name"].as_str(), entry["version"].as_str());
                let (name, version) = (name.unwrap_or_default(), version.unwrap_or_default());
                Ok(print_line(format_args!("added {name}@{version}"))?)
            })
        }
        Command::Export { entry, gateway } => gateway.with(async |client| {
            let (name, version) = split(entry);
            let path = ["entries", name, "server.json"];
            let file = client
                .query(Method::GET, &path, &[("version", version)])
                .await?;
            Ok(print_json(format_args!("{file:#}"))?)
        }),
        Command::Import(args) => args.gateway.with(async |client| import(args, client).await),
        Command::List {
            search,
            status,
            json,
            gateway,
        } => gateway.with(async |client| {
            let query = [("search", search.as_deref()), ("status", status.as_deref())];
            let query = [query.as_slice(), &[("limit", Some("500"))]].concat();
            let entries = client.list_by(&["entries"], &query).await?;
            show_list(entries, *json, table)?;
            Ok(())
        }),
        Command::Remove { entry, gateway } => gateway.with(async |client| {
            let (name, version) = split(entry);
            let query = [("version", version)];
            let removed = client
                .query(Method::DELETE, &["entries", name], &query)
                .await;
            removed.with_context(|| format!("cannot remove entry {entry:?}"))?;
            Ok(())
        }),
        Command::Show { entry, gateway } => gateway.with(async |client| {
            let (name, version) = split(entry);
            let query = [("version", version)];
            let shown = client
                .query(Method::GET, &["entries", name], &query)
                .await?;
            Ok(print_json(format_args!("{shown:#}"))?)
        }),
    }
}

/// Imports the entries of a registry, page by page, or of a file.
async fn import(args: &ImportArgs, client: &AdminClient) -> anyhow::Result<()> {
    let mut totals = Totals::default();
    let teams = (!args.teams.is_empty()).then_some(&args.teams);
    if args.source.starts_with("http://") || args.source.starts_with("https://") {
        let mut body = json!({
            "registry": args.source, "search": args.search, "updatedSince": args.since,
            "allVersions": args.all_versions, "teams": teams,
        });
        for page in 1.. {
            let imported = client.send(Method::POST, &["imports"], Some(&body)).await?;
            totals.add(&imported["report"]);
            match imported["next"].as_str() {
                Some(_) if page == args.pages => bail!("the registry has more pages; see --pages"),
                Some(next) => body["cursor"] = next.into(),
                None => break,
            }
        }
    } else {
        let file = parse(&args.source, &read(&args.source)?)?;
        for documents in batches(documents(file)) {
            let body = json!({ "documents": documents, "teams": teams });
            let imported = client.send(Method::POST, &["imports"], Some(&body)).await?;
            totals.add(&imported["report"]);
        }
    }
    totals.print()
}

/// Counts of an import.
#[derive(Debug, Default)]
struct Totals {
    created: usize,
    updated: usize,
    unchanged: u64,
    unsupported: usize,
    rejected: usize,
}

impl Totals {
    /// Adds a report, and prints what it rejects.
    fn add(&mut self, report: &Value) {
        let count = |key: &str| report[key].as_array().map_or(0, Vec::len);
        self.created += count("created");
        self.updated += count("updated");
        self.unchanged += report["unchanged"].as_u64().unwrap_or_default();
        self.unsupported += count("unsupported");
        self.rejected += count("rejected");
        for (key, label) in [
            ("rejected", "not imported"),
            ("unsupported", "not installable"),
        ] {
            for entry in report[key].as_array().into_iter().flatten() {
                let (name, reason) = (entry["name"].as_str(), entry["reason"].as_str());
                let (name, reason) = (name.unwrap_or_default(), reason.unwrap_or_default());
                eprint_line(format_args!("{label}: {name}: {reason}"));
            }
        }
    }

    fn print(&self) -> anyhow::Result<()> {
        let Self {
            created,
            updated,
            unchanged,
            unsupported,
            rejected,
        } = self;
        print_line(format_args!(
            "{created} created, {updated} updated, {unchanged} unchanged, {rejected} rejected; \
             {unsupported} not installable"
        ))?;
        match created + updated == 0 && *unchanged == 0 && *rejected > 0 {
            true => bail!("no entry has been imported"),
            false => Ok(()),
        }
    }
}

/// Returns the entries of a file: one, a list, or a response of a registry.
fn documents(file: Value) -> Vec<Value> {
    match file {
        Value::Array(documents) => documents,
        Value::Object(mut members) => match members.remove("servers") {
            Some(Value::Array(documents)) => documents,
            _ => vec![members.into()],
        },
        other => vec![other],
    }
}

/// Splits `documents` into requests of an accepted size.
fn batches(documents: Vec<Value>) -> Vec<Vec<Value>> {
    let (mut batches, mut size) = (vec![Vec::new()], 0);
    for document in documents {
        let length = document.to_string().len();
        if size + length > MAX_BATCH && size > 0 {
            batches.push(Vec::new());
            size = 0;
        }
        size += length;
        if let Some(batch) = batches.last_mut() {
            batch.push(document);
        }
    }
    batches
}

/// Splits `NAME@VERSION`.
fn split(entry: &str) -> (&str, Option<&str>) {
    match entry.split_once('@') {
        None | Some((_, "latest")) => (entry.split('@').next().unwrap_or(entry), None),
        Some((name, version)) => (name, Some(version)),
    }
}

/// Reads a file, or standard input.
fn read(path: &str) -> anyhow::Result<String> {
    if path == "-" {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("cannot read standard input")?;
        return Ok(text);
    }
    fs::read_to_string(path).with_context(|| format!("cannot read {path}"))
}

fn parse(path: &str, text: &str) -> anyhow::Result<Value> {
    serde_json::from_str(text.trim_start_matches('\u{feff}')).with_context(|| path.to_owned())
}

fn table(entries: &[Value]) -> Vec<[String; 4]> {
    let heading = ["ENTRY", "VERSION", "STATUS", "DESCRIPTION"].map(str::to_owned);
    let row = |entry: &Value| {
        let text = |key: &str| entry[key].as_str().unwrap_or_default().to_owned();
        let status = match entry["installable"] == true || entry["status"] != "active" {
            true => text("status"),
            false => "not installable".to_owned(),
        };
        let described = entry["title"].as_str().map(str::to_owned);
        let described = described.unwrap_or_else(|| text("description"));
        [text("name"), text("version"), status, described]
    };
    let rows = std::iter::once(heading).chain(entries.iter().map(row));
    rows.collect()
}

/// Maximum size of the documents of a request in bytes.
const MAX_BATCH: usize = 200 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_have_one_or_many_entries() {
        let one = json!({ "name": "a/b", "version": "1" });
        for (file, count) in [
            (one.clone(), 1),
            (json!([one, one]), 2),
            (json!({ "servers": [one], "metadata": {} }), 1),
            (json!({ "servers": [] }), 0),
        ] {
            assert_eq!(documents(file.clone()).len(), count, "{file}");
        }
        let large = json!({ "name": "x".repeat(MAX_BATCH / 2) });
        let batches = batches(vec![large.clone(), large.clone(), large]);
        assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1, 1]);
        assert_eq!(split("a/b@1.0"), ("a/b", Some("1.0")));
        assert_eq!(split("a/b@latest"), ("a/b", None));
    }
}
