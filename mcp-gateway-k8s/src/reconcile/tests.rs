pub(crate) mod fake;
mod foreign;
mod property;
mod secrets;

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
    let places: Vec<_> = changes
        .map(|(_, _, path)| path.split_once("/namespaces/mcp/").unwrap().1.to_owned())
        .collect();
    assert_eq!(places[0], "networkpolicies", "{places:?}");
    let last = places.last().map(String::as_str);
    assert_eq!(last, Some("deployments/mcp-gateway-a/scale"), "{places:?}");
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
