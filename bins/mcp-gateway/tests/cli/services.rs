//! Ready entries with the real packages: two callers, clients of both eras.
//!
//! `npx` and `uvx` are replaced by programs that start the packages that tests/env/install.sh has
//! installed, and fail if the entry has another version. The packages are unmodified. The browser is
//! tried by tests/services/run.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::wire::Wire;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::task::JoinSet;

use crate::harness::{Folder, Gateway, PROGRAM, eventually};

/// Tokens of two callers.
const ALICE: &str = "alice-0123456789abcdef0123456789";
const BOB: &str = "bob-0123456789abcdef0123456789ab";

const CONFIG: &str = "# Callers\n\
    auth: { tokens: [{ name: alice, token: { env: ALICE } }, { name: bob, token: { env: BOB } }] }\n";

/// Identifier of the next request in a session.
static NEXT: AtomicU64 = AtomicU64::new(1);

/// A client of one era.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Era {
    Legacy,
    Modern,
}

const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

/// A gateway over one entry.
#[derive(Debug)]
struct Service {
    gateway: Gateway,
    folder: Folder,
    entry: String,
}

impl Service {
    /// Adds `entry` to a configuration with the command line, and serves it.
    async fn start(entry: &str) -> Self {
        let folder = Folder::new();
        for name in ["bin", "tmp"] {
            fs::create_dir(folder.path(name)).unwrap();
        }
        let environment = Environment::installed().await.unwrap();
        let bin = folder.path("bin");
        environment.install_launchers(Path::new(&bin)).unwrap();
        folder.write("gateway.yaml", CONFIG);
        let mut add = Command::new(PROGRAM);
        add.args(["add", entry, "--config", &folder.path("gateway.yaml")]);
        let output = add.env("PATH", path(&folder)).output().await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{entry}: {said}");
        let gateway = serve(&folder).await;
        let entry = entry.to_owned();
        Self {
            gateway,
            folder,
            entry,
        }
    }

    /// A client of the caller with `token`.
    async fn client(&self, token: &str, era: Era) -> Client {
        let token = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        let url = format!("{}/mcp", self.gateway.url);
        let wire = Wire::new(url).with_header(AUTHORIZATION, token);
        Client::begin(wire, &self.entry, era).await
    }

    /// Clients of both callers.
    async fn clients(&self, era: Era) -> (Client, Client) {
        (self.client(ALICE, era).await, self.client(BOB, era).await)
    }

    /// Stops the gateway, and fails if it leaves a process or a temporary file.
    async fn stop(mut self) -> Folder {
        self.gateway.signal(Signal::TERM);
        let status = self.gateway.finish().await;
        assert!(status.success(), "{}", self.gateway.stderr());
        nothing_is_left(&self.folder).await;
        self.folder
    }
}

/// A client of one caller.
#[derive(Clone, Debug)]
struct Client {
    wire: Wire,
    entry: String,
    /// Session of a legacy client.
    session: Option<String>,
}

impl Client {
    async fn begin(wire: Wire, entry: &str, era: Era) -> Self {
        let mut client = Self {
            wire,
            entry: entry.to_owned(),
            session: None,
        };
        if era == Era::Legacy {
            let params = json!({
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" },
            });
            let request =
                json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
            let reply = client.wire.post(request.to_string(), &[]).await.unwrap();
            let session = reply.headers["mcp-session-id"].to_str().unwrap().to_owned();
            client.session = Some(session);
        }
        client
    }

    /// The result of a call of a tool.
    async fn call(&self, tool: &str, arguments: Value) -> Value {
        let name = format!("{}__{tool}", self.entry);
        let reply = match &self.session {
            Some(session) => {
                let params = json!({ "name": name, "arguments": arguments });
                let request = json!({ "jsonrpc": "2.0", "id": NEXT.fetch_add(1, Ordering::Relaxed), "method": "tools/call", "params": params });
                let headers = [
                    ("mcp-session-id", &**session),
                    ("mcp-protocol-version", "2025-11-25"),
                ];
                self.wire.post(request.to_string(), &headers).await
            }
            None => self.wire.call(&name, arguments).await,
        };
        let mut answer = reply.unwrap().answer();
        assert!(answer["result"].is_object(), "{name}: {answer}");
        answer["result"].take()
    }

