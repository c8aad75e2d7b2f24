//! Servers that run as pods, behind the program with its own configuration.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use http::{HeaderValue, header};
use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::kube::{KubeNamespace, KubeNode};
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use super::cells::{differing, play_directly};
use super::client::{Client, Era};
use super::known::Known;
use super::server::Server;

const TOKEN: &str = "the-token-of-alice-is-this";
const BRIDGE_IMAGE: &str = "localhost/mcp-bridge:test";
const IMAGE: &str = "localhost/everything:test";
const PACKAGE: (&str, &str) = ("@modelcontextprotocol/server-everything", "dist/index.js");

/// Timeout of steps that take a few seconds on an idle machine.
const SLOWLY: Duration = Duration::from_secs(120);

/// All tools that the server has for clients that can be asked everything but their directories.
const TOOLS: usize = 16;

/// Difference of servers that several callers share: tasks are not listed, because such a server
/// cannot tell whose they are.
const SHARED: (char, &str) = ('-', "/capabilities/tasks/list");

/// A server as a pod: the name of the gateway with it alone, and its definition.
const WAYS: [(&str, &str); 3] = [
    ("bridge", "command: [/usr/bin/node, SCRIPT, stdio]"),
    (
        "attach",
        "command: [/usr/bin/node, SCRIPT, stdio], transport: attach",
    ),
    (
        "http",
        "command: [/usr/bin/node, SCRIPT, streamableHttp], http: { port: 3001 }, env: { PORT: { value: \"3001\" } }",
    ),
];

/// The program in front of npm `server-everything` in three pods.
struct Pods {
    /// URL without a path.
    url: String,
    /// It ends before what follows.
    _gateway: Process,
    _namespace: KubeNamespace,
    _node: KubeNode,
    _folder: TempDir,
}

