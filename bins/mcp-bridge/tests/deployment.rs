//! The Helm chart and what is rendered from it.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may panic"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::kube::{KubeNamespace, KubeNode};
use mcp_gateway_tests::wire::Wire;
use serde_json::json;
use tokio::process::Command;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const BRIDGE: &str = env!("CARGO_BIN_EXE_mcp-bridge");
const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../charts/mcp-gateway");
const DEPLOY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy");

const TOKEN: &str = "token-of-a-tester-1234";
const IMAGE: &str = "localhost/mcp-gateway:test";

/// Values for a gateway without a database.
const VALUES: &str = "
image: { repository: localhost/mcp-gateway, tag: test, pullPolicy: Never }
existingSecret: secrets
preStopSeconds: 2
config:
  sessionKey: { file: /etc/mcp-gateway/secrets/session-key }
  store: null
  audit: null
  servers: [{ name: demo, builtin: demo }]
  auth:
    oauth: null
    tokens: [{ name: tester, token: { file: /etc/mcp-gateway/secrets/token } }]
";

/// Timeout of steps that take a few seconds on an idle machine.
const SOON: Duration = Duration::from_secs(120);

async fn folder() -> PathBuf {
    Environment::installed().await.unwrap().helm
}

async fn helm(args: &[&str]) -> Result<String, String> {
    text_of(Command::new(folder().await.join("helm")).args(args)).await
}

/// Standard output of a command, or its standard error if it fails.
async fn text_of(command: &mut Command) -> Result<String, String> {
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    match output.status.success() {
        true => Ok(text(output.stdout)),
        false => Err(text(output.stderr)),
    }
}

#[tokio::test]
async fn the_manifest_is_that_of_the_chart() {
    let mut render = Command::new(Path::new(DEPLOY).join("render"));
    render.env("HELM", folder().await.join("helm"));
    let rendered = text_of(&mut render).await.unwrap();
    let manifest = fs::read_to_string(Path::new(DEPLOY).join("mcp-gateway.yaml")).unwrap();
    assert!(
        rendered == manifest,
        "run deploy/render > deploy/mcp-gateway.yaml"
    );
    let mut kustomize = Command::new(folder().await.join("kubectl"));
    let built = text_of(kustomize.args(["kustomize", DEPLOY]))
        .await
        .unwrap();
    // The base has the same objects, and the namespace.
    let mut expected = objects_in(&manifest);
    expected.push(("Namespace".to_owned(), "mcp-gateway".to_owned()));
    expected.sort_unstable();
    assert_eq!(objects_in(&built), expected);
    let strict = "pod-security.kubernetes.io/enforce: restricted";
    assert!(built.contains(strict), "{built}");
}

/// The kinds and names of the objects in a manifest, in order.
fn objects_in(manifest: &str) -> Vec<(String, String)> {
    let documents = manifest
        .split("---\n")
        .filter(|text| text.contains("\nkind: "));
    let field = |text: &str, start: &str| {
        let mut lines = text.lines();
        let line = lines.find_map(|line| line.strip_prefix(start));
        line.unwrap_or_else(|| panic!("{start}: {text}")).to_owned()
    };
    let objects = documents.map(|text| (field(text, "kind: "), field(text, "  name: ")));
    let mut objects: Vec<_> = objects.collect();
    objects.sort_unstable();
    objects
}

#[tokio::test]
async fn kube_the_base_of_kustomize_is_accepted() {
    let node = KubeNode::shared().await.unwrap();
    let namespace = node.namespace("base").await.unwrap();
    let mut kustomize = Command::new(folder().await.join("kubectl"));
    let built = text_of(kustomize.args(["kustomize", DEPLOY]))
        .await
        .unwrap();
    let place = format!("namespace: {}", namespace.name());
    let built = built.replace("namespace: mcp-gateway", &place);
    // The namespace exists, and old clusters have another version of the budget.
    let documents = built.split("---\n").filter(|text| {
        !text.contains("\nkind: Namespace\n") && !text.contains("\nkind: PodDisruptionBudget\n")
    });
    let objects: Vec<_> = documents.collect();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), objects.join("---\n")).unwrap();
    let path = file.path().to_str().unwrap();
    let dry_run = ["apply", "--dry-run=server", "--filename", path];
    let accepted = namespace.run(&node, &dry_run).await.unwrap();
    assert_eq!(accepted.lines().count(), objects.len(), "{accepted}");
}

