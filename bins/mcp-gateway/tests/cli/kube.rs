//! Servers on a real Kubernetes, through the program.

use std::path::Path;
use std::time::{Duration, Instant};

use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::kube::{KubeNamespace, KubeNode};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::harness::{Folder, Gateway, PROGRAM, within};

pub(crate) const OWNER: &str = "the-token-of-the-owner-is-this";
pub(crate) const OTHER: &str = "the-token-of-somebody-else-is-this";
const BRIDGE_IMAGE: &str = "localhost/mcp-bridge:test";
const EVERYTHING_IMAGE: &str = "localhost/everything:test";
const PACKAGE: &str = "@modelcontextprotocol/server-everything";
const SCRIPT: &str = "/app/node_modules/@modelcontextprotocol/server-everything/dist/index.js";

/// Timeout of steps that take a few seconds on an idle machine.
pub(crate) const SLOWLY: Duration = Duration::from_secs(120);

/// A namespace of the node, and a configuration for it.
pub(crate) struct Place {
    pub(crate) node: KubeNode,
    pub(crate) namespace: KubeNamespace,
    folder: Folder,
}

impl Place {
    pub(crate) async fn new(node: KubeNode) -> Self {
        let bridge = Path::new(PROGRAM).with_file_name("mcp-bridge");
        assert!(
            bridge.exists(),
            "run cargo build --package mcp-gateway-bridge"
        );
        node.add_image(BRIDGE_IMAGE, &[("/mcp-bridge", &*bridge)])
            .await
            .unwrap();
        let namespace = node.namespace("gateway").await.unwrap();
        Self {
            node,
            namespace,
            folder: Folder::new(),
        }
    }

    /// Adds the image of npm `server-everything` to the node.
    pub(crate) async fn with_everything(self) -> Self {
        let environment = Environment::installed().await.unwrap();
        let package = (PACKAGE, "dist/index.js");
        let image = self
            .node
            .add_npm_image(EVERYTHING_IMAGE, &environment, package);
        assert_eq!(image.await.unwrap(), SCRIPT);
        self
    }

    /// Writes a configuration of `servers`, with more keys of the cluster; returns its path.
    pub(crate) fn write(&self, cluster: &str, servers: &[(String, String)]) -> String {
        let kubeconfig = self.node.kubeconfig();
        let servers = servers.iter().map(|(name, keys)| match keys.as_str() {
            keys if keys.starts_with("process:") => format!("  - {{ name: {name}, {keys} }}\n"),
            keys => {
                format!("  - {{ name: {name}, kubernetes: {{ pullPolicy: Never, {keys} }} }}\n")
            }
        });
        let text = format!(
            "auth:
  tokens:
    - {{ name: olga, token: {{ env: MCP_GATEWAY_TOKEN }}, admin: true }}
    - {{ name: bob, token: {{ env: TOKEN_OF_OTHER }} }}
kubernetes:
  namespace: {}
  kubeconfig: {}
  bridgeImage: {BRIDGE_IMAGE}
  {cluster}
servers:{}",
            self.namespace.name(),
            kubeconfig.display(),
            match servers.len() {
                0 => " []".to_owned(),
                _ => format!("\n{}", servers.collect::<String>()),
            },
        );
        self.folder.write("gateway.yaml", &text)
    }

    /// The identifiers of all pods.
    pub(crate) async fn pods(&self) -> Vec<String> {
        let output = "jsonpath={range .items[*]}{.metadata.uid} {.status.containerStatuses[0].restartCount}{\"\\n\"}{end}";
        let get = ["get", "pods", "--output", output];
        let pods = self.namespace.run(&self.node, &get).await.unwrap();
        let mut pods: Vec<_> = pods.lines().map(str::to_owned).collect();
        pods.sort_unstable();
        pods
    }

    /// Runs `kubectl` in the namespace.
    pub(crate) async fn run(&self, args: &[&str]) -> String {
        self.namespace.run(&self.node, args).await.unwrap()
    }

