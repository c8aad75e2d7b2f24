//! `mcp-gateway state`.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{Args, Subcommand};
use mcp_gateway_config::document::NoEnvironment;
use mcp_gateway_core::upstream::InstanceOwner;
use mcp_gateway_platform::isolation::{FolderError, StateFolder, StateFolders};
use mcp_gateway_platform::state::StateStore;
use serde_json::json;

use super::state::{StateArgs, StateFileArgs};
use super::table::show;
use crate::output::{chain, eprint_line, print_json, print_line};

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
                "principal": folder.owner.as_ref().and_then(InstanceOwner::subject),
                "bytes": folder.bytes,
                "damaged": folder.owner.is_none(),
                "path": folder.path,
            })
        };
        print_json(json!(folders.iter().map(row).collect::<Vec<_>>()))?;
        return Ok(ExitCode::SUCCESS);
    }
    let heading = ["SERVER", "OWNER", "BYTES", "PATH"].map(str::to_owned);
    let row = |folder: &StateFolder| {
        let path = folder.path.display().to_string();
        let bytes = folder
            .bytes
            .map_or_else(|| "?".to_owned(), |bytes| bytes.to_string());
        [&*folder.server, owner(folder), &bytes, &path].map(str::to_owned)
    };
    let rows: Vec<_> = [heading]
        .into_iter()
        .chain(folders.iter().map(row))
        .collect();
    show(&rows)?;
    Ok(ExitCode::SUCCESS)
}

/// Removes the folders of `server`, or the one of `subject`.
fn remove(folders: &StateFolders, server: &str, subject: Option<&str>) -> anyhow::Result<ExitCode> {
    let mut wanted = folders.list()?;
    wanted.retain(|folder| {
        *folder.server == *server && subject.is_none_or(|subject| subject == owner(folder))
    });
    if wanted.is_empty() {
        bail!("no such folder; list them with `mcp-gateway state list`");
    }
    let mut code = ExitCode::SUCCESS;
    for folder in &wanted {
        match folders.remove(folder) {
            Ok(()) => print_line(format_args!("removed {}", folder.path.display()))?,
            Err(error) => {
                eprint_line(chain(&error));
                if matches!(error, FolderError::InUse { .. }) {
                    eprint_line(IN_USE);
                }
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// Returns the owner of `folder`, as options name it.
fn owner(folder: &StateFolder) -> &str {
    match &folder.owner {
        Some(owner) => owner.subject().unwrap_or(ALL_CALLERS),
        None => DAMAGED,
    }
}

/// Owner of shared folders.
const ALL_CALLERS: &str = "(all callers)";

/// Owner of folders without a valid owner file.
const DAMAGED: &str = "(damaged)";

/// Advice for a folder in use.
const IN_USE: &str = "A gateway runs the program of this owner. Stop the gateway, or wait until the \
                      program has been idle for the `idle` time of its server, and try again.";
