//! Clients that users have, each as it is installed.

use std::fs;
use std::path::Path;

use mcp_gateway_tests::process::Process;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;

use super::harness::{Gateway, SOON, Visitor, program};

/// A client.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Client {
    FastMcp,
    Inspector,
    McpRemote,
    Python1,
    Python2,
    TypeScript,
}

/// A client that has been let in.
pub(crate) struct Connected {
    pub(crate) client: Client,
    pub(crate) visitor: Visitor,
    endpoint: String,
    /// Connection to the gateway, unless each call is a separate program.
    process: Option<Process>,
    /// A call that has been made and not been looked at.
    made: Option<Call>,
}

/// Outcome of a call.
#[derive(Debug, Deserialize)]
pub(crate) struct Call {
    /// Response of the tool.
    pub(crate) text: String,
    /// The access token of the client.
    pub(crate) token: String,
}

impl Client {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FastMcp => "FastMCP",
            Self::Inspector => "Inspector CLI",
            Self::McpRemote => "mcp-remote",
            Self::Python1 => "Python `mcp` 1",
            Self::Python2 => "Python `mcp` 2",
            Self::TypeScript => "TypeScript `@modelcontextprotocol/client` 2",
        }
    }

    /// Lets it call a tool for `visitor`, who has to let it in for that.
    pub(crate) async fn connect(self, visitor: Visitor, gateway: &Gateway) -> Connected {
        let mut connected = Connected {
            client: self,
            visitor,
            endpoint: gateway.endpoint(),
            process: None,
            made: None,
        };
        if let Some(command) = self.command(&connected.visitor, &connected.endpoint) {
            connected.process = Some(Process::start(command).unwrap());
        }
        if let (Self::McpRemote, Some(process)) = (self, &mut connected.process) {
            initialize(process).await;
        }
        connected.made = Some(connected.made().await);
        connected
    }

    /// The command that runs for as long as it is connected.
    fn command(self, visitor: &Visitor, endpoint: &str) -> Option<Command> {
        let environment = &visitor.environment;
        let mut command = match self {
            Self::FastMcp => environment.python(&environment.fastmcp, "python"),
            Self::Python1 => environment.python(&environment.py1, "python"),
            Self::Python2 => environment.python(&environment.py2, "python"),
            Self::TypeScript => Command::new(&environment.node),
            Self::McpRemote => environment.node("mcp-remote/dist/proxy.js"),
            Self::Inspector => return None,
        };
        match self {
            Self::FastMcp => command.arg(program("fast.py")),
            Self::TypeScript => command
                .arg(program("sdk.mjs"))
                .arg(&environment.node_modules),
            Self::McpRemote => command.env("MCP_REMOTE_CONFIG_DIR", visitor.folder().join("kept")),
            Self::Inspector | Self::Python1 | Self::Python2 => command.arg(program("sdk.py")),
        };
        command.arg(endpoint);
        match self {
            Self::McpRemote => command.args(["--auth-timeout", "120"]),
            _ => command.args(visitor.command()),
        };
        visitor.equip(&mut command);
        Some(command)
    }
}

/// Begins a session by way of `mcp-remote`.
async fn initialize(process: &mut Process) {
    let client = json!({ "name": "test", "version": "1" });
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": client,
    });
    let answer = ask(process, "initialize", params).await;
    assert_eq!(answer["result"]["protocolVersion"], "2025-11-25");
    let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
    process.say(&initialized.to_string()).await.unwrap();
}

async fn ask(process: &mut Process, method: &str, params: Value) -> Value {
    let request = json!({ "jsonrpc": "2.0", "id": method, "method": method, "params": params });
    process.say(&request.to_string()).await.unwrap();
    loop {
        let line = process.line(SOON).await.unwrap();
        let message: Value = serde_json::from_str(&line).unwrap();
        if message["id"] == method {
            return message;
        }
    }
}

impl Connected {
    /// Calls a tool that repeats what it is told.
    pub(crate) async fn call(&mut self) -> Call {
        if let Some(made) = self.made.take() {
            return made;
        }
        if let (Some(process), true) = (&mut self.process, self.client.is_script()) {
            process.say("again").await.unwrap();
        }
        self.made().await
    }

    async fn made(&mut self) -> Call {
        match (&mut self.process, self.client) {
            (Some(process), Client::McpRemote) => {
                let params = json!({ "name": "demo__echo", "arguments": { "text": "hello" } });
                let answer = ask(process, "tools/call", params).await;
                self.kept(&answer["result"], "kept/mcp-remote-v1")
            }
            (Some(process), _) => {
                let line = process.line(SOON).await.unwrap();
                serde_json::from_str(&line).unwrap()
            }
            (None, _) => {
                let answer = self.inspect().await;
                self.kept(&answer["result"], ".mcp-inspector")
            }
        }
    }

    /// Has the Inspector make a call.
    async fn inspect(&self) -> Value {
        let launcher = "@modelcontextprotocol/inspector/clients/launcher/build/index.js";
        let mut command = self.visitor.environment.node(launcher);
        command
            .args(["--cli", &self.endpoint, "--transport", "http"])
            .args(["--method", "tools/call", "--tool-name", "demo__echo"])
            .args(["--tool-arg", "text=hello", "--format", "json", "--quiet"])
            .args(["--callback-url", "http://127.0.0.1:0/oauth/callback"])
            .env("HOME", self.visitor.folder())
            .env("MCP_AUTO_OPEN_ENABLED", "true")
            .env("MCP_INSPECTOR_SECRET_STORE", "file");
        self.visitor.equip(&mut command);
        let mut process = Process::start(command).unwrap();
        let line = process.line(SOON).await.unwrap();
        serde_json::from_str(&line).unwrap()
    }

    /// The call with `result`, after which the client keeps a token in a file of `folder`.
    fn kept(&self, result: &Value, folder: &str) -> Call {
        let folder = self.visitor.folder().join(folder);
        let text = result["content"][0]["text"].as_str().unwrap().to_owned();
        let token = token_in(&folder).unwrap();
        Call { text, token }
    }
}

impl Client {
    /// Returns `true` if the client is a program of this repository around an SDK.
    fn is_script(self) -> bool {
        !matches!(self, Self::Inspector | Self::McpRemote)
    }
}

/// The access token that is in one of the files of `folder`.
fn token_in(folder: &Path) -> Option<String> {
    let files = fs::read_dir(folder).unwrap().flatten();
    files
        .filter_map(|file| fs::read_to_string(file.path()).ok())
        .find_map(|text| {
            // Some keep the token in a text in their file.
            let plain = text.replace("\\\"", "\"").replace(' ', "");
            let (_, rest) = plain.split_once("\"access_token\":\"")?;
            Some(rest.split_once('"')?.0.to_owned())
        })
}