    /// The names of all objects with the label of the gateway, but for what Kubernetes makes of them.
    pub(crate) async fn objects(&self) -> Vec<String> {
        let kinds = "deployments,networkpolicies,secrets,leases,pods,replicasets";
        let label = "app.kubernetes.io/managed-by=mcp-gateway";
        let get = ["get", kinds, "--selector", label, "--output", "name"];
        let objects = self.run(&get).await;
        objects.lines().map(str::to_owned).collect()
    }

    /// Waits until there is no object with the label of the gateway.
    pub(crate) async fn is_empty(&self) {
        let mut left = Vec::new();
        let emptying = async {
            loop {
                left = self.objects().await;
                if left.is_empty() {
                    break;
                }
                sleep(Duration::from_millis(200)).await;
            }
        };
        assert!(timeout(SLOWLY, emptying).await.is_ok(), "left: {left:?}");
    }
}

/// Cluster whose pods this machine reaches, and a gateway without other replicas.
pub(crate) const NEAR: &str = "reach: network\n  leaderElection: false";

pub(crate) fn bridged() -> String {
    format!("image: {EVERYTHING_IMAGE}, command: [/usr/bin/node, {SCRIPT}, stdio]")
}

pub(crate) fn attached() -> String {
    format!("{}, transport: attach", bridged())
}

/// The same server as a child process of the gateway.
async fn local() -> String {
    let environment = Environment::installed().await.unwrap();
    let script = environment.node_modules.join(PACKAGE).join("dist/index.js");
    format!(
        "process: {{ command: {}, args: [{}, stdio] }}",
        environment.node.display(),
        script.display()
    )
}

fn web() -> String {
    format!(
        "image: {EVERYTHING_IMAGE}, command: [/usr/bin/node, {SCRIPT}, streamableHttp], \
         env: {{ PORT: {{ value: \"3001\" }} }}, http: {{ port: 3001 }}"
    )
}

pub(crate) async fn serve(config: &str) -> Gateway {
    let tokens = [("MCP_GATEWAY_TOKEN", OWNER), ("TOKEN_OF_OTHER", OTHER)];
    Gateway::serve_with(config, &tokens).await
}

/// State of the deployment of a server, as the API has it.
pub(crate) async fn deployment(gateway: &Gateway, name: &str) -> Value {
    let (status, text) = gateway.get(&format!("/api/v1/servers/{name}")).await;
    assert_eq!(status, 200, "{text}");
    let mut server: Value = serde_json::from_str(&text).unwrap();
    server["deployment"].take()
}

/// Waits until the deployment of a server has a state; returns the time that it took.
pub(crate) async fn reaches(gateway: &Gateway, name: &str, state: &str) -> Duration {
    let began = Instant::now();
    let mut last = Value::Null;
    let waiting = async {
        while last["state"] != state {
            last = deployment(gateway, name).await;
            sleep(Duration::from_millis(50)).await;
        }
    };
    let waited = timeout(SLOWLY, waiting).await;
    assert!(waited.is_ok(), "{name}: {last}\n{}", gateway.stderr());
    began.elapsed()
}

pub(crate) async fn echo(gateway: &Gateway, server: &str) {
    let arguments = json!({ "message": "hello" });
    let answer = gateway.call(&format!("{server}__echo"), arguments).await;
    let text = &answer["result"]["content"][0]["text"];
    assert_eq!(text, "Echo: hello", "{answer}\n{}", gateway.stderr());
}

