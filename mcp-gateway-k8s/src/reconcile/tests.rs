pub(crate) mod fake;
mod property;

use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_core::upstream::{Instance, RuntimeBackend as _};
use mcp_gateway_platform::orchestrator::{
    Declaration, DeclaredServer, DeploymentState, Orchestrator as _,
};
use mcp_gateway_platform::spec::{Cluster, KubernetesServer, PodTransport, PodValue};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use self::fake::{FakeCluster, Fault};
use crate::orchestrator::KubernetesOrchestrator;

fn settings() -> Cluster {
    let mut settings = Cluster::default();
    settings.bridge_image = Some("example/mcp-bridge:1".to_owned());
    settings.lease = None;
    settings
}

fn orchestrator(cluster: &FakeCluster) -> KubernetesOrchestrator {
    KubernetesOrchestrator::with_client(cluster.client(), &settings(), None)
}

fn bridged(image: &str) -> KubernetesServer {
    let mut server = KubernetesServer::new(image);
    server.command = vec!["run".to_owned()];
    server
}

fn http(image: &str, sleep: Option<u64>) -> KubernetesServer {
    let mut server = KubernetesServer::new(image);
    server.transport = PodTransport::Http {
        port: 3001,
        path: "/mcp".to_owned(),
    };
    server.sleep = sleep.map(Duration::from_secs);
    server
}

fn declare(orchestrator: &KubernetesOrchestrator, servers: Vec<DeclaredServer>) {
    orchestrator.declare(Declaration::new(servers));
}

fn declared(name: &str, server: KubernetesServer) -> DeclaredServer {
    DeclaredServer::new(name, Arc::new(server))
}

/// Advances the clock until nothing more is due within `seconds`.
async fn settle(seconds: u64) {
    sleep(Duration::from_secs(seconds)).await;
}

fn image(cluster: &FakeCluster, name: &str) -> Value {
    let deployment = cluster.find("deployments", name).unwrap_or_default();
    deployment["spec"]["template"]["spec"]["containers"][0]["image"].clone()
}

fn changes(cluster: &FakeCluster) -> usize {
    let world = cluster.world();
    world
        .requests
        .iter()
        .filter(|(_, method, _)| method != http::Method::GET)
        .count()
}

#[tokio::test(start_paused = true)]
async fn servers_are_created_updated_and_deleted() {
    let cluster = FakeCluster::default();
    let orchestrator = orchestrator(&cluster);
    declare(
        &orchestrator,
        vec![
            declared("a", bridged("a:1")),
            declared("b", http("b:1", None)),
        ],
    );
    settle(5).await;
    assert_eq!(
        cluster.names("deployments"),
        ["mcp-gateway-a", "mcp-gateway-b"]
    );
    assert_eq!(
        cluster.names("networkpolicies"),
        ["mcp-gateway-a", "mcp-gateway-b"]
    );
    assert_eq!(cluster.names("secrets"), ["mcp-gateway-a"]);
    let status = orchestrator.deployment("a").unwrap();
    assert_eq!(
        (status.state, status.ready, status.desired),
        (DeploymentState::Running, 1, 1)
    );
    assert!(orchestrator.deployment("c").is_none());

    declare(&orchestrator, vec![declared("a", bridged("a:2"))]);
    settle(5).await;
    assert_eq!(image(&cluster, "mcp-gateway-a"), "a:2");
    assert_eq!(cluster.names("deployments"), ["mcp-gateway-a"]);
    assert_eq!(cluster.names("networkpolicies"), ["mcp-gateway-a"]);
    assert_eq!(cluster.names("pods").len(), 1);
    assert!(orchestrator.deployment("b").is_none());
}

