//! The bridge beside a server in an image of somebody else, on Kubernetes.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may panic"
)]

use std::path::Path;
use std::time::Duration;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_tests::kube::{KubeNamespace, KubeNode};
use mcp_gateway_tests::wire::Wire;
use serde_json::json;
use tokio::time::{Instant, sleep, timeout};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-bridge");
const IMAGE: &str = "localhost/mcp-bridge:test";
const TOKEN: &str = "token-of-a-bridge-1234";

/// Timeout of steps that take a few seconds on an idle machine.
const SOON: Duration = Duration::from_secs(120);

/// A pod whose image has neither the bridge nor the server: the bridge is installed by an init
/// container, and the server comes from the machine.
const POD: &str = "
apiVersion: v1
kind: Pod
metadata: { name: server, labels: { app: server } }
spec:
  automountServiceAccountToken: false
  terminationGracePeriodSeconds: 20
  initContainers:
    - name: bridge
      image: localhost/mcp-bridge:test
      imagePullPolicy: Never
      command: [mcp-bridge, install, /bridge/mcp-bridge]
      securityContext: &restricted
        runAsNonRoot: true
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities: { drop: [ALL] }
      volumeMounts: [{ name: bridge, mountPath: /bridge }]
  containers:
    - name: server
      image: localhost/empty:1
      imagePullPolicy: Never
      command: [/bridge/mcp-bridge]
      args:
        - stdio
        - --listen=0.0.0.0:8081
        - --token-file=/token/token
        - --sessions=shared
        - --eager
        - --exit-with-server
        - --grace=18
        - --
        - python3
        - /server/server.py
      env: [{ name: PATH, value: '/usr/bin:/bin' }]
      securityContext: { runAsUser: 65532, <<: *restricted }
      readinessProbe: { httpGet: { path: /readyz, port: 8081 }, periodSeconds: 1 }
      volumeMounts:
        - { name: bridge, mountPath: /bridge, readOnly: true }
        - { name: token, mountPath: /token, readOnly: true }
        - { name: server, mountPath: /server, readOnly: true }
        - { name: usr, mountPath: /usr, readOnly: true }
        - { name: lib, mountPath: /lib, readOnly: true }
        - { name: lib64, mountPath: /lib64, readOnly: true }
  volumes:
    - { name: bridge, emptyDir: {} }
    - { name: token, secret: { secretName: token } }
    - { name: server, configMap: { name: server } }
    - { name: usr, hostPath: { path: /usr } }
    - { name: lib, hostPath: { path: /usr/lib } }
    - { name: lib64, hostPath: { path: /usr/lib64 } }
";

/// A namespace with a running bridge.
struct Pod {
    node: KubeNode,
    namespace: KubeNamespace,
}

impl Pod {
    async fn start(node: KubeNode) -> Self {
        node.add_image(IMAGE, &[("/mcp-bridge", Path::new(PROGRAM))])
            .await
            .unwrap();
        let namespace = node.namespace("bridge").await.unwrap();
        let pod = Self { node, namespace };
        let server = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server.py");
        let server = format!("--from-file=server.py={server}");
        pod.run(&["create", "configmap", "server", &server]).await;
        let token = format!("--from-literal=token={TOKEN}");
        pod.run(&["create", "secret", "generic", "token", &token])
            .await;
        pod.namespace.apply(&pod.node, POD).await.unwrap();
        pod.ready().await;
        pod
    }

    async fn run(&self, args: &[&str]) -> String {
        self.namespace.run(&self.node, args).await.unwrap()
    }

    async fn ready(&self) {
        let wait = [
            "wait",
            "pod/server",
            "--for=condition=Ready",
            "--timeout=120s",
        ];
        if let Err(error) = self.namespace.run(&self.node, &wait).await {
            panic!(
                "{error}\n{}",
                self.run(&["describe", "pod", "server"]).await
            );
        }
    }

    async fn url(&self) -> String {
        let address = self
            .run(&[
                "get",
                "pod",
                "server",
                "--output",
                "jsonpath={.status.podIP}",
            ])
            .await;
        format!("http://{address}:8081/mcp")
    }
}

