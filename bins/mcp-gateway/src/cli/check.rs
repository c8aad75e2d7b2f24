//! `mcp-gateway check`.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use mcp_gateway_config::connect::McpClientApp;
use mcp_gateway_config::document::{Environment, NoEnvironment};
use mcp_gateway_config::file::Log;
use mcp_gateway_config::lint::ClientLimits;
use mcp_gateway_core::catalog::lint::Outcome;
use mcp_gateway_platform::registry::retired_entries;
use mcp_gateway_platform::spec::{DynamicSpec, PlatformSpec};

use super::files::FileOptions;
use super::pins::Configured;
use super::tools::name_findings;
use crate::client::{McpClient, ToolList};
use crate::cluster;
use crate::logging;
use crate::model::ModelCache;
use crate::output::print_line;
use crate::system::SystemEnvironment;

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Files to check; JSON files are client configurations, such as .mcp.json
    #[arg(required_unless_present_any = ["config", "mcp_config"], value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    options: FileOptions,
    /// Do not resolve environment variables and referenced files
    #[arg(long, conflicts_with_all = ["client", "connect"])]
    without_secrets: bool,
    /// Start the servers, and check their tools
    #[arg(long)]
    connect: bool,
    /// Start the pinned servers, and fail if anything differs from the lock file
    #[arg(long, conflicts_with = "without_secrets")]
    frozen: bool,
    /// Start the servers, and check their tools against the limits of this client
    #[arg(long, value_name = "CLIENT")]
    client: Option<McpClientApp>,
}

/// Checks configuration files and prints all diagnostics.
///
/// # Errors
///
/// Fails if the output is closed.
pub(super) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let files = args.options.with_arguments(&args.files)?;
    let system = SystemEnvironment::new();
    let environment: &dyn Environment = match args.without_secrets {
        true => &NoEnvironment,
        false => &system,
    };
    let loaded = files.load(environment).and_then(|mut loaded| {
        if !args.without_secrets {
            loaded.read_lock(&files, None)?;
            loaded.read_model(&files, &ModelCache::default(), None)?;
        }
        Ok(loaded)
    });
    let (findings, config) = match loaded {
        Ok(loaded) => (loaded.warnings, Some(loaded.config.platform)),
        Err(findings) => (findings, None),
    };
    for line in findings.lines() {
        print_line(line)?;
    }
    match config {
        Some(config) => {
            let mistakes = cluster::mistakes(&config);
            for line in &mistakes {
                print_line(line)?;
            }
            if !mistakes.is_empty() {
                print_line(counted(mistakes.len(), "problem"))?;
                return Ok(ExitCode::FAILURE);
            }
            if args.frozen
                && super::pins::frozen(&Configured::of(&files)?, &[])? != ExitCode::SUCCESS
            {
                return Ok(ExitCode::FAILURE);
            }
            print_line(describe(&config.dynamic))?;
            match args.connect || args.client.is_some() {
                true => check_tools(&config, &system.secrets(), args.client),
                false => Ok(ExitCode::SUCCESS),
            }
        }
        None => {
            print_line(counted(findings.len(), "problem"))?;
            Ok(ExitCode::FAILURE)
        }
    }
}

/// Lists the tools of each gateway, and prints those that clients, or `client`, cannot use. Then
/// prints the servers whose entries are not active any more.
fn check_tools(
    spec: &PlatformSpec,
    secrets: &[String],
    client: Option<McpClientApp>,
) -> anyhow::Result<ExitCode> {
    logging::init(&Log::from_level("error"));
    super::runtime()?.block_on(async {
        let (config, mut count) = (&spec.dynamic, 0);
        for (at, gateway) in config.gateways.iter().enumerate() {
            let servers = McpClient::of_config(config, secrets, Some(&gateway.name), None)?;
            let name = match at == config.default_gateway {
                true => DEFAULT_NAME,
                false => &gateway.name,
            };
            let listed = servers.tools().await;
            servers.close().await;
            let mut lines = findings(&listed, client, name);
            lines.extend(name_findings(&listed, &servers));
            count += lines.len();
            for line in lines.iter().chain(&adaptations(&listed)) {
                print_line(format_args!("{}: {line}", gateway.name))?;
            }
        }
        match retired_entries(spec).await {
            Ok(retired) => retired.iter().try_for_each(print_line)?,
            Err(error) => print_line(format_args!("state store not read: {error}"))?,
        }
        print_line(counted(count, "finding"))?;
        Ok(match count {
            0 => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        })
    })
}

/// Formats what clients, or `client`, cannot use of a gateway, and the servers that cannot be listed.
fn findings(listed: &[ToolList], client: Option<McpClientApp>, gateway: &str) -> Vec<String> {
    let limits = client.map(ClientLimits::of);
    let has_model = limits.as_ref().is_none_or(ClientLimits::has_model);
    let failures = listed.iter().filter_map(ToolList::failure);
    let tools = listed.iter().filter_map(|tools| tools.listed.as_ref().ok());
    let names: Vec<_> = tools
        .flatten()
        .filter_map(|tool| tool["name"].as_str())
        .collect();
    let defects = listed.iter().flat_map(|tools| &tools.findings);
    let defects = defects.filter_map(|(name, finding)| {
        let consequence = match finding.outcome {
            Outcome::HeldBack => "the tool is held back",
            outcome if outcome == Outcome::Reported && has_model => "model interfaces reject it",
            _ => return None,
        };
        Some(format!("{name}: {finding}; {consequence}"))
    });
    let excesses = limits.map(|limits| limits.check(&names, gateway));
    failures
        .chain(excesses.into_iter().flatten())
        .chain(defects)
        .collect()
}

/// Formats the defects that a client does not see, because the gateway adapts the definitions.
fn adaptations(listed: &[ToolList]) -> Vec<String> {
    let defects = listed.iter().flat_map(|tools| &tools.findings);
    let adapted = defects.filter(|(_, finding)| finding.outcome == Outcome::Adapted);
    adapted
        .map(|(name, finding)| format!("{name}: {finding}; adapted"))
        .collect()
}

/// Name of the default gateway in clients.
const DEFAULT_NAME: &str = "mcp-gateway";

fn describe(config: &DynamicSpec) -> String {
    let servers = counted(config.servers.len(), "server");
    let gateways = counted(config.gateways.len(), "gateway");
    format!("ok: {servers}, {gateways}")
}

fn counted(count: usize, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {what}{plural}")
}