    /// The texts of a call that succeeds.
    async fn text(&self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments).await;
        assert_ne!(result["isError"], true, "{tool}: {result}");
        texts(&result)
    }
}

fn texts(result: &Value) -> String {
    let content = result["content"].as_array().unwrap();
    let texts = content.iter().filter_map(|item| item["text"].as_str());
    texts.collect::<Vec<_>>().join("\n")
}

/// Programs of the test come first.
fn path(folder: &Folder) -> String {
    format!("{}:{}", folder.path("bin"), std::env::var("PATH").unwrap())
}

async fn serve(folder: &Folder) -> Gateway {
    let (config, path) = (folder.path("gateway.yaml"), path(folder));
    let (data, temp) = (folder.path("data"), folder.path("tmp"));
    let env = [
        ("ALICE", ALICE),
        ("BOB", BOB),
        ("MCP_GATEWAY_DATA", &data),
        ("MCP_GATEWAY_TOKEN", ALICE),
        ("PATH", &path),
        ("TMPDIR", &temp),
    ];
    Gateway::serve_with(&config, &env).await
}

/// Waits until no process has a variable of the test, and no temporary file is left.
async fn nothing_is_left(folder: &Folder) {
    eventually(async || processes(&folder.path("bin")).is_empty()).await;
    let left: Vec<_> = fs::read_dir(folder.path("tmp"))
        .unwrap()
        .flatten()
        .collect();
    assert!(left.is_empty(), "{left:?}");
}

