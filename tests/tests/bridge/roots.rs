//! Roots of callers, and programs that would take them for a permission.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::{HeaderValue, header};
use mcp_gateway_core::runtime;
use mcp_gateway_core::upstream::{
    RootsPolicy, SessionPolicy, UpstreamServer, UpstreamServerBuilder,
};
use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::fixture::Era;
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::client::Legacy;

const ERAS: [Era; 2] = [Era::Legacy, Era::Modern];

const SHARING: [SessionPolicy; 3] = [
    SessionPolicy::Shared,
    SessionPolicy::PerPrincipal,
    SessionPolicy::PerSession,
];

/// The script of npm `server-filesystem`, below the folder of npm packages.
const FILESYSTEM: &str = "@modelcontextprotocol/server-filesystem/dist/index.js";

/// Directories of the gateway's machine.
struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        for directory in ["configured", "projects/mine", "projects-other", "outside"] {
            fs::create_dir_all(disk.path(directory)).unwrap();
            let text = format!("the text of {directory}");
            fs::write(disk.path(directory).join("file.txt"), text).unwrap();
        }
        symlink(disk.path("outside"), disk.path("projects/link")).unwrap();
        disk
    }

    fn path(&self, directory: &str) -> PathBuf {
        self.0.path().canonicalize().unwrap().join(directory)
    }

    fn uri(&self, directory: &str) -> String {
        format!("file://{}", self.path(directory).display())
    }

    /// Roots of which only the first is inside `projects`.
    fn roots(&self) -> Value {
        let directories = [
            "projects/mine",
            "outside",
            "projects/link",
            "projects/../outside",
            "projects/mine/../../outside",
            "projects-other",
        ];
        let root = |directory: &&str| json!({ "uri": self.uri(directory), "name": directory });
        directories.iter().map(root).collect()
    }

    fn allowed(&self) -> RootsPolicy {
        RootsPolicy::inside([self.path("projects")])
    }

    /// `server-filesystem`, which is to serve `configured`.
    async fn filesystem(&self) -> UpstreamServerBuilder<runtime::Process> {
        let environment = Environment::installed().await.unwrap();
        let script = environment.node_modules.join(FILESYSTEM);
        let process = runtime::Process::new("only", &environment.node)
            .with_args([script, self.path("configured")]);
        UpstreamServer::builder("only", process)
    }
}

/// The fixture as a program.
fn fixture(era: Era) -> UpstreamServerBuilder<runtime::Process> {
    let process = runtime::Process::new("only", env!("CARGO_BIN_EXE_fixture-server")).with_args([
        "--stdio",
        "--era",
        &era.to_string(),
    ]);
    UpstreamServer::builder("only", process)
}

async fn gateway(server: impl Into<Arc<UpstreamServer>>) -> TestGateway {
    let server = server.into();
    Backends::new().with("only", "", server).start().await
}

/// A client that declares roots, and tells them to everybody who asks.
struct Client {
    how: How,
    roots: Value,
    asked: Arc<AtomicUsize>,
    _listening: JoinSet<()>,
}

enum How {
    Legacy(Arc<Legacy>),
    Modern(Box<Wire>),
}

impl Client {
    async fn new(gateway: &TestGateway, era: Era, roots: Value) -> Self {
        let asked = Arc::new(AtomicUsize::new(0));
        let mut listening = JoinSet::new();
        let how = match era {
            Era::Legacy => {
                let declared = json!({ "roots": { "listChanged": true } });
                let client = Arc::new(Legacy::begin(&gateway.url, "alice", declared).await);
                let mut stream = client.listen(None).await;
                let (listener, roots, asked) =
                    (Arc::clone(&client), roots.clone(), Arc::clone(&asked));
                listening.spawn(async move {
                    while let Some(message) = stream.next().await {
                        answer(&listener, &message, &roots, &asked).await;
                    }
                });
                How::Legacy(client)
            }
            _ => {
                let token = HeaderValue::from_static("Bearer alice");
                How::Modern(Box::new(
                    Wire::new(&gateway.url).with_header(header::AUTHORIZATION, token),
                ))
            }
        };
        Self {
            how,
            roots,
            asked,
            _listening: listening,
        }
    }

    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// Says that the roots are others, where there is a message for that.
    async fn change(&self) {
        if let How::Legacy(client) = &self.how {
            let changed = "notifications/roots/list_changed";
            client.notify(changed, json!({})).await;
        }
    }