/// Calls a tool one after the other; returns the median of the durations.
pub(crate) async fn median(gateway: &Gateway, server: &str, calls: usize) -> Duration {
    let mut times = Vec::new();
    for _ in 0..calls {
        let began = Instant::now();
        echo(gateway, server).await;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    times[calls / 2]
}

#[tokio::test]
async fn kube_servers_answer_through_the_gateway() {
    let place = Place::new(KubeNode::shared().await.unwrap()).await;
    let place = place.with_everything().await;
    let servers = [
        ("bridged", bridged()),
        ("web", web()),
        ("attached", attached()),
        ("local", local().await),
    ];
    let servers = servers.map(|(name, keys)| (name.to_owned(), keys));
    for reach in ["network", "forward"] {
        let cluster = format!("reach: {reach}\n  leaderElection: false");
        let gateway = serve(&place.write(&cluster, &servers)).await;
        for server in ["bridged", "web", "attached", "local"] {
            let began = Instant::now();
            echo(&gateway, server).await;
            println!("{reach} {server}: first call {:?}", began.elapsed());
        }
        for round in 0..2 {
            for server in ["local", "bridged", "web", "attached"] {
                let median = median(&gateway, server, 200).await;
                println!("{reach} {server}: median {median:?} in round {round}");
            }
        }
        // Clients of both eras see the same.
        let modern = gateway.tools().await;
        let session = gateway.initialize().await;
        assert_eq!(gateway.tools_in(&session).await, modern);
        let of = |server: &str| {
            let own = modern.iter().filter_map(|name| name.strip_prefix(server));
            own.map(str::to_owned).collect::<Vec<_>>()
        };
        for server in ["web__", "attached__", "local__"] {
            assert_eq!(of(server), of("bridged__"), "{server}");
        }
    }
}

#[tokio::test]
async fn kube_a_call_wakes_a_server_once() {
    let place = Place::new(KubeNode::shared().await.unwrap()).await;
    let place = place.with_everything().await;
    let servers = [("a".to_owned(), format!("{}, sleep: 5s", bridged()))];
    let gateway = std::sync::Arc::new(serve(&place.write(NEAR, &servers)).await);
    let mut times = Vec::new();
    for round in 0..5 {
        reaches(&gateway, "a", "asleep").await;
        let began = Instant::now();
        // 50 callers at once in the last round.
        let mut calls = JoinSet::new();
        for _ in 0..if round == 4 { 50 } else { 1 } {
            let gateway = std::sync::Arc::clone(&gateway);
            calls.spawn(async move { echo(&gateway, "a").await });
        }
        calls.join_all().await;
        times.push(began.elapsed());
        assert_eq!(deployment(&gateway, "a").await["desired"], 1);
    }
    println!("asleep to answered: {times:?}");
}

/// The gateway listens to a server of the era of sessions as long as it has one, and that is no use.
#[tokio::test]
async fn kube_a_server_with_an_open_session_sleeps() {
    let place = Place::new(KubeNode::shared().await.unwrap()).await;
    let place = place.with_everything().await;
    let servers = [("bridged", bridged()), ("web", web())].map(|(name, keys)| {
        let keys = format!("{keys}, protocol: legacy, sleep: 5s");
        (name.to_owned(), keys)
    });
    let gateway = serve(&place.write(NEAR, &servers)).await;
    for _ in 0..2 {
        for (name, _) in &servers {
            echo(&gateway, name).await;
        }
        for (name, _) in &servers {
            reaches(&gateway, name, "asleep").await;
        }
    }
}

#[tokio::test]
async fn kube_a_restarted_gateway_replaces_no_pods() {
    const SERVERS: usize = 20;
    let place = Place::new(KubeNode::shared().await.unwrap()).await;
    let place = place.with_everything().await;
    let servers: Vec<_> = (0..SERVERS)
        .map(|number| (format!("s{number}"), bridged()))
        .collect();
    let config = place.write(NEAR, &servers);
    let mut gateway = serve(&config).await;
    let began = Instant::now();
    for (name, _) in &servers {
        reaches(&gateway, name, "running").await;
    }
    println!("{SERVERS} servers run after {:?}", began.elapsed());
    echo(&gateway, "s7").await;
    let before = place.pods().await;
    gateway.signal(rustix::process::Signal::TERM);
    gateway.finish().await;

    let began = Instant::now();
    let gateway = serve(&config).await;
    let served = began.elapsed();
    echo(&gateway, "s7").await;
    println!(
        "restart: ready after {served:?}, first call answered after {:?}",
        began.elapsed()
    );
    for (name, _) in &servers {
        reaches(&gateway, name, "running").await;
        echo(&gateway, name).await;
    }
    assert_eq!(place.pods().await, before);
}

#[tokio::test]
async fn kube_calls_go_on_while_the_control_plane_is_down() {
    let place = Place::new(KubeNode::exclusive().await.unwrap()).await;
    let place = place.with_everything().await;
    let servers = [("bridged".to_owned(), bridged())];
    let gateway = serve(&place.write(NEAR, &servers)).await;
    echo(&gateway, "bridged").await;
    let before = place.pods().await;
    for component in ["kubelet", "containerd", "kube-apiserver", "etcd"] {
        place.node.control(&["kill", component]).await.unwrap();
        let median = median(&gateway, "bridged", 50).await;
        println!("{component} is down: median {median:?}");
    }
    place.node.control(&["heal"]).await.unwrap();
    reaches(&gateway, "bridged", "running").await;
    echo(&gateway, "bridged").await;
    // What the gateway is told from now on takes effect: it watches again.
    let delete = ["delete", "networkpolicy", "--all"];
    place.namespace.run(&place.node, &delete).await.unwrap();
    let began = Instant::now();
    let get = ["get", "networkpolicy", "--output", "name"];
    within(SLOWLY, async || !place.run(&get).await.is_empty()).await;
    println!("policy is there again after {:?}", began.elapsed());
    assert_eq!(place.pods().await, before);
}

/// Object of the kind `MCPServer` with the keys of `kubernetes`.
fn object(name: &str, keys: &str) -> String {
    format!(
        "apiVersion: mcp-gateway.dev/v1alpha1
kind: MCPServer
metadata: {{ name: {name} }}
spec: {{ kubernetes: {{ pullPolicy: Never, {keys} }} }}
"
    )
}

#[tokio::test]
async fn kube_objects_are_servers() {
    let place = Place::new(KubeNode::shared().await.unwrap()).await;
    let place = place.with_everything().await;
    let definition = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../charts/mcp-gateway/crds/mcpserver.yaml"
    );
    let apply = ["apply", "--filename", definition];
    place.node.run(&apply).await.unwrap();
    let established = [
        "wait",
        "--for=condition=Established",
        "crd/mcpservers.mcp-gateway.dev",
    ];
    place.node.run(&established).await.unwrap();
    let (node, namespace) = (&place.node, &place.namespace);
    let good = object("good", &bridged());
    namespace.apply(node, &good).await.unwrap();
    let config = place.write(&format!("{NEAR}\n  source: {{ objects: true }}"), &[]);
    let mut gateway = serve(&config).await;
    echo(&gateway, "good").await;
    let (_, listed) = gateway.get("/api/v1/servers/good").await;
    assert!(listed.contains(r#""source":"object""#), "{listed}");

    // The schema refuses what is wrong, and the gateway the rest.
    let refused = namespace
        .apply(node, &object("none", "transport: pipe"))
        .await;
    assert!(refused.unwrap_err().to_string().contains("image"));
    let began = Instant::now();
    let bad = object("bad", &format!("{}, sleep: soon", bridged()));
    namespace.apply(node, &bad).await.unwrap();
    let accepted = "jsonpath={.status.conditions[?(@.type==\"Accepted\")].message}";
    let message = async |name: &str| {
        let get = ["get", "mcpserver", name, "--output", accepted];
        namespace.run(node, &get).await.unwrap()
    };
    within(SLOWLY, async || {
        message("bad").await.contains("spec.kubernetes.sleep")
    })
    .await;
    println!("invalid object: told after {:?}", began.elapsed());
    let state = [
        "get",
        "mcpserver",
        "good",
        "--output",
        "jsonpath={.status.state}",
    ];
    within(SLOWLY, async || place.run(&state).await == "running").await;

    // A restart replaces no pods; the end of an object ends them.
    let before = place.pods().await;
    gateway.signal(rustix::process::Signal::TERM);
    gateway.finish().await;
    let gateway = serve(&config).await;
    echo(&gateway, "good").await;
    assert_eq!(place.pods().await, before);
    let began = Instant::now();
    let delete = ["delete", "mcpserver", "good"];
    namespace.run(node, &delete).await.unwrap();
    within(SLOWLY, async || place.pods().await.is_empty()).await;
    println!("deleted object: no pods after {:?}", began.elapsed());
}
