//! `mcp-gateway pin`, `diff`, `approve` and `scan`.

mod approvals;
mod configured;
mod running;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use mcp_gateway_core::catalog::Definition;
use mcp_gateway_pins::{Difference, LockFile, Pins, ServerDefinitions, Severity};

use self::approvals::Selection;
pub(super) use self::configured::Configured;
use self::running::RunningArgs;
use crate::output::{eprint_line, print_line};

#[derive(Debug, Args)]
pub(super) struct PinArgs {
    /// Servers to pin; all pinned servers by default
    #[arg(value_name = "SERVER")]
    servers: Vec<String>,
    #[command(flatten)]
    config: ConfigArgs,
    /// Fail if anything differs from the lock file, and do not write it
    #[arg(long)]
    frozen: bool,
}

#[derive(Debug, Args)]
pub(super) struct DiffArgs {
    /// Servers to compare; all pinned servers by default
    #[arg(value_name = "SERVER")]
    servers: Vec<String>,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    running: RunningArgs,
}

#[derive(Debug, Args)]
pub(super) struct ApproveArgs {
    /// Definitions to approve: SERVER/NAME, SERVER/instructions, or SERVER for all of a server
    #[arg(value_name = "SERVER/NAME", required_unless_present = "all")]
    definitions: Vec<String>,
    /// Approve all definitions that differ
    #[arg(long, conflicts_with = "definitions")]
    all: bool,
    #[command(flatten)]
    config: ConfigArgs,
    #[command(flatten)]
    running: RunningArgs,
}

#[derive(Debug, Args)]
pub(super) struct ScanArgs {
    /// Servers to scan; all servers by default
    #[arg(value_name = "SERVER")]
    servers: Vec<String>,
    #[command(flatten)]
    config: ConfigArgs,
}

/// Selection of the configuration.
#[derive(Debug, Args)]
struct ConfigArgs {
    /// Configuration file with the servers
    #[arg(long, value_name = "FILE", default_value = "gateway.yaml")]
    config: PathBuf,
}

/// Approves what the servers say now, or compares it.
///
/// # Errors
///
/// Fails if the configuration or the lock file is invalid.
pub(super) fn pin(args: &PinArgs) -> anyhow::Result<ExitCode> {
    let configured = Configured::read(&args.config.config)?;
    if args.frozen {
        return frozen(&configured, &args.servers);
    }
    let (mut lock, mut is_complete) = (configured.lock(), true);
    if let (Err(error), []) = (&lock, &*args.servers) {
        eprint_line(format_args!("warning: {error:#}; it is written anew"));
        lock = Ok(LockFile::default());
    }
    let mut lock = lock?;
    for current in configured.pinned(&args.servers)? {
        let server = &*current.server;
        let definitions = match current.definitions() {
            Ok(definitions) => definitions,
            Err(error) => {
                eprint_line(error);
                is_complete = false;
                continue;
            }
        };
        report_defects(server, definitions, &current.unstable);
        let pins = Pins::from_iter(definitions.iter().cloned());
        let before = lock.entry(server);
        let difference = Difference::between(server, before, definitions.iter().cloned());
        print_difference(&difference)?;
        print_line(format_args!(
            "{server}: {} definitions pinned, {} changes",
            pins.iter().count(),
            difference.changes().len()
        ))?;
        *before = pins;
    }
    if args.servers.is_empty() {
        lock.retain(|server| configured.is_pinned(server));
    }
    configured.write(&lock)?;
    Ok(exit_code(is_complete))
}

/// Reports definitions that cannot be pinned, or differ between clients.
fn report_defects(server: &str, definitions: &[Definition], unstable: &[String]) {
    let ambiguous = definitions.iter().filter(|it| it.digest().is_none());
    for definition in ambiguous {
        let name = mcp_gateway_pins::printable(definition.name());
        eprint_line(format_args!(
            "warning: {server}/{name} is not pinned: invalid JSON, or the same member twice"
        ));
    }
    for name in unstable {
        eprint_line(format_args!(
            "warning: {server}/{name} differs between clients or runs; only one of both is approved"
        ));
    }
}