#[tokio::test(start_paused = true)]
async fn the_policy_exists_before_the_deployment() {
    let cluster = FakeCluster::default();
    let orchestrator = orchestrator(&cluster);
    declare(&orchestrator, vec![declared("a", bridged("a:1"))]);
    settle(5).await;
    let world = cluster.world();
    let changes = world
        .requests
        .iter()
        .filter(|(_, method, _)| method != http::Method::GET);
    let kinds: Vec<_> = changes
        .map(|(_, _, path)| path.rsplit('/').nth(1).unwrap().to_owned())
        .collect();
    let place = |kind: &str| kinds.iter().position(|other| other == kind);
    assert_eq!(place("networkpolicies"), Some(0), "{kinds:?}");
    assert_eq!(
        kinds.last().map(String::as_str),
        Some("mcp-gateway-a"),
        "scaled last: {kinds:?}"
    );
    drop(world);
    assert_eq!(cluster.names("pods").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_restarted_gateway_changes_nothing() {
    let cluster = FakeCluster::default();
    let servers = || {
        let mut texts = bridged("a:1");
        texts
            .env
            .push(("KEY".to_owned(), PodValue::Text("secret".into())));
        vec![declared("a", texts), declared("b", http("b:1", Some(60)))]
    };
    let first = orchestrator(&cluster);
    declare(&first, servers());
    settle(5).await;
    drop(first);
    let before = changes(&cluster);
    let mut newer = settings();
    newer.bridge_image = Some("example/mcp-bridge:2".to_owned());
    let second = KubernetesOrchestrator::with_client(cluster.client(), &newer, None);
    // Before the declaration, nothing is deleted.
    settle(60).await;
    assert_eq!(cluster.names("deployments").len(), 2);
    declare(&second, servers());
    settle(30).await;
    assert_eq!(changes(&cluster), before);
    assert_eq!(
        second.deployment("a").unwrap().state,
        DeploymentState::Running
    );
}

#[tokio::test(start_paused = true)]
async fn category_cluster_foreign_changes_are_undone() {
    let cluster = FakeCluster::default();
    let orchestrator = orchestrator(&cluster);
    declare(&orchestrator, vec![declared("a", bridged("a:1"))]);
    settle(5).await;
    cluster.meddle("deployments", "mcp-gateway-a", |one| {
        let pod = &mut one["spec"]["template"]["spec"];
        pod["containers"][0]["image"] = "evil:1".into();
        pod["containers"]
            .as_array_mut()
            .unwrap()
            .push(json!({"name": "spy", "image": "evil:1"}));
    });
    cluster.meddle("networkpolicies", "mcp-gateway-a", |one| {
        one["spec"]["egress"] = json!([{}])
    });
    settle(5).await;
    assert_eq!(image(&cluster, "mcp-gateway-a"), "a:1");
    let deployment = cluster.find("deployments", "mcp-gateway-a").unwrap();
    assert_eq!(
        deployment["spec"]["template"]["spec"]["containers"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let policy = cluster.find("networkpolicies", "mcp-gateway-a").unwrap();
    assert_ne!(policy["spec"]["egress"], json!([{}]));

    cluster.remove("networkpolicies", "mcp-gateway-a");
    cluster.remove("deployments", "mcp-gateway-a");
    settle(5).await;
    assert_eq!(cluster.names("networkpolicies"), ["mcp-gateway-a"]);
    assert_eq!(
        orchestrator.deployment("a").unwrap().state,
        DeploymentState::Running
    );
}

#[tokio::test(start_paused = true)]
async fn category_cluster_foreign_objects_are_left_alone() {
    let cluster = FakeCluster::default();
    let foreign = json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"labels": {"app.kubernetes.io/managed-by": "mcp-gateway", "app.kubernetes.io/instance": "other", "mcp-gateway.dev/server": "a"}},
        "spec": {"replicas": 0, "selector": {}, "template": {"spec": {"containers": []}}},
    });
    cluster.add("deployments", "mcp-gateway-a", foreign.clone());
    let orchestrator = orchestrator(&cluster);
    declare(&orchestrator, vec![declared("a", http("a:1", None))]);
    settle(120).await;
    assert_eq!(
        cluster.find("deployments", "mcp-gateway-a").unwrap()["spec"],
        foreign["spec"]
    );
    let status = orchestrator.deployment("a").unwrap();
    assert_eq!(
        (status.state, status.reason.as_deref()),
        (DeploymentState::Failed, Some("Conflict"))
    );
    declare(&orchestrator, Vec::new());
    settle(120).await;
    assert_eq!(cluster.names("deployments"), ["mcp-gateway-a"]);
}

/// Returns an object with the name of those of the server `a`, and with `labels`.
fn object_of(kind: &str, labels: &Value) -> Value {
    let mut object = json!({"kind": kind, "metadata": {"labels": labels}});
    match kind {
        "secrets" => object["data"] = json!({"password": "c2VjcmV0"}),
        "deployments" => object["spec"] = json!({"replicas": 0, "selector": {}, "template": {}}),
        _ => object["spec"] = json!({"podSelector": {}, "egress": [{}]}),
    }
    object
}

#[tokio::test(start_paused = true)]
async fn category_cluster_foreign_objects_of_all_kinds_conflict() {
    let other = json!({
        "app.kubernetes.io/managed-by": "mcp-gateway",
        "app.kubernetes.io/instance": "other",
        "mcp-gateway.dev/server": "a",
    });
    let kinds = [
        ("secrets", "Secret mcp-gateway-a"),
        ("networkpolicies", "NetworkPolicy mcp-gateway-a"),
        ("deployments", "Deployment mcp-gateway-a"),
    ];
    for (kind, text) in kinds {
        for labels in [&json!({}), &other] {
            let cluster = FakeCluster::default();
            cluster.add(kind, "mcp-gateway-a", object_of(kind, labels));
            let before = cluster.find(kind, "mcp-gateway-a");
            let orchestrator = orchestrator(&cluster);
            declare(&orchestrator, vec![declared("a", bridged("a:1"))]);
            settle(120).await;
            let status = orchestrator.deployment("a").unwrap();
            assert_eq!(status.reason.as_deref(), Some("Conflict"), "{kind}");
            assert_eq!(status.state, DeploymentState::Failed);
            assert!(status.message.unwrap().contains(text), "{kind}");
            assert!(orchestrator.restart("a").await.is_err());
            declare(&orchestrator, Vec::new());
            settle(120).await;
            assert_eq!(cluster.find(kind, "mcp-gateway-a"), before, "{kind}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn category_cluster_foreign_secret_of_a_server_without_one_stays() {
    let cluster = FakeCluster::default();
    let foreign = object_of("secrets", &json!({}));
    cluster.add("secrets", "mcp-gateway-a", foreign);
    let orchestrator = orchestrator(&cluster);
    declare(&orchestrator, vec![declared("a", http("a:1", None))]);
    settle(5).await;
    declare(&orchestrator, Vec::new());
    settle(5).await;
    assert_eq!(cluster.names("networkpolicies"), [""; 0]);
    assert_eq!(cluster.names("secrets"), ["mcp-gateway-a"]);
}

#[tokio::test(start_paused = true)]
async fn category_cluster_foreign_gateway_with_the_same_names_conflicts() {
    let cluster = FakeCluster::default();
    let kinds = ["networkpolicies", "secrets", "deployments"];
    let objects = || kinds.map(|kind| cluster.find(kind, "mcp-gateway-b-time"));
    let first = orchestrator(&cluster);
    declare(&first, vec![declared("b-time", bridged("a:1"))]);
    settle(5).await;
    let before = objects();
    assert!(before.iter().all(Option::is_some));
    let mut others = settings();
    others.instance = "mcp-gateway-b".to_owned();
    let second = KubernetesOrchestrator::with_client(cluster.client(), &others, None);
    declare(&second, vec![declared("time", bridged("b:1"))]);
    settle(1300).await;
    assert_eq!(
        second.deployment("time").unwrap().reason.as_deref(),
        Some("Conflict")
    );
    declare(&second, Vec::new());
    settle(120).await;
    assert_eq!(objects(), before);
    let status = first.deployment("b-time").unwrap();
    assert_eq!(
        (status.state, status.reason),
        (DeploymentState::Running, None)
    );
}

#[tokio::test(start_paused = true)]
async fn five_requests_make_the_objects_of_a_server() {
    let cluster = FakeCluster::default();
    let orchestrator = orchestrator(&cluster);
    settle(5).await;
    let before = cluster.world().requests.len();
    let mut server = bridged("a:1");
    server.sleep = Some(Duration::from_secs(60));
    declare(&orchestrator, vec![declared("a", server)]);
    settle(30).await;
    assert_eq!(cluster.world().requests.len() - before, 5);
    assert_eq!(
        orchestrator.deployment("a").unwrap().state,
        DeploymentState::Asleep
    );
}

#[tokio::test(start_paused = true)]
async fn a_removed_variable_leaves_the_secret() {
    let cluster = FakeCluster::default();
    let orchestrator = orchestrator(&cluster);
    let mut server = bridged("a:1");
    let text = || PodValue::Text("secret".into());
    server.env.push(("KEY".to_owned(), text()));
    server.env.push(("MORE".to_owned(), text()));
    declare(&orchestrator, vec![declared("a", server.clone())]);
    settle(5).await;
    let keys = || {
        let secret = cluster.find("secrets", "mcp-gateway-a").unwrap();
        secret["data"].as_object().unwrap().len()
    };
    assert_eq!(keys(), 3);
    server.env.pop();
    declare(&orchestrator, vec![declared("a", server)]);
    settle(5).await;
    assert_eq!(keys(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_deleted_secret_comes_back() {
    let cluster = FakeCluster::default();
    let orchestrator = orchestrator(&cluster);
    let mut sleeper = bridged("b:1");
    sleeper.sleep = Some(Duration::from_secs(60));
    let servers = vec![declared("a", bridged("a:1")), declared("b", sleeper)];
    declare(&orchestrator, servers);
    settle(5).await;
    let has = |name: &str| cluster.find("secrets", name).is_some();

    cluster.remove("secrets", "mcp-gateway-a");
    orchestrator.restart("a").await.unwrap();
    settle(5).await;
    assert!(has("mcp-gateway-a"), "after a restart");

    cluster.remove("secrets", "mcp-gateway-a");
    settle(5).await;
    assert!(!has("mcp-gateway-a"));
    let message =
        "MountVolume.SetUp failed for volume \"token\" : secret \"mcp-gateway-a\" not found";
    let event = json!({
        "type": "Warning", "reason": "FailedMount", "message": message,
        "involvedObject": {"kind": "Pod", "name": "mcp-gateway-a-5d-0"},
    });
    cluster.add("events", "a", event);
    settle(5).await;
    assert!(has("mcp-gateway-a"), "after a warning");

    cluster.remove("secrets", "mcp-gateway-b");
    let backend = orchestrator.backend(&"b".into());
    backend
        .connect(&Instance::shared())
        .await
        .map(drop)
        .unwrap();
    settle(5).await;
    assert!(has("mcp-gateway-b"), "after a wake");

    cluster.remove("secrets", "mcp-gateway-a");
    settle(610).await;
    assert!(has("mcp-gateway-a"), "from time to time");
}

#[tokio::test(start_paused = true)]
async fn many_callers_wake_a_server_once() {
    let cluster = FakeCluster::default();
    let orchestrator = Arc::new(orchestrator(&cluster));
    declare(&orchestrator, vec![declared("a", http("a:1", Some(60)))]);
    settle(5).await;
    assert_eq!(
        orchestrator.deployment("a").unwrap().state,
        DeploymentState::Asleep
    );
    let before = changes(&cluster);
    let calls = (0..50).map(|_| {
        let backend = orchestrator.backend(&"a".into());
        async move { backend.connect(&Instance::shared()).await.map(drop) }
    });
    let begun = Instant::now();
    for result in futures_util::future::join_all(calls).await {
        result.unwrap();
    }
    assert!(
        begun.elapsed() < Duration::from_millis(100),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(changes(&cluster), before + 1);

    settle(30).await;
    assert_eq!(
        orchestrator.deployment("a").unwrap().state,
        DeploymentState::Running
    );
    settle(60).await;
    assert_eq!(
        orchestrator.deployment("a").unwrap().state,
        DeploymentState::Asleep
    );
    assert_eq!(changes(&cluster), before + 2);
}

#[tokio::test(start_paused = true)]
async fn an_invalid_definition_fails_at_once_and_is_not_sent() {
    let cluster = FakeCluster::default();
    let orchestrator = orchestrator(&cluster);
    let mut server = bridged("a:1");
    server.command.clear();
    declare(&orchestrator, vec![declared("a", server)]);
    let error = orchestrator
        .backend(&"a".into())
        .connect(&Instance::shared())
        .await
        .unwrap_err();
    let text = mcp_gateway_core::error_chain(&error);
    assert!(
        text.contains("InvalidDefinition") && text.contains("command"),
        "{text}"
    );
    settle(60).await;
    assert_eq!(changes(&cluster), 0);
}

#[tokio::test(start_paused = true)]
async fn a_refused_definition_is_not_tried_again_and_again() {
    let cluster = FakeCluster::default();
    let orchestrator = orchestrator(&cluster);
    settle(1).await;
    cluster.world().faults.extend([Fault::Status(422)]);
    declare(&orchestrator, vec![declared("a", http("a:1", None))]);
    settle(300).await;
    assert_eq!(changes(&cluster), 1);
    let status = orchestrator.deployment("a").unwrap();
    assert_eq!(
        (status.state, status.reason.as_deref()),
        (DeploymentState::Failed, Some("InvalidDefinition"))
    );
    // Another declaration is tried at once.
    declare(&orchestrator, vec![declared("a", http("a:2", None))]);
    settle(5).await;
    assert_eq!(
        orchestrator.deployment("a").unwrap().state,
        DeploymentState::Running
    );
}

#[tokio::test(start_paused = true)]
async fn a_rejected_credential_is_told_from_a_missing_permission() {
    for (code, reason, remedy) in [
        (401, "Unauthorized", "check the kubeconfig"),
        (403, "Forbidden", "role of the gateway"),
    ] {
        // Before the first list, and afterwards.
        for is_listed in [false, true] {
            let cluster = FakeCluster::default();
            let faults = std::iter::repeat_n(Fault::Status(code), 1000);
            let orchestrator = if is_listed {
                let orchestrator = orchestrator(&cluster);
                settle(5).await;
                cluster.world().faults.extend(faults);
                orchestrator
            } else {
                cluster.world().faults.extend(faults);
                orchestrator(&cluster)
            };
            declare(&orchestrator, vec![declared("a", http("a:1", None))]);
            settle(5).await;
            let status = orchestrator.deployment("a").unwrap();
            assert_eq!(status.reason.as_deref(), Some(reason));
            let message = status.message.unwrap();
            assert!(message.contains(remedy), "{message}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_replica_changes_objects_and_all_wake() {
    let cluster = FakeCluster::default();
    let mut replicated = settings();
    replicated.lease = Some(Duration::from_secs(15));
    let start = || KubernetesOrchestrator::with_client(cluster.client(), &replicated, None);
    let first = start();
    settle(5).await;
    let second = start();
    let servers = || vec![declared("a", http("a:1", Some(40)))];
    declare(&first, servers());
    settle(10).await;
    let before = changes(&cluster);
    declare(&second, servers());
    second
        .backend(&"a".into())
        .connect(&Instance::shared())
        .await
        .unwrap();
    assert_eq!(
        second.deployment("a").unwrap().state,
        DeploymentState::Running
    );

    // The use of one replica keeps the server awake, although another one leads.
    let slot = second.slot("a");
    for _ in 0..20 {
        slot.activity.touch();
        settle(8).await;
        assert_eq!(
            first.deployment("a").unwrap().state,
            DeploymentState::Running
        );
    }
    settle(60).await;
    assert_eq!(
        first.deployment("a").unwrap().state,
        DeploymentState::Asleep
    );

    // Another one takes over when the leader is gone.
    drop(first);
    settle(40).await;
    declare(&second, Vec::new());
    settle(10).await;
    assert_eq!(cluster.names("deployments"), [""; 0]);
    let leases = cluster
        .world()
        .requests
        .iter()
        .filter(|(_, _, path)| path.contains("leases"))
        .count();
    assert!(changes(&cluster) - before < leases + 25);
}

#[tokio::test(start_paused = true)]
async fn many_servers_settle_at_the_pace() {
    let cluster = FakeCluster::default();
    let orchestrator = orchestrator(&cluster);
    let servers = (0..100).map(|number| declared(&format!("s{number}"), http("a:1", None)));
    declare(&orchestrator, servers.collect());
    settle(60).await;
    assert_eq!(cluster.names("pods").len(), 100);
    let before = cluster.world().requests.len();
    settle(300).await;
    assert_eq!(cluster.world().requests.len(), before);
    assert_bounded(&cluster);
}

/// Fails if more requests were made within any second than the pace allows.
fn assert_bounded(cluster: &FakeCluster) {
    let world = cluster.world();
    let times: Vec<_> = world.requests.iter().map(|(time, ..)| *time).collect();
    let most = times.iter().enumerate().map(|(place, time)| {
        times[place..]
            .iter()
            .take_while(|other| **other - *time < Duration::from_secs(1))
            .count()
    });
    let most = most.max().unwrap_or(0);
    assert!(most <= 120, "{most} requests within a second");
}