    /// Calls a tool, and answers what is asked meanwhile; returns the answer.
    async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.send(json!({ "name": tool, "arguments": arguments }))
            .await
    }

    async fn send(&self, mut params: Value) -> Value {
        let client = match &self.how {
            How::Legacy(client) => client,
            How::Modern(wire) => return self.send_modern(wire, params).await,
        };
        let id = json!(7);
        // Nobody has asked for it.
        params["_meta"] = declared();
        let mut stream = client.request(&id, "tools/call", &params).await;
        loop {
            let message = stream.next().await.unwrap();
            if message["id"] == id && message["method"].is_null() {
                return message;
            }
            answer(client, &message, &self.roots, &self.asked).await;
        }
    }

    async fn send_modern(&self, wire: &Wire, mut params: Value) -> Value {
        params["_meta"] = declared();
        loop {
            let answer = wire.request("tools/call", params.clone()).await.unwrap();
            let answer = answer.answer();
            let result = &answer["result"];
            let Some(requests) = result["inputRequests"].as_object() else {
                return answer;
            };
            let answers = requests.iter().map(|(key, request)| {
                assert_eq!(request["method"], "roots/list");
                self.asked.fetch_add(1, Ordering::SeqCst);
                (key.clone(), json!({ "roots": self.roots }))
            });
            params["inputResponses"] = answers.collect();
            params["requestState"] = result["requestState"].clone();
        }
    }

    /// Returns `true` if the file of `directory` can be read.
    async fn reads(&self, disk: &Disk, directory: &str) -> bool {
        let path = disk.path(directory).join("file.txt");
        let read = self.call("read_text_file", json!({ "path": path })).await;
        let told = read["result"].to_string().contains("the text of ");
        assert_eq!(read["result"]["isError"] == json!(true), !told, "{read}");
        told
    }

    async fn directories(&self) -> String {
        let listed = self.call("list_allowed_directories", json!({})).await;
        listed["result"]["content"][0]["text"]
            .as_str()
            .unwrap()
            .to_owned()
    }
}

async fn answer(client: &Legacy, message: &Value, roots: &Value, asked: &AtomicUsize) {
    if message["method"] == "roots/list" {
        asked.fetch_add(1, Ordering::SeqCst);
        let roots = json!({ "roots": roots });
        let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": roots });
        client.tell(&answer).await;
    }
}

/// Client metadata of a modern request.
fn declared() -> Value {
    json!({ "io.modelcontextprotocol/clientCapabilities": { "roots": { "listChanged": true } } })
}

