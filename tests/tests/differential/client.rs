use std::time::Duration;

use mcp_gateway_tests::{environment::Environment, process::Process};
use serde_json::Value;
use tokio::process::Command;

use super::program;

/// Far more than all scripts take.
const DEADLINE: Duration = Duration::from_secs(120);

/// Transport between client and server.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Era {
    Legacy,
    Modern,
}

impl Era {
    pub(super) const ALL: [Self; 2] = [Self::Legacy, Self::Modern];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

/// The token of a caller of a gateway in the test process.
pub(super) const ALICE: &str = "alice";

/// A program that plays scripts.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Client {
    Python1,
    Python2,
    Rmcp,
    TypeScript,
}

impl Client {
    pub(super) const ALL: [Self; 4] = [Self::Python1, Self::Python2, Self::Rmcp, Self::TypeScript];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Python1 => "Python `mcp` 1",
            Self::Python2 => "Python `mcp` 2",
            Self::Rmcp => "rmcp",
            Self::TypeScript => "TypeScript `@modelcontextprotocol/client` 2",
        }
    }

    /// The eras that it can be told to use.
    pub(super) fn eras(self) -> &'static [Era] {
        match self {
            Self::Python1 => &[Era::Legacy],
            Self::Python2 | Self::Rmcp | Self::TypeScript => &Era::ALL,
        }
    }

    fn command(self, environment: &Environment) -> Command {
        let venv = match self {
            Self::Python1 => &environment.py1,
            Self::Python2 => &environment.py2,
            Self::Rmcp => return Command::new(env!("CARGO_BIN_EXE_rmcp-client")),
            Self::TypeScript => {
                let mut command = Command::new(&environment.node);
                command
                    .arg(program("client.mjs"))
                    .arg(&environment.node_modules);
                return command;
            }
        };
        let mut command = environment.python(venv, "python");
        command.args(["-W", "ignore"]).arg(program("client.py"));
        command
    }

    /// Returns the transcripts of `scripts` at a URL, with a token, by their names.
    pub(super) async fn play(
        self,
        environment: &Environment,
        era: Era,
        (url, token): (&str, &str),
        scripts: &Value,
    ) -> Value {
        let mut command = self.command(environment);
        command.args([url, token, era.name(), &scripts.to_string()]);
        let mut process = Process::start(command).unwrap();
        let line = process.line(DEADLINE).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }
}
