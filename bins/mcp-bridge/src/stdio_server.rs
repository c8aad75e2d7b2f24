//! Stdio server over HTTP.

use std::ffi::{OsStr, OsString};
use std::future::pending;
use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus};
use std::sync::Arc;
use std::time::Duration;

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
use tokio::sync::watch;

use crate::bridge::{Bridge, BridgeParts, SERVER};
use crate::eager::EagerServer;
use crate::init::code_for;
use crate::router::{BridgeRouter, Readiness};
use crate::shutdown::ShutdownSignal;
use crate::token_file::TokenFile;

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
    /// File with the bearer tokens of clients, one per line; read again every two seconds
    #[arg(long, value_name = "PATH", conflicts_with = "token_env")]
    token_file: Option<PathBuf>,
    /// Accept calls without a token from this machine
    #[arg(long, conflicts_with_all = ["token_env", "token_file"])]
    anonymous: bool,
    /// Accept calls without a token from everywhere
    #[arg(long, conflicts_with_all = ["token_env", "token_file"])]
    insecure_anonymous: bool,
    /// Sharing of the process by client sessions
    #[arg(long, value_enum, default_value_t = SessionSharing::Principal)]
    sessions: SessionSharing,
    /// Start the server before the first call, and keep it while it is unused; /readyz reports
    /// whether it runs
    #[arg(long)]
    eager: bool,
    /// Exit when a process of the server exits by itself, with its exit code
    #[arg(long, requires = "eager")]
    exit_with_server: bool,
    /// Name of the server, in errors and logs
    #[arg(long, default_value = SERVER)]
    name: String,
    /// Time to exit after SIGTERM, in seconds: two thirds of it are for calls in flight, the rest is
    /// for the server
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    grace: u64,
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

/// Serves clients until the process receives a signal to terminate, or the server exits if the
/// bridge is to exit with it. Returns the exit code.
///
/// # Errors
///
/// Fails if the bridge cannot start.
pub(crate) async fn run(args: StdioArgs) -> anyhow::Result<ExitCode> {
    let mut stop = ShutdownSignal::listen().context("cannot register signal handlers")?;
    let access = args.access()?;
    let guard = args
        .host
        .iter()
        .fold(HostPolicy::new(), |guard, host| guard.with_host(host));
    let (exits, mut exit) = watch::channel(None);
    let bridge = Bridge::new(
        args.server(exits)?,
        BridgeParts {
            verifier: access.verifier,
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
    print_banner(listener.local_addr()?, access.generated.as_deref())?;

    let eager = EagerServer::new(&bridge);
    let drain = bridge.drain.clone();
    let serving = Serve::new(listener)
        .with_drain_timeout(args.grace() * 2 / 3)
        .run(args.router(&bridge), async { drain.started().await });
    let ending = async {
        tokio::select! {
            () = stop.requested() => {}
            () = eager.exited(&mut exit), if args.exit_with_server => {}
        }
        bridge.drain.start();
        stop.requested().await;
    };
    tokio::select! {
        () = serving => {}
        () = ending => return Ok(ExitCode::SUCCESS),
        () = args.background(&eager, access.file.as_deref()) => {}
    }
    let code = match args.exit_with_server {
        true => exit.borrow().map_or(ExitCode::SUCCESS, code_for),
        false => ExitCode::SUCCESS,
    };
    tokio::select! {
        () = bridge.close() => {}
        () = stop.requested() => {}
    }
    Ok(code)
}

/// Access of clients.
struct Access {
    verifier: Arc<dyn AuthVerifier>,
    /// Token that was generated.
    generated: Option<String>,
    /// File that contains the tokens.
    file: Option<Arc<TokenFile>>,
}

impl Access {
    fn new(verifier: impl AuthVerifier) -> Self {
        Self {
            verifier: Arc::new(verifier),
            generated: None,
            file: None,
        }
    }
}

impl StdioArgs {
    /// Time from SIGTERM to the exit.
    fn grace(&self) -> Duration {
        Duration::from_secs(self.grace)
    }

    /// Tasks that run as long as the bridge.
    async fn background(&self, eager: &EagerServer<'_>, file: Option<&TokenFile>) {
        let following = async {
            match file {
                Some(file) => file.follow().await,
                None => pending().await,
            }
        };
        let running = async {
            match self.eager {
                true => eager.keep_running(owner()).await,
                false => pending().await,
            }
        };
        tokio::join!(following, running);
    }

    fn router(&self, bridge: &Bridge) -> BridgeRouter {
        let readiness = Readiness {
            drain: bridge.drain.clone(),
            server: self.eager.then(|| Arc::clone(&bridge.server)),
        };
        BridgeRouter::new(bridge.gateway.clone(), readiness)
    }

    /// Returns the server. The status of a process that exits by itself is sent to `exits`.
    fn server(
        &self,
        exits: watch::Sender<Option<ExitStatus>>,
    ) -> anyhow::Result<Arc<UpstreamServer>> {
        let Some((program, args)) = self.command.split_first() else {
            bail!("missing command");
        };
        ensure!(
            is_program(program),
            "program not found: {}",
            program.display()
        );
        let process = Process::new(self.name.as_str(), program)
            .with_args(args)
            // Its variables are set where the bridge is started.
            .with_inherited_env()
            // It passes twice: before SIGTERM, and before SIGKILL.
            .with_grace((self.grace() / 6).min(STOP_GRACE))
            // The server has no use for the token of its clients.
            .without_env(&self.token_env)
            .on_exit(move |exit| {
                if !exit.was_requested {
                    exits.send_replace(Some(exit.status));
                }
            });
        let sessions = match self.sessions {
            SessionSharing::Principal => SessionPolicy::PerPrincipal,
            SessionSharing::Session => SessionPolicy::PerSession,
            SessionSharing::Shared => SessionPolicy::Shared,
        };
        let mut server =
            UpstreamServer::builder(self.name.as_str(), process).with_session_policy(sessions);
        if self.eager {
            server = server.with_idle(FOREVER);
        }
        Ok(server.build())
    }

    /// Returns the access of clients.
    fn access(&self) -> anyhow::Result<Access> {
        if self.insecure_anonymous || (self.anonymous && self.listen.ip().is_loopback()) {
            return Ok(Access::new(AllowAnonymous::new()));
        }
        if self.anonymous {
            bail!(
                "--anonymous requires a loopback address; with {} use --insecure-anonymous, or set \
                 {}",
                self.listen,
                self.token_env,
            );
        }
        if let Some(path) = &self.token_file {
            let file = Arc::new(TokenFile::open(path.clone(), owner())?);
            return Ok(Access {
                file: Some(Arc::clone(&file)),
                ..Access::new(file)
            });
        }
        match std::env::var(&self.token_env) {
            Ok(token) if !token.is_empty() => {
                Ok(Access::new(StaticTokens::new().with_token(&token, owner())))
            }
            Ok(_) | Err(_) => {
                let token = Secret::generate("mcpb_")?;
                let tokens = StaticTokens::new().with_token(token.expose(), owner());
                Ok(Access {
                    generated: Some(token.expose().to_owned()),
                    ..Access::new(tokens)
                })
            }
        }
    }
}

/// Principal of all clients.
fn owner() -> Principal {
    Principal::new("owner")
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

/// Idle time of a server that is kept: the lifetime of a container is shorter.
const FOREVER: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Longest time for the server to exit when its input is closed, and again after SIGTERM.
const STOP_GRACE: Duration = Duration::from_secs(3);
