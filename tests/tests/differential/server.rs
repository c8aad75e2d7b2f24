use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use mcp_gateway_core::runtime;
use mcp_gateway_core::upstream;
use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::gateway::{Backends, TestGateway};
use mcp_gateway_tests::process::Process;
use tokio::process::Command;

use super::client::Era;
use super::program;

const DEADLINE: Duration = Duration::from_secs(60);

/// The script of npm `server-everything`, below the folder of npm packages.
const EVERYTHING: &str = "@modelcontextprotocol/server-everything/dist/index.js";

/// A server that clients are set against.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Server {
    Everything,
    Fixture(Era),
    Python1,
    Python2,
}

/// Transport between gateway and server.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TransportKind {
    Http,
    Stdio,
}

/// A server that runs, and where it is.
pub(super) struct RunningServer {
    pub(super) url: String,
    _process: Process,
}

impl Server {
    /// Those that are not written for tests.
    pub(super) const REAL: [Self; 3] = [Self::Everything, Self::Python1, Self::Python2];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Everything => "npm `server-everything`",
            Self::Fixture(_) => "rmcp",
            Self::Python1 => "Python `mcp` 1",
            Self::Python2 => "Python `mcp` 2",
        }
    }

    pub(super) fn scripts(self) -> &'static str {
        match self {
            Self::Everything => include_str!("everything.json"),
            Self::Fixture(_) => include_str!("fixture.json"),
            Self::Python1 | Self::Python2 => include_str!("small.json"),
        }
    }

    /// The era in which a gateway speaks with it.
    pub(super) fn era(self) -> Era {
        match self {
            Self::Everything | Self::Python1 => Era::Legacy,
            Self::Fixture(era) => era,
            Self::Python2 => Era::Modern,
        }
    }

    /// Returns `true` if clients of `era` can connect to it directly.
    pub(super) fn speaks(self, era: Era) -> bool {
        self == Self::Python2 || self.era() == era
    }

    /// The program, and what it is told to serve in a certain way.
    fn program(
        self,
        environment: &Environment,
        way: TransportKind,
    ) -> (std::path::PathBuf, Vec<String>) {
        let python = |venv: &std::path::Path| {
            let way = if way == TransportKind::Http {
                "http"
            } else {
                "stdio"
            };
            let script = program("server.py").display().to_string();
            (venv.join("bin/python"), vec![script, way.to_owned()])
        };
        match self {
            Self::Everything => {
                let way = if way == TransportKind::Http {
                    "streamableHttp"
                } else {
                    "stdio"
                };
                let script = environment.node_modules.join(EVERYTHING);
                let arguments = vec![script.display().to_string(), way.to_owned()];
                (environment.node.clone(), arguments)
            }
            Self::Fixture(era) => {
                let arguments = [
                    "--http",
                    "127.0.0.1:0",
                    "--page-size",
                    "5",
                    "--era",
                    era.name(),
                ];
                let program = env!("CARGO_BIN_EXE_fixture-server").into();
                (program, arguments.map(str::to_owned).into())
            }
            Self::Python1 => python(&environment.py1),
            Self::Python2 => python(&environment.py2),
        }
    }

    /// Starts it as a server of HTTP.
    pub(super) async fn start(self, environment: &Environment) -> RunningServer {
        let (program, arguments) = self.program(environment, TransportKind::Http);
        let mut command = Command::new(program);
        command.args(arguments);
        if self != Self::Everything {
            let mut process = Process::start(command).unwrap();
            let url = process.url(DEADLINE).await.unwrap();
            return RunningServer {
                url,
                _process: process,
            };
        }
        let address = free();
        command.env("PORT", address.port().to_string());
        let mut process = Process::start(command).unwrap();
        process.listening(address, DEADLINE).await.unwrap();
        let url = format!("http://{address}/mcp");
        RunningServer {
            url,
            _process: process,
        }
    }

    /// A gateway in front of it.
    pub(super) async fn behind_gateway(
        self,
        environment: &Environment,
        way: TransportKind,
    ) -> (TestGateway, Option<RunningServer>) {
        if way == TransportKind::Http {
            let running = self.start(environment).await;
            // All calls are those of one caller.
            let backends = Backends::only(&running.url).isolating_tasks();
            return (backends.start().await, Some(running));
        }
        let (program, arguments) = self.program(environment, way);
        let process = runtime::Process::new("only", program).with_args(arguments);
        // Without a gateway a program has all roots of its client.
        let server = upstream::UpstreamServer::builder("only", process)
            .with_roots(upstream::RootsPolicy::inside(["/"]))
            .build();
        let backends = Backends::new().with("only", "", server);
        (backends.isolating_tasks().start().await, None)
    }
}

/// An address that nobody has now.
fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}
