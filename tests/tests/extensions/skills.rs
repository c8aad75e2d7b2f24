//! Skills of published implementations, which a host lists, reads and verifies.
//!
//! All servers have a skill with the same address and different contents.

use std::time::Duration;

use mcp_gateway_core::runtime;
use mcp_gateway_core::upstream::UpstreamServer;
use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::gateway::{Backends, TestGateway};
use mcp_gateway_tests::process::Process;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::{Era, program};

/// Far more than all plans take.
const DEADLINE: Duration = Duration::from_secs(120);

/// A server with skills.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Server {
    /// FastMCP, which has skills in the modern era only.
    FastMcp,
    /// The TypeScript SDK.
    TypeScript(Era),
}

impl Server {
    /// In the order of the gateway.
    const ALL: [Self; 3] = [
        Self::TypeScript(Era::Legacy),
        Self::TypeScript(Era::Modern),
        Self::FastMcp,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::FastMcp => "fastmcp",
            Self::TypeScript(era) => era.name(),
        }
    }

    /// Returns `true` if clients of `era` get its skills, through the gateway or without it.
    fn has_skills_in(self, era: Era) -> bool {
        self != Self::FastMcp || era == Era::Modern
    }

    /// The files of its skill.
    fn files(self) -> [(&'static str, String); 3] {
        let name = self.name();
        let text = "See skill://refunds/references/table.md";
        let main =
            format!("---\nname: refunds\ndescription: Refunds of {name}\n---\r\n\r\n{text}\n");
        [
            ("SKILL.md", main),
            // FastMCP and the SDK send it as text, or as base64.
            ("assets/bytes.bin", format!("\0\u{1}\u{7f}{name}")),
            ("references/table.md", format!("| é | {name} |\r\n")),
        ]
    }

    /// Writes its files into a folder.
    fn write(self) -> TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in self.files() {
            let path = folder.path().join("refunds").join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    /// Adds it to a gateway.
    fn add(self, backends: Backends, environment: &Environment, folder: &TempDir) -> Backends {
        let folder = folder.path().display().to_string();
        let (interpreter, arguments) = match self {
            Self::FastMcp => {
                let script = program("skills-server.py").display().to_string();
                (environment.fastmcp.join("bin/python"), vec![script, folder])
            }
            Self::TypeScript(era) => {
                let script = program("skills-server.mjs").display().to_string();
                let modules = environment.node_modules.display().to_string();
                let era = era.name().to_owned();
                (environment.node.clone(), vec![script, modules, era, folder])
            }
        };
        let process = runtime::Process::new(self.name(), interpreter).with_args(arguments);
        let server = UpstreamServer::builder(self.name(), process).build();
        backends.with(self.name(), self.name(), server)
    }
}

/// Returns what a host sees at `gateway` in each era.
async fn play(environment: &Environment, gateway: &TestGateway) -> Vec<Value> {
    let plans = Era::ALL.map(|era| {
        let awaited = Server::ALL
            .into_iter()
            .filter(|server| server.has_skills_in(era));
        json!({ "url": gateway.url, "era": era.name(), "awaits": awaited.count() })
    });
    let mut command = Command::new(&environment.node);
    command
        .arg(program("skills.mjs"))
        .arg(&environment.node_modules)
        .arg(json!(plans).to_string());
    let mut process = Process::start(command).unwrap();
    let line = process.line(DEADLINE).await.unwrap();
    serde_json::from_str(&line).unwrap()
}

#[tokio::test]
async fn skills_of_published_implementations_are_verified() {
    let environment = Environment::installed().await.unwrap();
    let folders = Server::ALL.map(Server::write);
    let mut backends = Backends::new();
    for (server, folder) in Server::ALL.into_iter().zip(&folders) {
        backends = server.add(backends, &environment, folder);
    }
    let gateway = backends.start().await;
    for (era, seen) in Era::ALL.into_iter().zip(play(&environment, &gateway).await) {
        let servers: Vec<_> = Server::ALL
            .into_iter()
            .filter(|server| server.has_skills_in(era))
            .collect();
        let skills = seen.as_array().unwrap();
        assert_eq!(skills.len(), servers.len(), "{seen}");
        for (server, skill) in servers.iter().zip(skills) {
            let name = server.name();
            let root = format!("skill://{name}/refunds");
            assert_eq!(skill["uri"], format!("{root}/SKILL.md"), "{era:?}");
            assert_eq!(skill["description"], format!("Refunds of {name}"));
            assert_eq!(skill["isSame"], true, "skills/get returns what is listed");
            for (path, text) in server.files() {
                let file = &skill["files"][format!("{root}/{path}")];
                assert_eq!(file["verified"], true, "{name}, {path}: {skill}");
                let latin1: String = text.bytes().map(char::from).collect();
                assert_eq!(file["text"], latin1, "{name}, {path}");
            }
            let children = match server {
                Server::FastMcp => Value::Null,
                Server::TypeScript(_) => {
                    let children = ["SKILL.md", "assets", "references"];
                    json!(children.map(|child| format!("{root}/{child}")))
                }
            };
            assert_eq!(skill["directory"], children, "{name}");
        }
    }
}
