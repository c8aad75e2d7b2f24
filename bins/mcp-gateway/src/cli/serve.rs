//! `mcp-gateway serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::files::{FileOptions, warn_of_unused};
use crate::model::ModelCache;
use crate::output::eprint_line;
use crate::source::{
    ConfigSource, LoadAttempt, LogOptions, TOKEN_VARIABLE, owner_token, random_token,
};
use crate::{logging, serve};
use mcp_gateway_config::file::{LogFormat, directives, listen_address};

/// Arguments with the command `serve`.
#[derive(Debug, Args)]
pub(super) struct ServeCommand {
    /// Files to serve; JSON files are client configurations, such as .mcp.json
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    args: ServeArgs,
}

/// Options, also without the command.
#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    files: FileOptions,
    /// Listen address; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS", value_parser = listen_address)]
    listen: Option<SocketAddr>,
    /// Log format
    #[arg(long, value_name = "FORMAT")]
    log_format: Option<LogFormat>,
    /// Log level or filter, such as debug or info,mcp_gateway_core=debug
    #[arg(long, value_name = "LEVEL", env = "MCP_GATEWAY_LOG", value_parser = directives)]
    log_level: Option<String>,
}

impl From<ServeArgs> for ServeCommand {
    fn from(args: ServeArgs) -> Self {
        let files = Vec::new();
        Self { files, args }
    }
}

/// Serves until the process receives a signal to terminate.
///
/// # Errors
///
/// Fails if the gateway cannot start.
pub(super) fn run(command: ServeCommand) -> anyhow::Result<ExitCode> {
    let ServeCommand { files, args } = command;
    let given = std::env::var(TOKEN_VARIABLE)
        .ok()
        .filter(|token| !token.is_empty());
    let source = ConfigSource {
        files: args.files.with_arguments(&files)?,
        listen: args.listen,
        log: LogOptions {
            format: args.log_format,
            level: args.log_level,
        },
        models: ModelCache::default(),
        token_is_new: given.is_none(),
        token: match given {
            Some(token) => owner_token(token),
            None => random_token()?,
        },
    };
    let LoadAttempt { files, result } = source.load();
    let ready = match result {
        Ok(ready) => ready,
        Err(findings) => {
            findings.lines().for_each(eprint_line);
            return Ok(ExitCode::FAILURE);
        }
    };
    logging::init(&ready.config.serving.log);
    ready.warnings.lines().for_each(eprint_line);
    warn_of_unused(&source.files);
    raise_descriptor_limit();
    let runtime = super::runtime()?;
    runtime.block_on(serve::run(source, ready, files))?;
    Ok(ExitCode::SUCCESS)
}

/// Raises the limit of open files to the maximum; the usual 1024 limits connections.
fn raise_descriptor_limit() {
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, limit) {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
}
