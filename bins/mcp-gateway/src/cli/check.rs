//! `mcp-gateway check`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use mcp_gateway_config::document::{Environment, NoEnvironment};
use mcp_gateway_platform::spec::DynamicSpec;

use crate::files::ConfigFiles;
use crate::output::print_line;
use crate::system::SystemEnvironment;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Files to check; JSON files are client configurations, such as .mcp.json
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Do not resolve environment variables and referenced files
    #[arg(long)]
    without_secrets: bool,
}

/// Checks configuration files and prints all diagnostics.
///
/// # Errors
///
/// Fails if the output is closed.
pub(super) fn run(args: CheckArgs) -> anyhow::Result<ExitCode> {
    let files = ConfigFiles::sorted(args.files).map_err(anyhow::Error::msg)?;
    let system = SystemEnvironment::new();
    let environment: &dyn Environment = match args.without_secrets {
        true => &NoEnvironment,
        false => &system,
    };
    let (findings, config) = match files.load(environment) {
        Ok(loaded) => (loaded.warnings, Some(loaded.config.platform.dynamic)),
        Err(findings) => (findings, None),
    };
    for line in findings.lines() {
        print_line(line)?;
    }
    match config {
        Some(config) => {
            print_line(describe(&config))?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            print_line(counted(findings.len(), "problem"))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

fn describe(config: &DynamicSpec) -> String {
    let servers = counted(config.servers.len(), "server");
    let gateways = counted(config.gateways.len(), "gateway");
    format!("ok: {servers}, {gateways}")
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