#[tokio::test]
async fn wrong_values_of_the_chart_are_refused_with_their_path() {
    for (value, path) in [
        ("replicas=0", "/replicas"),
        ("replicsa=2", "replicsa"),
        ("config.listen=x", "/config/listen"),
        ("image.pullPolicy=Sometimes", "/image/pullPolicy"),
        (
            "orchestrator.namespace=Wrong_name",
            "/orchestrator/namespace",
        ),
    ] {
        let refused = helm(&["template", "x", CHART, "--set", value])
            .await
            .unwrap_err();
        assert!(refused.contains(path), "{value}: {refused}");
    }
    helm(&["lint", "--strict", CHART]).await.unwrap();
}

#[tokio::test]
async fn a_gateway_has_no_rights_that_it_does_not_need() {
    let none = helm(&["template", "x", CHART]).await.unwrap();
    assert!(!none.contains("kind: Role"), "{none}");
    assert!(none.contains("automountServiceAccountToken: false"));
    let enabled = ["template", "x", CHART, "--set", "orchestrator.enabled=true"];
    let some = helm(&enabled).await.unwrap();
    assert!(some.contains("kind: Role\n"), "{some}");
    assert!(!some.contains("ClusterRole"), "{some}");
    for right in ["pods/attach", "pods/exec", "'*'", "nodes"] {
        assert!(!some.contains(right), "{right}: {some}");
    }
    // Each further right is one of a value.
    for (value, right) in [
        ("attach", "pods/attach"),
        ("objects", "resources: [mcpservers/status]"),
        ("gateways", "resources: [mcpgateways/status]"),
        ("lifecycleOperator", "apiGroups: [mcp.x-k8s.io]"),
    ] {
        let set = format!("orchestrator.{value}=true");
        let more = [&enabled[..], &["--set", &set]].concat();
        let more = helm(&more).await.unwrap();
        assert!(
            more.contains(right) && !some.contains(right),
            "{value}: {more}"
        );
        assert!(!more.contains("ClusterRole"), "{more}");
    }
}

#[tokio::test]
async fn kube_the_chart_is_accepted_with_all_values() {
    let node = KubeNode::shared().await.unwrap();
    let namespace = node.namespace("chart").await.unwrap();
    let version = node.run(&["get", "--raw", "/version"]).await.unwrap();
    let version: serde_json::Value = serde_json::from_str(&version).unwrap();
    let version = version["gitVersion"].as_str().unwrap();
    let values = "orchestrator.enabled=true,orchestrator.attach=true,orchestrator.objects=true,\
                  orchestrator.gateways=true,orchestrator.lifecycleOperator=true,ingress.enabled=true,\
                  ingress.tlsSecret=certificate,ingress.className=nginx,\
                  networkPolicy.from[0].podSelector.matchLabels.app=proxy,\
                  nodeSelector.disk=ssd,podLabels.team=a,podAnnotations.note=b,\
                  imagePullSecrets[0].name=registry,serviceAccount.annotations.role=c,\
                  tolerations[0].operator=Exists,env[0].name=A,env[0].value=b";
    let template = [
        "template",
        "mcp-gateway",
        CHART,
        "--namespace",
        namespace.name(),
        "--set",
        values,
        "--kube-version",
        version,
    ];
    let objects = helm(&template).await.unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &objects).unwrap();
    let path = file.path().to_str().unwrap();
    let dry_run = ["apply", "--dry-run=server", "--filename", path];
    let accepted = namespace.run(&node, &dry_run).await.unwrap();
    let count = objects.matches("\nkind: ").count();
    assert_eq!(accepted.lines().count(), count, "{accepted}");
}

/// A namespace with a release of the chart.
struct Release {
    node: KubeNode,
    namespace: KubeNamespace,
    values: tempfile::NamedTempFile,
}

