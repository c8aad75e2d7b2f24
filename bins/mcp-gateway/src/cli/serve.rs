//! `mcp-gateway serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::files::ConfigFiles;
use crate::output::eprint_line;
use crate::source::{
    ConfigSource, LoadAttempt, LogOptions, TOKEN_VARIABLE, owner_token, random_token,
};
use crate::{logging, serve};
use mcp_gateway_config::file::{LogFormat, directives, listen_address};

#[derive(Debug, Args)]
pub(super) struct ServeArgs {
    /// Configuration file
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Client configuration file with servers, such as .mcp.json; may be repeated
    #[arg(long, value_name = "FILE")]
    mcp_config: Vec<PathBuf>,
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

/// Serves until the process receives a signal to terminate.
///
/// # Errors
///
/// Fails if the gateway cannot start.
pub(super) fn run(args: ServeArgs) -> anyhow::Result<ExitCode> {
    let given = std::env::var(TOKEN_VARIABLE)
        .ok()
        .filter(|token| !token.is_empty());
    let source = ConfigSource {
        files: ConfigFiles {
            config: args.config,
            clients: args.mcp_config,
        },
        listen: args.listen,
        log: LogOptions {
            format: args.log_format,
            level: args.log_level,
        },
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
