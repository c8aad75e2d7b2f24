//! Objects of a real Kubernetes as servers and gateways, through the program.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::kube::{KubeNamespace, KubeNode};
use serde_json::json;
use tokio::process::Command;
use tokio::time::{sleep, timeout};

use crate::harness::{Folder, Gateway, within};

const OWNER: &str = "the-token-of-the-owner-is-this";
const IMAGE: &str = "localhost/everything:objects";
const PACKAGE: &str = "@modelcontextprotocol/server-everything";
const SCRIPT: &str = "/app/node_modules/@modelcontextprotocol/server-everything/dist/index.js";
const CRDS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/mcp-gateway/crds");

/// Timeout of steps that take a few seconds on an idle machine.
const SLOWLY: Duration = Duration::from_secs(120);

/// The kind of the lifecycle operator, as far as it is read.
const OPERATED: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: { name: mcpservers.mcp.x-k8s.io }
spec:
  group: mcp.x-k8s.io
  scope: Namespaced
  names: { kind: MCPServer, listKind: MCPServerList, plural: mcpservers, singular: mcpserver }
  versions:
    - name: v1beta1
      served: true
      storage: true
      schema:
        openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true }
";

/// Servers and gateways of somebody who may create objects only.
fn objects() -> String {
    format!(
        "
apiVersion: mcp-gateway.dev/v1alpha1
kind: MCPServer
metadata: {{ name: good }}
spec:
  kubernetes:
    image: {IMAGE}
    pullPolicy: Never
    command: [/usr/bin/node, {SCRIPT}, streamableHttp]
    env: {{ PORT: {{ value: \"3001\" }} }}
    http: {{ port: 3001 }}
---
apiVersion: mcp-gateway.dev/v1alpha1
kind: MCPServer
metadata: {{ name: remote }}
spec: {{ remote: {{ url: 'https://10.255.0.1/mcp' }} }}
---
apiVersion: mcp-gateway.dev/v1alpha1
kind: MCPServer
metadata: {{ name: local }}
spec: {{ remote: {{ url: 'https://evil.example/mcp' }} }}
---
apiVersion: mcp-gateway.dev/v1alpha1
kind: MCPGateway
metadata: {{ name: team }}
spec: {{ servers: [good], title: Team }}
---
apiVersion: mcp-gateway.dev/v1alpha1
kind: MCPGateway
metadata: {{ name: greedy }}
spec: {{ servers: [good, local, unknown] }}
---
apiVersion: mcp-gateway.dev/v1alpha1
kind: MCPGateway
metadata: {{ name: default }}
spec: {{ servers: [good] }}
---
apiVersion: mcp-gateway.dev/v1alpha1
kind: MCPGateway
metadata: {{ name: typo }}
spec: {{ teems: [ops] }}
"
    )
}

/// A server as an operator runs it.
fn operated(namespace: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{ name: web, labels: {{ app: web }} }}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - name: web
      image: {IMAGE}
      imagePullPolicy: Never
      command: [/usr/bin/node, {SCRIPT}, streamableHttp]
      env: [{{ name: PORT, value: \"3001\" }}]
---
apiVersion: v1
kind: Service
metadata: {{ name: web }}
spec:
  selector: {{ app: web }}
  ports: [{{ port: 8080, targetPort: 3001 }}]
---
apiVersion: mcp.x-k8s.io/v1beta1
kind: MCPServer
metadata: {{ name: web }}
spec: {{}}
status: {{ address: {{ url: 'http://web.{namespace}.svc.cluster.local:8080/mcp' }} }}
---
apiVersion: mcp.x-k8s.io/v1beta1
kind: MCPServer
metadata: {{ name: foreign }}
spec: {{}}
status: {{ address: {{ url: 'http://kubernetes.default.svc.cluster.local/' }} }}
"
    )
}

/// A namespace of the node with the definitions of all kinds.
struct Place {
    node: KubeNode,
    namespace: KubeNamespace,
    folder: Folder,
}

impl Place {
    async fn new() -> Self {
        let node = KubeNode::shared().await.unwrap();
        let folder = Folder::new();
        let environment = Environment::installed().await.unwrap();
        let archive = PathBuf::from(folder.path("everything.tar"));
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/kube/npm-image.py");
        let mut write = Command::new(script);
        write.arg(&archive).arg(IMAGE);
        write.arg(&environment.node).arg(&environment.node_modules);
        write.args([PACKAGE, "dist/index.js"]);
        assert!(write.status().await.unwrap().success());
        node.control(&["import", archive.to_str().unwrap()])
            .await
            .unwrap();
        let operated = folder.write("operated.yaml", OPERATED);
        for definitions in [CRDS, &operated] {
            node.run(&["apply", "--filename", definitions])
                .await
                .unwrap();
        }
        for name in [
            "mcpservers.mcp-gateway.dev",
            "mcpgateways.mcp-gateway.dev",
            "mcpservers.mcp.x-k8s.io",
        ] {
            let kind = format!("crd/{name}");
            let wait = ["wait", "--for=condition=Established", &kind];
            node.run(&wait).await.unwrap();
        }
        Self {
            namespace: node.namespace("sources-objects").await.unwrap(),
            node,
            folder,
        }
    }

    async fn serve(&self) -> Gateway {
        let text = format!(
            "auth: {{ tokens: [{{ name: olga, token: {{ env: MCP_GATEWAY_TOKEN }}, admin: true }}] }}
kubernetes:
  namespace: {}
  kubeconfig: {}
  reach: network
  leaderElection: false
  source: {{ objects: true, gateways: true, lifecycleOperator: true }}
servers: [{{ name: local, builtin: demo }}]
",
            self.namespace.name(),
            self.node.kubeconfig().display(),
        );
        let config = self.folder.write("gateway.yaml", &text);
        Gateway::serve_with(&config, &[("MCP_GATEWAY_TOKEN", OWNER)]).await
    }

    async fn get(&self, kind: &str, name: &str, path: &str) -> String {
        let output = format!("jsonpath={path}");
        let get = ["get", kind, name, "--output", &output];
        self.namespace.run(&self.node, &get).await.unwrap()
    }

    /// Waits until a condition of an object has a reason.
    async fn reaches(&self, kind: &str, name: &str, condition: &str, reason: &str) {
        let path = format!("{{.status.conditions[?(@.type==\"{condition}\")].reason}}");
        let mut last = String::new();
        let waiting = async {
            while last != reason {
                last = self.get(kind, name, &path).await;
                sleep(Duration::from_millis(100)).await;
            }
        };
        let waited = timeout(SLOWLY, waiting).await;
        assert!(waited.is_ok(), "{kind} {name} {condition}: {last}");
    }
}

const SERVER: &str = "mcpservers.mcp-gateway.dev";
const GATEWAY: &str = "mcpgateways.mcp-gateway.dev";

async fn echo(gateway: &Gateway, path: &str, server: &str) {
    let arguments = json!({ "message": "hello" });
    let tool = format!("{server}__echo");
    let answer = gateway.wire_at(path).call(&tool, arguments).await.unwrap();
    let answer = answer.answer();
    let text = &answer["result"]["content"][0]["text"];
    assert_eq!(text, "Echo: hello", "{answer}\n{}", gateway.stderr());
}

#[tokio::test]
async fn kube_objects_are_gateways_and_operated_servers() {
    let place = Place::new().await;
    let (node, namespace) = (&place.node, &place.namespace);
    namespace.apply(node, &objects()).await.unwrap();
    let gateway = place.serve().await;
    let began = Instant::now();
    place.reaches(SERVER, "good", "Ready", "Running").await;
    println!("server ready after {:?}", began.elapsed());
    echo(&gateway, "/v1/mcp/team", "good").await;
    place.reaches(GATEWAY, "team", "Ready", "Served").await;
    let path = place.get(GATEWAY, "team", "{.status.path}").await;
    assert_eq!(path, "/v1/mcp/team");

    // Servers that do not run on the cluster have a status, too.
    place.reaches(SERVER, "remote", "Ready", "Running").await;
    place.reaches(SERVER, "local", "Accepted", "Conflict").await;
    // Each mistake costs its object alone, and tells its place.
    place
        .reaches(GATEWAY, "default", "Accepted", "Conflict")
        .await;
    place.reaches(GATEWAY, "typo", "Accepted", "Invalid").await;
    let message = "{.status.conditions[?(@.type==\"Accepted\")].message}";
    let message = place.get(GATEWAY, "typo", message).await;
    assert!(message.starts_with("spec: unknown key"), "{message}");
    place
        .reaches(GATEWAY, "greedy", "Ready", "ServersMissing")
        .await;
    let missing = place.get(GATEWAY, "greedy", "{.status.missing}").await;
    assert_eq!(missing, "[\"local\",\"unknown\"]");
    let listed = gateway.wire_at("/v1/mcp/greedy");
    let listed = listed.request("tools/list", json!({})).await.unwrap();
    assert!(!listed.answer().to_string().contains("local__"));
    // A private address is refused to objects.
    let answer = gateway.call("remote__any", json!({})).await;
    assert!(!answer["error"].is_null(), "{answer}");

    // The schema refuses some mistakes at once.
    let pinned = "
apiVersion: mcp-gateway.dev/v1alpha1
kind: MCPGateway
metadata: { name: pinned }
spec: { assignments: [{ server: good, connection: organization }] }
";
    let refused = namespace.apply(node, pinned).await.unwrap_err();
    assert!(refused.to_string().contains("connection"), "{refused}");
    let columns = namespace.run(node, &["get", GATEWAY]).await.unwrap();
    let line = columns
        .lines()
        .find(|line| line.starts_with("team"))
        .unwrap();
    let columns: Vec<_> = line.split_whitespace().take(5).collect();
    assert_eq!(columns, ["team", "True", "Served", "1", "/v1/mcp/team"]);

    follow_operated(&place, &gateway).await;
    change_gateway(&place, &gateway).await;
}

/// Checks that a server of another operator is reached by its Service, and is not changed.
async fn follow_operated(place: &Place, gateway: &Gateway) {
    let (node, namespace) = (&place.node, &place.namespace);
    namespace
        .apply(node, &operated(namespace.name()))
        .await
        .unwrap();
    let wait = ["wait", "--for=condition=Ready", "pod/web", "--timeout=120s"];
    namespace.run(node, &wait).await.unwrap();
    let status = async |name: &str| gateway.get(&format!("/api/v1/servers/{name}")).await.0;
    within(SLOWLY, async || status("web").await == 200).await;
    within(SLOWLY, async || {
        let arguments = json!({ "message": "hello" });
        !gateway.call("web__echo", arguments).await["result"].is_null()
    })
    .await;
    assert_eq!(status("foreign").await, 404);
    let delete = ["delete", "mcpservers.mcp.x-k8s.io", "web"];
    namespace.run(node, &delete).await.unwrap();
    within(SLOWLY, async || status("web").await != 200).await;
}

/// A changed gateway takes effect without a restart; a deleted one is gone.
async fn change_gateway(place: &Place, gateway: &Gateway) {
    let (node, namespace) = (&place.node, &place.namespace);
    let change = "{\"spec\":{\"servers\":[\"good\",\"remote\"]}}";
    let patch = ["patch", GATEWAY, "team", "--type=merge", "--patch", change];
    namespace.run(node, &patch).await.unwrap();
    within(SLOWLY, async || {
        place.get(GATEWAY, "team", "{.status.servers}").await == "2"
    })
    .await;
    namespace
        .run(node, &["delete", GATEWAY, "team"])
        .await
        .unwrap();
    within(SLOWLY, async || {
        let wire = gateway.wire_at("/v1/mcp/team");
        let answer = wire.request("tools/list", json!({})).await;
        !answer.is_ok_and(|answer| answer.status == 200)
    })
    .await;
}
