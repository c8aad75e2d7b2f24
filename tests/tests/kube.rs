//! The node of Kubernetes that other tests run on.
use std::time::Duration;

use mcp_gateway_tests::kube::KubeNode;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

/// A server that answers HTTP, and its Service.
const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: localhost/busybox:1
          imagePullPolicy: Never
          command: [busybox, httpd, -f, -p, '8080', -h, /www]
          readinessProbe: { httpGet: { path: /, port: 8080 }, periodSeconds: 1 }
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  selector: { app: web }
  ports: [{ port: 80, targetPort: 8080 }]
";

/// Timeout of steps that take a few seconds on an idle machine.
const SOON: Duration = Duration::from_secs(120);

async fn connects(address: &str) {
    while TcpStream::connect(address).await.is_err() {
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn kube_pods_and_services_are_reached_from_the_machine() {
    let node = KubeNode::shared().await.unwrap();
    let namespace = node.namespace("web").await.unwrap();
    namespace.apply(&node, WEB).await.unwrap();
    let ready = ["rollout", "status", "deployment/web", "--timeout=120s"];
    namespace.run(&node, &ready).await.unwrap();
    for (object, path, port) in [
        (
            &["pod", "--selector", "app=web"][..],
            "{.items[0].status.podIP}",
            8080,
        ),
        (&["service", "web"][..], "{.spec.clusterIP}", 80),
    ] {
        let output = format!("jsonpath={path}");
        let get = [&["get"], object, &["--output", &output]].concat();
        let address = namespace.run(&node, &get).await.unwrap();
        let place = format!("{address}:{port}");
        let connecting = timeout(SOON, connects(&place));
        connecting.await.unwrap();
    }
}

#[tokio::test]
async fn kube_a_component_that_a_test_has_killed_runs_again() {
    let node = KubeNode::exclusive().await.unwrap();
    node.control(&["kill", "kubelet"]).await.unwrap();
    node.control(&["pause", "kube-scheduler"]).await.unwrap();
    drop(node);
    let node = KubeNode::shared().await.unwrap();
    let namespace = node.namespace("again").await.unwrap();
    namespace.apply(&node, WEB).await.unwrap();
    let ready = ["rollout", "status", "deployment/web", "--timeout=120s"];
    namespace.run(&node, &ready).await.unwrap();
}
