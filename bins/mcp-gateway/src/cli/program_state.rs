//! `mcp-gateway state`.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use mcp_gateway_config::document::NoEnvironment;
use mcp_gateway_platform::isolation::{StateFolder, StateFolders};
use mcp_gateway_platform::state::StateStore;
use serde_json::json;

use super::state::{StateArgs, StateFileArgs};
use super::table::show;
use crate::output::{print_json, print_line};

#[derive(Debug, Args)]
pub(super) struct ProgramStateArgs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the folders, with their owners and sizes
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        state: StateFileArgs,
    },
    /// Remove the folders of a server
    Remove {
        /// Name of the server
        server: String,
        /// Owner, as in the list
        #[arg(long, value_name = "PRINCIPAL", required_unless_present = "all")]
        owner: Option<String>,
        /// Remove the folders of all owners
        #[arg(long, conflicts_with = "owner")]
        all: bool,
        #[command(flatten)]
        state: StateArgs,
    },
}

/// Runs `mcp-gateway state`.
///
/// # Errors
///
/// Fails if the folders cannot be read or removed, or the output is closed.
pub(super) fn run(args: ProgramStateArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        Command::List { json, state } => list(&folders(&state.into())?, json),
        Command::Remove {
            server,
            owner,
            state,
            ..
        } => remove(&folders(&state)?, &server, owner.as_deref()),
    }
}

/// Returns the state folders of the gateway that `state` selects.
fn folders(state: &StateArgs) -> anyhow::Result<StateFolders> {
    let config = state.files().load(&NoEnvironment)?.config;
    let folder = StateStore::folder_of(&config.platform.fixed.store);
    let folder = folder.context("the configuration has `store: memory`, which keeps nothing")?;
    Ok(StateFolders::new(&folder))
}

/// Prints all folders.
fn list(folders: &StateFolders, json: bool) -> anyhow::Result<ExitCode> {
    let folders = folders.list()?;
    if json {
        let row = |folder: &StateFolder| {
            json!({
                "server": &*folder.server,
                "principal": folder.owner.subject(),
                "bytes": folder.bytes,
                "path": folder.path,
            })
        };
        print_json(json!(folders.iter().map(row).collect::<Vec<_>>()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let heading = ["SERVER", "OWNER", "BYTES", "PATH"].map(str::to_owned);
    let row = |folder: &StateFolder| {
        let path = folder.path.display().to_string();
        let owner = folder.owner.subject().unwrap_or(ALL_CALLERS);
        [&*folder.server, owner, &folder.bytes.to_string(), &path].map(str::to_owned)
    };
    let rows: Vec<_> = [heading]
        .into_iter()
        .chain(folders.iter().map(row))
        .collect();
    show(&rows)?;
    Ok(ExitCode::SUCCESS)
}

/// Removes the folders of `server`, or the one of `owner`.
fn remove(folders: &StateFolders, server: &str, owner: Option<&str>) -> anyhow::Result<ExitCode> {
    let mut wanted = folders.list()?;
    wanted.retain(|folder| {
        let subject = folder.owner.subject().unwrap_or(ALL_CALLERS);
        *folder.server == *server && owner.is_none_or(|owner| owner == subject)
    });
    if wanted.is_empty() {
        bail!("no such folder; list them with `mcp-gateway state list`");
    }
    for folder in &wanted {
        folders.remove(folder)?;
        print_line(format_args!("removed {}", folder.path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Owner of shared folders.
const ALL_CALLERS: &str = "(all callers)";