/// Text of a tool.
async fn call(url: &str, tool: &str, arguments: serde_json::Value) -> String {
    let token = HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap();
    let wire = Wire::new(url).with_header(AUTHORIZATION, token);
    let answer = wire.call(tool, arguments).await.unwrap().answer();
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

#[tokio::test]
async fn kube_a_bridge_runs_beside_a_server_in_any_image() {
    let pod = Pod::start(KubeNode::shared().await.unwrap()).await;
    let url = pod.url().await;
    assert_eq!(
        call(&url, "echo", json!({ "text": "c0nfidential" })).await,
        "c0nfidential"
    );
    let refused = Wire::new(&url)
        .request("tools/list", json!({}))
        .await
        .unwrap();
    assert_eq!(refused.status, 401);
    // Results are not in the log of the pod, which others may read.
    let log = pod.run(&["logs", "server"]).await;
    assert!(log.contains("server started"), "{log}");
    assert!(
        !log.contains("c0nfidential") && !log.contains(TOKEN),
        "{log}"
    );

    // The server is not the first process of the container, and ends long before it would be killed.
    let began = Instant::now();
    pod.run(&["delete", "pod", "server", "--wait=false"]).await;
    let refused = async {
        while tokio::net::TcpStream::connect(url[7..].trim_end_matches("/mcp"))
            .await
            .is_ok()
        {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, refused).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(15), "{began:?}");
}

#[tokio::test]
async fn kube_the_exit_of_a_server_is_that_of_its_container() {
    let pod = Pod::start(KubeNode::shared().await.unwrap()).await;
    let url = pod.url().await;
    let token = HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap();
    let wire = Wire::new(&url).with_header(AUTHORIZATION, token);
    assert!(
        wire.call("exit", json!({ "code": 7 }))
            .await
            .unwrap()
            .answer()["error"]
            .is_object()
    );
    let code = "jsonpath={.status.containerStatuses[0].lastState.terminated.exitCode}";
    let exited = async {
        while pod.run(&["get", "pod", "server", "--output", code]).await != "7" {
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(SOON, exited).await.unwrap();
    pod.ready().await;
    assert_eq!(
        call(&url, "echo", json!({ "text": "again" })).await,
        "again"
    );
}

#[tokio::test]
async fn kube_calls_need_neither_kubelet_nor_api_server() {
    let pod = Pod::start(KubeNode::exclusive().await.unwrap()).await;
    let url = pod.url().await;
    let server = call(&url, "process", json!({})).await;
    for component in ["kubelet", "kube-apiserver", "containerd", "etcd"] {
        pod.node.control(&["kill", component]).await.unwrap();
        for _ in 0..20 {
            assert_eq!(
                call(&url, "process", json!({})).await,
                server,
                "{component}"
            );
        }
    }
    pod.node.control(&["heal"]).await.unwrap();
    pod.ready().await;
    assert_eq!(call(&url, "process", json!({})).await, server);
    let restarts = "jsonpath={.status.containerStatuses[0].restartCount}";
    assert_eq!(
        pod.run(&["get", "pod", "server", "--output", restarts])
            .await,
        "0"
    );
}

#[tokio::test]
async fn kube_a_replaced_token_is_accepted_without_a_restart() {
    let pod = Pod::start(KubeNode::shared().await.unwrap()).await;
    let url = pod.url().await;
    let secret = |tokens: &str| {
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": "token" },
            "stringData": { "token": tokens },
        })
        .to_string()
    };
    let status = async |token: &str| {
        let token = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        let wire = Wire::new(&url).with_header(AUTHORIZATION, token);
        wire.request("tools/list", json!({})).await.unwrap().status
    };
    let both = secret(&format!("next-token-5678\n{TOKEN}\n"));
    pod.namespace.apply(&pod.node, &both).await.unwrap();
    let accepted = async {
        while status("next-token-5678").await != 200 {
            assert_eq!(status(TOKEN).await, 200);
            sleep(Duration::from_millis(500)).await;
        }
    };
    // The kubelet looks for changes once a minute.
    timeout(SOON, accepted).await.unwrap();
    assert_eq!(status(TOKEN).await, 200);
}