/// The numbers of the processes whose environment has `text`.
fn processes(text: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let has_text = |path: &Path| {
        let environment = fs::read(path.join("environ")).unwrap_or_default();
        String::from_utf8_lossy(&environment).contains(text)
    };
    let found = processes.filter(|entry| has_text(&entry.path()));
    found
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// All 200 writes are acknowledged and kept, of clients of both eras at once; nobody else sees them.
#[tokio::test(flavor = "multi_thread")]
async fn a7_memory_keeps_every_write_and_the_graphs_of_callers_apart() {
    let service = Service::start("memory").await;
    let mut writes = JoinSet::new();
    for era in ERAS {
        let client = service.client(ALICE, era).await;
        for number in 0..100 {
            let client = client.clone();
            writes.spawn(async move {
                let name = format!("{era:?}-{number}-");
                let entity = json!({ "name": name, "entityType": "note", "observations": ["x"] });
                client
                    .text("create_entities", json!({ "entities": [entity] }))
                    .await
            });
        }
    }
    let bob = service.client(BOB, Era::Modern).await;
    let entity = json!({ "name": "of bob", "entityType": "note", "observations": [] });
    bob.text("create_entities", json!({ "entities": [entity] }))
        .await;
    assert_eq!(writes.join_all().await.len(), 200);

    for era in ERAS {
        let (alice, bob) = service.clients(era).await;
        let graph = alice.text("read_graph", json!({})).await;
        for kind in ERAS {
            let kept = (0..100).filter(|number| graph.contains(&format!("{kind:?}-{number}-")));
            assert_eq!(kept.count(), 100, "{kind:?}");
        }
        assert!(!graph.contains("of bob"), "{era:?}");
        let graph = bob.text("read_graph", json!({})).await;
        assert!(
            graph.contains("of bob") && !graph.contains("-1-"),
            "{era:?}: {graph}"
        );
    }
    service.stop().await;
}

/// Runs `mcp-gateway state` for the gateway of the folder; returns its success and its output.
async fn state(folder: &Folder, args: &[&str]) -> (bool, String) {
    let mut command = Command::new(PROGRAM);
    command.arg("state").args(args);
    command.args(["--config", &folder.path("gateway.yaml")]);
    command.env("MCP_GATEWAY_DATA", folder.path("data"));
    let output = command.output().await.unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.success(), said.concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn graphs_outlast_the_gateway_until_a_command_removes_them() {
    let service = Service::start("memory").await;
    let (alice, bob) = service.clients(Era::Modern).await;
    for client in [&alice, &bob] {
        let entity = json!({ "name": "kept", "entityType": "note", "observations": [] });
        client
            .text("create_entities", json!({ "entities": [entity] }))
            .await;
    }
    let folder = service.stop().await;
    let again = serve(&folder).await;
    let wire = again.wire_with(Some(BOB));
    let graph = wire.call("memory__read_graph", json!({})).await.unwrap();
    assert!(graph.body.contains("kept"), "{}", graph.body);

    let (_, listed) = state(&folder, &["list"]).await;
    assert!(
        listed.contains("alice") && listed.contains("bob"),
        "{listed}"
    );
    let remove = ["remove", "memory", "--owner", "bob"];
    let (is_removed, said) = state(&folder, &remove).await;
    assert!(!is_removed && said.contains("in use"), "{said}");
    let user = format!("by the process {}", again.id());
    assert!(
        said.contains(&user) && said.contains("Stop the gateway"),
        "{said}"
    );
    drop(again);
    eventually(async || processes(&folder.path("bin")).is_empty()).await;
    let (is_removed, said) = state(&folder, &remove).await;
    assert!(is_removed, "{said}");
    let (_, listed) = state(&folder, &["list"]).await;
    assert!(
        listed.contains("alice") && !listed.contains("bob"),
        "{listed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_a9_terminals_of_callers_are_apart_and_end_with_the_gateway() {
    let mut service = Service::start("tmux").await;
    for era in ERAS {
        let (alice, bob) = service.clients(era).await;
        let (mine, other) = (format!("of-alice-{era:?}"), format!("of-bob-{era:?}"));
        tokio::join!(
            alice.text("create_session", json!({ "name": mine })),
            bob.text("create_session", json!({ "name": other })),
        );
        let listed = alice.text("list_sessions", json!({})).await;
        assert!(
            listed.contains(&mine) && !listed.contains("bob"),
            "{listed}"
        );
        let listed = bob.text("list_sessions", json!({})).await;
        assert!(
            listed.contains(&other) && !listed.contains("alice"),
            "{listed}"
        );
    }
    // Killed, it cannot end the daemons. The next one does, although nobody calls it.
    service.gateway.signal(Signal::KILL);
    service.gateway.finish().await;
    assert!(
        !processes(&service.folder.path("bin")).is_empty(),
        "the daemons outlive it"
    );
    let mut again = serve(&service.folder).await;
    let temp = service.folder.path("tmp");
    eventually(async || fs::read_dir(&temp).unwrap().next().is_none()).await;
    let own = again.id().to_string();
    eventually(async || processes(&service.folder.path("bin")) == [&*own]).await;

    let wire = again.wire_with(Some(ALICE));
    wire.call("tmux__create_session", json!({ "name": "again" }))
        .await
        .unwrap();
    again.signal(Signal::TERM);
    again.finish().await;
    nothing_is_left(&service.folder).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_files_of_callers_are_apart() {
    let service = Service::start("filesystem").await;
    for era in ERAS {
        let (alice, bob) = service.clients(era).await;
        let allowed = alice.text("list_allowed_directories", json!({})).await;
        let folder = allowed.lines().last().unwrap().to_owned();
        assert!(
            folder.starts_with(&service.folder.path("data")),
            "{allowed}"
        );
        let file = format!("{folder}/{era:?}.txt");
        let content = json!({ "path": file, "content": "of alice" });
        alice.text("write_file", content).await;
        assert_eq!(
            alice.text("read_text_file", json!({ "path": file })).await,
            "of alice"
        );
        let denied = bob.call("read_text_file", json!({ "path": file })).await;
        assert_eq!(denied["isError"], true, "{denied}");
        let theirs = bob.text("list_allowed_directories", json!({})).await;
        assert!(!theirs.contains(&folder), "{theirs}");
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a7_thoughts_of_callers_are_apart() {
    let service = Service::start("sequential-thinking").await;
    for era in ERAS {
        let (alice, bob) = service.clients(era).await;
        for client in [&alice, &bob] {
            let thought = json!({
                "thought": "x", "thoughtNumber": 1, "totalThoughts": 1, "nextThoughtNeeded": false,
            });
            let answer = client.text("sequentialthinking", thought).await;
            assert!(
                answer.contains("\"thoughtHistoryLength\": 1"),
                "{era:?}: {answer}"
            );
        }
    }
    service.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_without_state_answer_both_callers() {
    let table = [
        (
            "time",
            "get_current_time",
            json!({ "timezone": "UTC" }),
            "UTC",
        ),
        ("everything", "echo", json!({ "message": "hello" }), "hello"),
        // A private address, which the package rejects.
        (
            "fetch",
            "fetch",
            json!({ "url": "http://127.0.0.1:9/" }),
            "127.0.0.1",
        ),
    ];
    for (entry, tool, arguments, expected) in table {
        let service = Service::start(entry).await;
        for era in ERAS {
            let (alice, bob) = service.clients(era).await;
            let calls = tokio::join!(
                alice.call(tool, arguments.clone()),
                bob.call(tool, arguments.clone()),
            );
            for result in [calls.0, calls.1] {
                assert!(
                    texts(&result).contains(expected),
                    "{entry} {era:?}: {result}"
                );
            }
        }
        service.stop().await;
    }
}

/// Callers can read the environment of a process, which therefore has no secrets.
#[tokio::test(flavor = "multi_thread")]
async fn callers_see_no_secrets_in_an_environment() {
    let service = Service::start("everything").await;
    let alice = service.client(ALICE, Era::Modern).await;
    let environment = alice.text("get-env", json!({})).await;
    assert!(environment.contains("PATH"), "{environment}");
    assert!(
        !environment.contains(ALICE) && !environment.contains(BOB),
        "{environment}"
    );
    service.stop().await;
}

#[tokio::test]
async fn mistakes_in_adding_are_explained() {
    let folder = Folder::new();
    let config = folder.write(
        "gateway.yaml",
        "servers:\n- { name: demo, builtin: demo }\n",
    );
    fs::create_dir_all(folder.path("bin")).unwrap();
    let add = async |args: &[&str]| {
        let mut command = Command::new(PROGRAM);
        command.arg("add").args(args).args(["--config", &config]);
        let output = command
            .env("PATH", folder.path("bin"))
            .output()
            .await
            .unwrap();
        let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.success(), said.concat())
    };
    let table: [(&[&str], &str); 5] = [
        (&["memoryx"], "did you mean \"memory\"?"),
        (&["memory"], "npx, which is not in PATH: install Node.js"),
        (
            &["memory", "--force", "--name", "demo"],
            "already has a server \"demo\"",
        ),
        (
            &["filesystem", "--force", "--set", "folder=/nonexistent"],
            "no folder",
        ),
        (
            &["memory", "--force", "--set", "folder=/"],
            "does not ask for \"folder\"",
        ),
    ];
    for (args, expected) in table {
        let (done, said) = add(args).await;
        assert!(!done && said.contains(expected), "{args:?}: {said}");
    }
    let before = fs::read_to_string(&config).unwrap();
    assert!(!before.contains("memory"), "{before}");

    let shared = format!("folder={}", folder.path("bin"));
    for args in [
        ["memory", "--force"].as_slice(),
        &["filesystem", "--force", "--set", &shared],
    ] {
        let (done, said) = add(args).await;
        assert!(
            done && said.contains("mcp-gateway serve --config"),
            "{args:?}: {said}"
        );
    }
    let after = fs::read_to_string(&config).unwrap();
    assert!(after.starts_with(&before), "{after}");
    assert!(after.contains(&folder.path("bin")), "{after}");
}

#[tokio::test]
async fn entries_are_listed() {
    let output = Command::new(PROGRAM)
        .args(["add", "--list"])
        .output()
        .await
        .unwrap();
    let listed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(listed.lines().count(), 9, "{listed}");
}