impl Pods {
    async fn start(environment: &Environment) -> Self {
        let node = KubeNode::shared().await.unwrap();
        let bridge = program("mcp-bridge");
        let bridge = [("/mcp-bridge", &*bridge)];
        node.add_image(BRIDGE_IMAGE, &bridge).await.unwrap();
        let script = node.add_npm_image(IMAGE, environment, PACKAGE);
        let script = script.await.unwrap();
        let namespace = node.namespace("differential").await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("gateway.yaml");
        let text = configuration(namespace.name(), &node.kubeconfig(), &script);
        std::fs::write(&config, text).unwrap();
        let mut command = Command::new(program("mcp-gateway"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--config"]);
        command.arg(&config).env("TOKEN_OF_ALICE", TOKEN);
        command.env("MCP_GATEWAY_DATA", folder.path().join("state"));
        let mut gateway = Process::start(command).unwrap();
        let url = gateway.url(SLOWLY).await.unwrap();
        let pods = Self {
            url: url.trim_end_matches("/mcp").to_owned(),
            _gateway: gateway,
            _namespace: namespace,
            _node: node,
            _folder: folder,
        };
        join_all(WAYS.map(|(way, _)| pods.answers(way))).await;
        pods
    }

    fn endpoint(&self, way: &str) -> String {
        format!("{}/v1/mcp/{way}", self.url)
    }

    /// Waits until a server answers, which is more than clients are patient for.
    async fn answers(&self, way: &str) {
        let token = HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap();
        let wire = Wire::new(self.endpoint(way)).with_header(header::AUTHORIZATION, token);
        let mut last = Value::Null;
        let answering = async {
            while last["result"]["content"].is_null() {
                last = match wire.call("echo", json!({ "message": "hello" })).await {
                    Ok(reply) => reply.answer(),
                    Err(error) => error.to_string().into(),
                };
                sleep(Duration::from_millis(200)).await;
            }
        };
        let answered = timeout(SLOWLY, answering).await;
        assert!(answered.is_ok(), "{way}: {last}");
    }
}

/// A program of the workspace, which is beside those of this package.
fn program(name: &str) -> std::path::PathBuf {
    let program = Path::new(env!("CARGO_BIN_EXE_rmcp-client")).with_file_name(name);
    assert!(program.exists(), "build {name} first");
    program
}

fn configuration(namespace: &str, kubeconfig: &Path, script: &str) -> String {
    let servers = WAYS.map(|(name, keys)| {
        let keys = keys.replace("SCRIPT", script);
        format!(
            "  - {{ name: {name}, prefix: \"\", kubernetes: {{ image: {IMAGE}, pullPolicy: Never, {keys} }} }}\n"
        )
    });
    let gateways = WAYS.map(|(name, _)| format!("  - {{ name: {name}, servers: [{name}] }}\n"));
    format!(
        "auth: {{ tokens: [{{ name: alice, token: {{ env: TOKEN_OF_ALICE }} }}] }}
kubernetes:
  namespace: {namespace}
  kubeconfig: {}
  bridgeImage: {BRIDGE_IMAGE}
  reach: network
  leaderElection: false
servers:
{}gateways:
{}",
        kubeconfig.display(),
        servers.concat(),
        gateways.concat(),
    )
}

/// The scripts, without the directories of clients: no pod has them.
fn scripts() -> Value {
    let mut scripts: Value = serde_json::from_str(Server::Everything.scripts()).unwrap();
    for script in scripts.as_object_mut().unwrap().values_mut() {
        let script = script.as_object_mut().unwrap();
        let declared = json!(["elicitation", "sampling"]);
        script.entry("declares").or_insert(declared);
    }
    scripts
}

fn is_known(eras: (Era, Era), script: &str, path: &str) -> bool {
    let is_shared = path.starts_with(SHARED.0) && path.ends_with(SHARED.1);
    let server = Server::Everything;
    is_shared || Known::of(eras, (server.name(), script), path).is_some()
}

/// The transcripts with the tools in the order of their names. The process of an attached server adds
/// tools when a client can be asked, in the order in which it has met its clients.
fn in_order(mut transcripts: Value) -> Value {
    let tools = transcripts.pointer_mut("/tool list/0/result/tools");
    if let Some(tools) = tools.and_then(Value::as_array_mut) {
        tools.sort_by_key(|tool| tool["name"].to_string());
    }
    transcripts
}

/// The differences that are not known, of one client and all pods.
async fn unknown(
    environment: &Environment,
    pods: &Pods,
    (client, era): (Client, Era),
) -> Vec<String> {
    let scripts = &scripts();
    let server = Server::Everything;
    let expected = play_directly(environment, (client, era), server, scripts).await;
    let expected = in_order(expected);
    let mut unknown = BTreeSet::new();
    // One after the other: clients are impatient.
    for (way, _) in WAYS {
        let url = pods.endpoint(way);
        let place = (&*url, TOKEN);
        let seen = in_order(client.play(environment, era, place, scripts).await);
        let title = format!("{} as {} client, {way}", client.name(), era.name());
        for (script, paths) in differing(&expected, &seen, &title) {
            let paths = paths
                .into_iter()
                .filter(|path| !is_known((era, server.era()), &script, path));
            unknown.extend(paths.map(|path| format!("{title}, {script}: {path}")));
        }
        let tools = seen["tool list"][0]["result"]["tools"].as_array();
        assert_eq!(tools.map(Vec::len), Some(TOOLS), "{title}");
    }
    unknown.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kube_clients_see_the_same_of_pods() {
    let environment = Environment::installed().await.unwrap();
    let pods = Pods::start(&environment).await;
    let mut all = Vec::new();
    for client in Client::ALL {
        // One era after the other: the process of a pod remembers what it has been told.
        for era in client.eras() {
            all.extend(unknown(&environment, &pods, (client, *era)).await);
        }
    }
    assert!(all.is_empty(), "{}", all.join("\n"));
}