fn text(answer: &Value) -> String {
    answer["result"]["content"].to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn roots_of_a_caller_do_not_replace_the_directories_of_a_program() {
    let disk = Disk::new();
    for sessions in SHARING {
        for era in ERAS {
            let server = disk.filesystem().await.with_session_policy(sessions);
            let gateway = gateway(server).await;
            let roots = json!([{ "uri": disk.uri("outside") }, { "uri": "file:///" }]);
            let client = Client::new(&gateway, era, roots).await;
            for _ in 0..3 {
                let allowed = client.directories().await;
                let expected = disk.path("configured");
                assert!(
                    allowed.ends_with(&format!("\n{}", expected.display())),
                    "{allowed}"
                );
                assert!(!client.reads(&disk, "outside").await, "{sessions:?} {era}");
                assert!(
                    client.reads(&disk, "configured").await,
                    "{sessions:?} {era}"
                );
                client.change().await;
            }
            assert_eq!(client.asked(), 0, "{sessions:?} {era}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_gets_the_roots_that_are_inside_of_what_its_definition_allows() {
    let disk = Disk::new();
    for sessions in SHARING {
        let server = disk.filesystem().await.with_session_policy(sessions);
        let gateway = gateway(server.with_roots(disk.allowed())).await;
        let client = Client::new(&gateway, Era::Legacy, disk.roots()).await;
        let mine = format!("\n{}", disk.path("projects/mine").display());
        let begun = Instant::now();
        // It asks for the roots once it has started, and serves its own directories meanwhile.
        while !client.directories().await.ends_with(&mine) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{sessions:?}");
            sleep(Duration::from_millis(20)).await;
        }
        let allowed = client.directories().await;
        assert_eq!(allowed.lines().count(), 2, "{allowed}");
        assert!(client.reads(&disk, "projects/mine").await);
        for outside in ["outside", "projects/link", "projects-other", "configured"] {
            assert!(!client.reads(&disk, outside).await, "{outside}");
        }
        assert!(client.asked() > 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_modern_client_widens_nothing_by_roots_that_are_allowed() {
    let disk = Disk::new();
    for sessions in SHARING {
        let server = disk.filesystem().await.with_session_policy(sessions);
        let gateway = gateway(server.with_roots(disk.allowed())).await;
        let client = Client::new(&gateway, Era::Modern, disk.roots()).await;
        for _ in 0..3 {
            let allowed = client.directories().await;
            assert_eq!(allowed.lines().count(), 2, "{allowed}");
            for outside in ["outside", "projects/link", "projects-other"] {
                assert!(!client.reads(&disk, outside).await, "{outside}");
            }
        }
    }
}

/// The tool of the fixture that asks for roots, for a server of `era`.
fn asking(era: Era) -> &'static str {
    match era {
        Era::Legacy => "test_list_roots",
        _ => "test_input_required_result_list_roots",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_of_both_eras_cannot_ask_for_roots() {
    let disk = Disk::new();
    for server in ERAS {
        for sessions in SHARING {
            let gateway = gateway(fixture(server).with_session_policy(sessions)).await;
            for era in ERAS {
                let client = Client::new(&gateway, era, disk.roots()).await;
                let answer = client.call(asking(server), json!({})).await;
                let case = format!("{era} client, {server} server, {sessions:?}: {answer}");
                assert!(!answer.to_string().contains("file://"), "{case}");
                assert_eq!(client.asked(), 0, "{case}");

                // An answer to what was not asked.
                let slipped = json!({
                    "name": asking(server),
                    "arguments": {},
                    "inputResponses": { "client_roots": { "roots": disk.roots() } },
                });
                let answer = client.send(slipped).await;
                assert!(!answer.to_string().contains("file://"), "{case}: {answer}");
                assert_eq!(client.asked(), 0, "{case}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn programs_of_both_eras_get_only_roots_that_are_allowed() {
    let disk = Disk::new();
    for server in ERAS {
        for sessions in SHARING {
            let builder = fixture(server).with_session_policy(sessions);
            let gateway = gateway(builder.with_roots(disk.allowed())).await;
            for era in ERAS {
                let client = Client::new(&gateway, era, disk.roots()).await;
                let answer = client.call(asking(server), json!({})).await;
                let case = format!("{era} client, {server} server, {sessions:?}: {answer}");
                let told = text(&answer);
                assert!(client.asked() > 0, "{case}");
                assert!(told.contains(&disk.uri("projects/mine")), "{case}");
                assert_eq!(told.matches("file://").count(), 1, "{case}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_elsewhere_gets_all_roots_unless_its_definition_says_off() {
    let disk = Disk::new();
    for server in ERAS {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fixture-server"));
        command.args(["--http", "127.0.0.1:0", "--era", &server.to_string()]);
        let mut process = Process::start(command).unwrap();
        let url = process.url(Duration::from_secs(30)).await.unwrap();
        for (policy, expected) in [(None, 6), (Some(RootsPolicy::Off), 0)] {
            let builder = remote("only", &url);
            let builder = match policy {
                Some(policy) => builder.with_roots(policy),
                None => builder,
            };
            let gateway = gateway(builder).await;
            for era in ERAS {
                let client = Client::new(&gateway, era, disk.roots()).await;
                let answer = client.call(asking(server), json!({})).await;
                let told = text(&answer).matches("file://").count();
                let case = format!("{era} client, {server} server: {answer}");
                assert_eq!(told, expected, "{case}");
                assert_eq!(client.asked() > 0, expected > 0, "{case}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_cannot_have_unchecked_roots() {
    let gateway = gateway(fixture(Era::Legacy).with_roots(RootsPolicy::Unchecked)).await;
    let client = Client::new(&gateway, Era::Legacy, json!([])).await;
    let answer = client.call("test_list_roots", json!({})).await;
    assert_eq!(
        answer["error"]["data"]["reason"], "upstream_connect",
        "{answer}"
    );
}