/// Prints all differences of pinned servers from the lock file.
///
/// # Errors
///
/// Fails if the configuration or the lock file is invalid.
pub(super) fn frozen(configured: &Configured, servers: &[String]) -> anyhow::Result<ExitCode> {
    let lock = configured.lock()?;
    let mut is_same = true;
    for current in configured.pinned(servers)? {
        match current.definitions() {
            Ok(definitions) => {
                let pins = lock.get(&current.server).cloned().unwrap_or_default();
                let now = definitions.iter().cloned();
                let difference = Difference::between(&current.server, &pins, now);
                is_same &= difference.is_empty();
                print_difference(&difference)?;
            }
            Err(error) => {
                eprint_line(error);
                is_same = false;
            }
        }
    }
    for (server, _) in lock.servers().filter(|_| servers.is_empty()) {
        if !configured.is_pinned(server) {
            print_line(format_args!("- {server} (server, not pinned any more)"))?;
            is_same = false;
        }
    }
    Ok(exit_code(is_same))
}

/// Prints the definitions that differ from the approved ones.
///
/// # Errors
///
/// Fails if the configuration, the lock file or the gateway cannot be read.
pub(super) fn diff(args: &DiffArgs) -> anyhow::Result<ExitCode> {
    if let Some(code) = args.running.diff(&args.servers)? {
        return Ok(code);
    }
    let configured = Configured::read(&args.config.config)?;
    let lock = configured.lock()?;
    let mut is_same = true;
    for current in configured.pinned(&args.servers)? {
        let server = &*current.server;
        match current.definitions() {
            Ok(definitions) => {
                let pins = lock.get(server).cloned().unwrap_or_default();
                let difference = Difference::between(server, &pins, definitions.iter().cloned());
                is_same &= !difference.is_pending();
                print_difference(&difference)?;
            }
            Err(error) => {
                eprint_line(error);
                is_same = false;
            }
        }
    }
    Ok(exit_code(is_same))
}

/// Approves selected definitions, in the lock file or in the store of a running gateway.
///
/// # Errors
///
/// Fails if a name selects nothing, or the configuration, the lock file or the gateway cannot be read.
pub(super) fn approve(args: &ApproveArgs) -> anyhow::Result<ExitCode> {
    let mut selection = Selection::new(args.all, &args.definitions);
    if let Some(code) = args.running.approve(&mut selection)? {
        return Ok(code);
    }
    let configured = Configured::read(&args.config.config)?;
    let mut lock = configured.lock()?;
    for current in configured.pinned(&selection.servers())? {
        let definitions = current.definitions()?;
        let pins = lock.entry(&current.server);
        let now = definitions.iter().cloned();
        let difference = Difference::between(&current.server, pins, now);
        let approved = difference
            .filtered(|change| selection.takes(&current.server, change.kind(), change.name()));
        for change in approved.changes() {
            match change.current() {
                Some(definition) if !pins.approve(definition.clone()) => {
                    bail!("{}/{} cannot be approved", current.server, change.name())
                }
                Some(_) => {}
                None => drop(pins.remove(change.kind(), change.name())),
            }
        }
        print_difference(&approved)?;
    }
    selection.check()?;
    configured.write(&lock)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints what hides in the definitions of servers.
///
/// # Errors
///
/// Fails if the configuration is invalid.
pub(super) fn scan(args: &ScanArgs) -> anyhow::Result<ExitCode> {
    let configured = Configured::read(&args.config.config)?;
    let (servers, mut is_clean) = (configured.current(&args.servers, |_| true)?, true);
    let mut readable = Vec::new();
    for current in &servers {
        match current.definitions() {
            Ok(definitions) => readable.push(ServerDefinitions {
                server: &current.server,
                definitions,
            }),
            Err(error) => {
                eprint_line(error);
                is_clean = false;
            }
        }
    }
    let findings = mcp_gateway_pins::scan(&readable);
    for finding in &findings {
        let note = match finding.severity() {
            Severity::Warning => "",
            _ => "note: ",
        };
        print_line(format_args!("{note}{finding}"))?;
    }
    let mut warnings = findings.iter();
    is_clean &= !warnings.any(|it| it.severity() == Severity::Warning);
    let definitions: usize = readable.iter().map(|it| it.definitions.len()).sum();
    print_line(format_args!(
        "{definitions} definitions scanned, {} findings",
        findings.len()
    ))?;
    Ok(exit_code(is_clean))
}

/// Prints a difference, one line for each of its own.
fn print_difference(difference: &Difference) -> std::io::Result<()> {
    difference.to_string().lines().try_for_each(print_line)
}

fn exit_code(is_success: bool) -> ExitCode {
    match is_success {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}