impl Release {
    async fn install() -> Self {
        let node = KubeNode::shared().await.unwrap();
        // The tests of the workspace build it, too.
        let gateway = Path::new(BRIDGE).with_file_name("mcp-gateway");
        assert!(
            gateway.exists(),
            "run cargo build --package mcp-gateway-server"
        );
        let programs = [
            ("/mcp-gateway", &*gateway),
            ("/mcp-bridge", Path::new(BRIDGE)),
        ];
        node.add_image(IMAGE, &programs).await.unwrap();
        let namespace = node.namespace("release").await.unwrap();
        let key = "0123456789abcdef".repeat(4);
        let secrets = [
            "create",
            "secret",
            "generic",
            "secrets",
            &format!("--from-literal=session-key={key}"),
            &format!("--from-literal=token={TOKEN}"),
        ];
        namespace.run(&node, &secrets).await.unwrap();
        let values = tempfile::NamedTempFile::new().unwrap();
        fs::write(values.path(), VALUES).unwrap();
        let release = Self {
            node,
            namespace,
            values,
        };
        release.helm("install", &[]).await;
        release
    }

    async fn helm(&self, verb: &str, options: &[&str]) {
        let config = self.node.kubeconfig();
        let args = [
            verb,
            "mcp-gateway",
            CHART,
            "--namespace",
            self.namespace.name(),
            "--kubeconfig",
            config.to_str().unwrap(),
            "--values",
            self.values.path().to_str().unwrap(),
            "--wait",
            "--timeout",
            "120s",
        ];
        let done = helm(&[&args[..], options].concat()).await;
        if let Err(error) = done {
            let pods = ["describe", "pods"];
            panic!("{error}\n{:?}", self.namespace.run(&self.node, &pods).await);
        }
    }

    async fn address(&self) -> String {
        let get = [
            "get",
            "service",
            "mcp-gateway",
            "--output",
            "jsonpath={.spec.clusterIP}",
        ];
        self.namespace.run(&self.node, &get).await.unwrap()
    }
}

/// Calls over new connections until it is told to stop; returns the number of calls.
async fn call_on(url: String, stop: watch::Receiver<bool>) -> usize {
    let mut calls = 0;
    while !*stop.borrow() {
        let answer = call(&url).await;
        assert_eq!(sum_of(&answer), Some(3.0), "{answer}");
        calls += 1;
    }
    calls
}

fn sum_of(answer: &serde_json::Value) -> Option<f64> {
    answer["result"]["structuredContent"]["sum"].as_f64()
}

async fn call(url: &str) -> serde_json::Value {
    let token = HeaderValue::from_str(&format!("Bearer {TOKEN}")).unwrap();
    let wire = Wire::new(url).with_header(AUTHORIZATION, token);
    let called = wire.call("demo__add", json!({ "a": 1, "b": 2 })).await;
    called.unwrap_or_else(|error| panic!("{error:?}")).answer()
}

#[tokio::test]
async fn kube_a_release_is_upgraded_without_a_lost_call() {
    let release = Release::install().await;
    let url = format!("http://{}/mcp", release.address().await);
    let (stop, stopped) = watch::channel(false);
    let mut callers = JoinSet::new();
    for _ in 0..2 {
        callers.spawn(call_on(url.clone(), stopped.clone()));
    }
    release
        .helm("upgrade", &["--set", "podAnnotations.version=next"])
        .await;
    // The pods of the previous version have ended.
    let gone = async {
        let get = ["get", "pods", "--output", "name"];
        while release
            .namespace
            .run(&release.node, &get)
            .await
            .unwrap()
            .lines()
            .count()
            > 2
        {
            sleep(Duration::from_millis(200)).await;
        }
    };
    timeout(SOON, gone).await.unwrap();
    stop.send_replace(true);
    let calls: usize = callers.join_all().await.into_iter().sum();
    assert!(calls > 10, "{calls}");
}

#[tokio::test]
async fn kube_a_changed_configuration_is_loaded_without_a_restart() {
    let release = Release::install().await;
    let url = format!("http://{}/mcp", release.address().await);
    let answer = call(&url).await;
    assert_eq!(sum_of(&answer), Some(3.0), "{answer}");
    // Only the ConfigMap changes.
    release
        .helm(
            "upgrade",
            &[
                "--set",
                "config.servers[0].name=renamed,config.servers[0].builtin=demo",
            ],
        )
        .await;
    let renamed = async {
        while call(&url).await["error"].is_null() {
            sleep(Duration::from_millis(500)).await;
        }
    };
    timeout(SOON, renamed).await.unwrap();
    let get = [
        "get",
        "pods",
        "--output",
        "jsonpath={.items[*].status.containerStatuses[0].restartCount}",
    ];
    let restarts = release.namespace.run(&release.node, &get).await.unwrap();
    assert_eq!(restarts, "0 0");
}
