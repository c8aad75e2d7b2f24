//! Stdio server over HTTP.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, ValueEnum};
use mcp_gateway_auth::{Secret, StaticTokens};
use mcp_gateway_core::Serve;
use mcp_gateway_core::auth::{AllowAnonymous, AuthVerifier, Principal};
use mcp_gateway_core::credential::NoCredentials;
use mcp_gateway_core::host_policy::HostPolicy;
use mcp_gateway_core::runtime::Process;
use mcp_gateway_core::upstream::{SessionPolicy, UpstreamServer};
use tokio::net::TcpListener;

use crate::bridge::{Bridge, BridgeParts, SERVER};
use crate::router::BridgeRouter;
use crate::shutdown::ShutdownSignal;

#[derive(Debug, Args)]
pub(crate) struct StdioArgs {
    /// Listen address; port 0 selects a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Allowed host name, besides localhost and IP addresses; may be repeated
    #[arg(long, value_name = "NAME")]
    host: Vec<String>,
    /// Environment variable that contains the bearer token of clients; if it is not set, a token is
    /// generated
    #[arg(long, value_name = "NAME", default_value = "MCP_BRIDGE_TOKEN")]
    token_env: String,
    /// Accept calls without a token from this machine
    #[arg(long, conflicts_with = "token_env")]
    anonymous: bool,
    /// Accept calls without a token from everywhere
    #[arg(long, conflicts_with = "token_env")]
    insecure_anonymous: bool,
    /// Sharing of the process by client sessions
    #[arg(long, value_enum, default_value_t = SessionSharing::Principal)]
    sessions: SessionSharing,
    /// Command of the server, with its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Sharing of a process by client sessions.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum SessionSharing {
    /// All sessions of a caller share a process
    Principal,
    /// Each session has its own process
    Session,
    /// All sessions share one process
    Shared,
}

/// Serves clients until the process receives a signal to terminate.
///
/// # Errors
///
/// Fails if the bridge cannot start.
pub(crate) async fn run(args: StdioArgs) -> anyhow::Result<()> {
    let mut stop = ShutdownSignal::listen().context("cannot register signal handlers")?;
    let (verifier, token) = args.access()?;
    let guard = args
        .host
        .iter()
        .fold(HostPolicy::new(), |guard, host| guard.with_host(host));
    let bridge = Bridge::new(
        args.server()?,
        BridgeParts {
            verifier,
            credentials: Arc::new(NoCredentials::new()),
            guard,
        },
    )?;
    let listener = TcpListener::bind(args.listen).await;
    let listener = listener.with_context(|| {
        format!(
            "cannot listen on {}; choose another address with --listen",
            args.listen
        )
    })?;
    print_banner(listener.local_addr()?, token.as_deref())?;

    let drain = bridge.drain.clone();
    let front = BridgeRouter::new(bridge.gateway.clone());
    let serving = Serve::new(listener).run(front, async { drain.started().await });
    let ending = async {
        stop.requested().await;
        bridge.drain.start();
        stop.requested().await;
    };
    tokio::select! {
        () = serving => {}
        () = ending => return Ok(()),
    }
    tokio::select! {
        () = bridge.close() => {}
        () = stop.requested() => {}
    }
    Ok(())
}

impl StdioArgs {
    fn server(&self) -> anyhow::Result<Arc<UpstreamServer>> {
        let Some((program, args)) = self.command.split_first() else {
            bail!("missing command");
        };
        ensure!(
            is_program(program),
            "program not found: {}",
            program.display()
        );
        let process = Process::new(SERVER, program)
            .with_args(args)
            // Its variables are set where the bridge is started.
            .with_inherited_env()
            // The server has no use for the token of its clients.
            .without_env(&self.token_env);
        let sessions = match self.sessions {
            SessionSharing::Principal => SessionPolicy::PerPrincipal,
            SessionSharing::Session => SessionPolicy::PerSession,
            SessionSharing::Shared => SessionPolicy::Shared,
        };
        Ok(UpstreamServer::builder(SERVER, process)
            .with_session_policy(sessions)
            .build())
    }

    /// Returns the verifier of callers, and the token if it was generated.
    fn access(&self) -> anyhow::Result<(Arc<dyn AuthVerifier>, Option<String>)> {
        if self.insecure_anonymous || (self.anonymous && self.listen.ip().is_loopback()) {
            return Ok((Arc::new(AllowAnonymous::new()), None));
        }
        if self.anonymous {
            bail!(
                "--anonymous requires a loopback address; with {} use --insecure-anonymous, or set \
                 {}",
                self.listen,
                self.token_env,
            );
        }
        let owner = Principal::new("owner");
        match std::env::var(&self.token_env) {
            Ok(token) if !token.is_empty() => Ok((
                Arc::new(StaticTokens::new().with_token(&token, owner)),
                None,
            )),
            Ok(_) | Err(_) => {
                let token = Secret::generate("mcpb_")?;
                let tokens = StaticTokens::new().with_token(token.expose(), owner);
                Ok((Arc::new(tokens), Some(token.expose().to_owned())))
            }
        }
    }
}

/// Returns `true` if `name` is an executable file, or one on `PATH`.
fn is_program(name: &OsStr) -> bool {
    let executable = |path: &Path| {
        let metadata = path.metadata();
        metadata.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if Path::new(name).components().count() > 1 {
        return executable(Path::new(name));
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| executable(&folder.join(name)))
}

/// Prints the URL, and the token if it was generated.
fn print_banner(address: SocketAddr, token: Option<&str>) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "endpoint  http://{address}/mcp")?;
    if let Some(token) = token {
        writeln!(output, "token     {token}")?;
    }
    output.flush()
}
