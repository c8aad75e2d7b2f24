//! Objects of a cluster in memory: what is read of them, and their statuses.

use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_platform::orchestrator::{Declaration, DeclaredServer, Orchestrator as _};
use mcp_gateway_platform::spec::{Cluster, KubernetesServer};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use super::{
    GatewayOutcome, Listing, ObjectOutcomes, ObjectSource, OperatedServer, Rejection, ServerOutcome,
};
use crate::orchestrator::KubernetesOrchestrator;
use crate::reconcile::tests::fake::{FakeCluster, Fault};

/// Starts an orchestrator that reads all kinds of objects.
fn start(cluster: &FakeCluster) -> (KubernetesOrchestrator, ObjectSource) {
    let mut settings = Cluster::default();
    settings.lease = None;
    settings.bridge_image = Some("example/mcp-bridge:1".to_owned());
    settings.source.servers = true;
    settings.source.gateways = true;
    settings.source.operated = true;
    let orchestrator = KubernetesOrchestrator::with_client(cluster.client(), &settings, None);
    let source = orchestrator.object_source().unwrap();
    (orchestrator, source)
}

fn add(cluster: &FakeCluster, kind: &str, name: &str, object: Value) {
    let mut object = object;
    object["apiVersion"] = "mcp-gateway.dev/v1alpha1".into();
    object["kind"] = "Any".into();
    cluster.add(kind, name, object);
}

/// Waits until the listing fulfils a condition.
async fn listing(source: &mut ObjectSource, is_done: impl Fn(&Listing) -> bool) -> Listing {
    let waiting = async {
        loop {
            let listing = source.listed().await;
            if is_done(&listing) {
                return listing;
            }
            source.changed().await;
        }
    };
    timeout(Duration::from_secs(600), waiting).await.unwrap()
}

fn condition(object: &Value, kind: &str) -> [String; 3] {
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let found = conditions.iter().find(|one| one["type"] == kind).unwrap();
    ["status", "reason", "message"].map(|key| found[key].as_str().unwrap_or_default().to_owned())
}

#[tokio::test(start_paused = true)]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn every_object_has_a_status_of_its_generation() {
    let cluster = FakeCluster::default();
    for name in ["pods", "remote", "failing", "wrong", "taken"] {
        add(&cluster, "mcpservers", name, json!({"spec": {}}));
    }
    let (orchestrator, mut source) = start(&cluster);
    let listed = source.listed().await.servers.unwrap();
    assert_eq!(listed.len(), 5);
    let mut pods = KubernetesServer::new("image");
    pods.command = vec!["run".to_owned()];
    let declared = ["pods", "taken"].map(|name| DeclaredServer::new(name, Arc::new(pods.clone())));
    orchestrator.declare(Declaration::new(declared.into()));
    let outcome =
        |state: Option<&'static str>, rejection: Option<(&'static str, &str)>| ServerOutcome {
            generation: Some(1),
            rejection: rejection.map(|(reason, message)| Rejection {
                reason,
                message: message.to_owned(),
            }),
            state,
            failure: (state == Some("failing")).then(|| "connection refused".to_owned()),
        };
    let mut outcomes = ObjectOutcomes::default();
    for (name, outcome) in [
        ("pods", outcome(None, None)),
        ("remote", outcome(Some("idle"), None)),
        ("failing", outcome(Some("failing"), None)),
        (
            "wrong",
            outcome(None, Some((Rejection::INVALID, "spec.remote.url: no"))),
        ),
        (
            "taken",
            outcome(None, Some((Rejection::CONFLICT, "metadata.name: taken"))),
        ),
    ] {
        outcomes.servers.insert(name.into(), outcome);
    }
    source.report(outcomes);
    sleep(Duration::from_secs(30)).await;
    let object = |name: &str| cluster.find("mcpservers", name).unwrap();
    let ready = |name: &str| condition(&object(name), "Ready");
    let accepted = |name: &str| condition(&object(name), "Accepted");
    assert_eq!(ready("pods"), ["True", "Running", ""], "{}", object("pods"));
    assert_eq!(object("pods")["status"]["ready"], 1);
    assert_eq!(ready("remote"), ["True", "Running", ""]);
    assert_eq!(object("remote")["status"]["state"], "idle");
    let failing = ["False", "CallsFail", "connection refused"];
    assert_eq!(ready("failing"), failing);
    assert_eq!(accepted("failing")[0], "True");
    assert_eq!(
        accepted("wrong"),
        ["False", "Invalid", "spec.remote.url: no"]
    );
    assert_eq!(ready("wrong")[0], "False");
    assert_eq!(object("wrong")["status"]["state"], "invalid");
    // The pods of that name are those of somebody else.
    assert_eq!(ready("taken"), ["False", "Conflict", ""]);
    assert_eq!(object("taken")["status"]["ready"], Value::Null);
    assert_eq!(object("remote")["status"]["observedGeneration"], 1);

    // A changed object has the old status until it has been read.
    cluster.meddle("mcpservers", "remote", |object| {
        object["spec"] = json!({"a": 1})
    });
    sleep(Duration::from_secs(5)).await;
    assert_eq!(object("remote")["metadata"]["generation"], 2);
    assert_eq!(object("remote")["status"]["observedGeneration"], 1);
}

#[tokio::test(start_paused = true)]
async fn gateways_tell_what_they_miss() {
    let cluster = FakeCluster::default();
    for name in ["whole", "partial", "empty", "wrong"] {
        add(&cluster, "mcpgateways", name, json!({"spec": {}}));
    }
    let (_orchestrator, mut source) = start(&cluster);
    assert_eq!(source.listed().await.gateways.unwrap().len(), 4);
    let outcome = |servers: usize, missing: &[&str], rejection: Option<&str>| GatewayOutcome {
        generation: Some(1),
        rejection: rejection.map(|message| Rejection {
            reason: Rejection::INVALID,
            message: message.to_owned(),
        }),
        path: "/v1/mcp/x".to_owned(),
        servers,
        missing: missing.iter().map(|name| Arc::from(*name)).collect(),
    };
    let mut outcomes = ObjectOutcomes::default();
    for (name, outcome) in [
        ("whole", outcome(2, &[], None)),
        ("partial", outcome(1, &["notes"], None)),
        ("empty", outcome(0, &[], None)),
        ("wrong", outcome(0, &[], Some("spec.pageSize: no"))),
    ] {
        outcomes.gateways.insert(name.into(), outcome);
    }
    source.report(outcomes);
    sleep(Duration::from_secs(5)).await;
    let object = |name: &str| cluster.find("mcpgateways", name).unwrap();
    let ready = |name: &str| condition(&object(name), "Ready");
    assert_eq!(ready("whole"), ["True", "Served", ""]);
    assert_eq!(object("whole")["status"]["path"], "/v1/mcp/x");
    let [status, reason, message] = ready("partial");
    assert_eq!([&*status, &*reason], ["False", "ServersMissing"]);
    assert!(message.contains("notes"), "{message}");
    assert_eq!(object("partial")["status"]["missing"], json!(["notes"]));
    assert_eq!(ready("empty")[1], "NoServers");
    let refused = ["False", "Invalid", "spec.pageSize: no"];
    assert_eq!(condition(&object("wrong"), "Accepted"), refused);
    assert_eq!(object("wrong")["status"]["path"], Value::Null);
    assert_eq!(object("wrong")["status"]["servers"], 0);
}

#[tokio::test(start_paused = true)]
async fn a_list_that_hangs_is_given_up() {
    let cluster = FakeCluster::default();
    add(&cluster, "mcpservers", "a", json!({"spec": {}}));
    cluster.world().faults.extend([Fault::Hang; 12]);
    let (_orchestrator, mut source) = start(&cluster);
    // Watches of pods hang, too, and are given up after half a minute.
    let listed = timeout(Duration::from_secs(200), source.listed()).await;
    assert_eq!(listed.unwrap().servers.unwrap().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_kind_that_is_defined_late_is_followed() {
    let cluster = FakeCluster::default();
    cluster.world().unknown.insert("mcpgateways".to_owned());
    let (_orchestrator, mut source) = start(&cluster);
    let early = timeout(Duration::from_secs(20), source.listed()).await;
    assert!(early.is_err());
    cluster.world().unknown.clear();
    let listed = timeout(Duration::from_secs(20), source.listed()).await;
    assert!(listed.unwrap().gateways.unwrap().is_empty());
}

fn operated(cluster: &FakeCluster, name: &str, url: &str) {
    let object = json!({
        "apiVersion": "mcp.x-k8s.io/v1beta1", "kind": "MCPServer",
        "spec": {}, "status": {"address": {"url": url}},
    });
    cluster.add("mcpservers", name, object);
}

fn service(cluster: &FakeCluster, name: &str, spec: &Value) {
    let service = json!({"apiVersion": "v1", "kind": "Service", "spec": spec});
    cluster.add("services", name, service);
}

/// A source of operated servers alone: the fake keeps kinds of different groups together.
fn start_operated(cluster: &FakeCluster) -> (KubernetesOrchestrator, ObjectSource) {
    let mut settings = Cluster::default();
    settings.lease = None;
    settings.source.operated = true;
    let orchestrator = KubernetesOrchestrator::with_client(cluster.client(), &settings, None);
    let source = orchestrator.object_source().unwrap();
    (orchestrator, source)
}

#[tokio::test(start_paused = true)]
async fn category_cluster_objects_operated_servers_are_called_at_their_services() {
    let cluster = FakeCluster::default();
    let group = "mcp.x-k8s.io";
    cluster
        .world()
        .unknown
        .extend([group.to_owned(), "mcpservers".to_owned()]);
    service(&cluster, "notes", &json!({"clusterIP": "10.0.0.7"}));
    let external = json!({"type": "ExternalName", "externalName": "metadata.internal"});
    service(&cluster, "external", &external);
    for (name, url) in [
        ("notes", "http://notes.mcp.svc.cluster.local:8080/mcp"),
        ("secure", "https://notes.mcp.svc.evil.example/mcp"),
        ("external", "http://external.mcp.svc.cluster.local/mcp"),
        ("foreign", "http://notes.other.svc.cluster.local/mcp"),
        ("metadata", "http://169.254.169.254/latest"),
        ("gone", "http://gone.mcp.svc.cluster.local/mcp"),
        ("pending", ""),
    ] {
        operated(&cluster, name, url);
    }
    let (_orchestrator, mut source) = start_operated(&cluster);
    // A cluster without the operator is no mistake.
    assert!(source.listed().await.operated.is_empty());
    sleep(Duration::from_secs(90)).await;
    assert!(source.listed().await.operated.is_empty());
    cluster.world().unknown.clear();
    let found = listing(&mut source, |listing| !listing.operated.is_empty()).await;
    let expected = [
        OperatedServer::new("notes", "http://10.0.0.7:8080/mcp"),
        OperatedServer::new("secure", "https://notes.mcp.svc:443/mcp"),
    ];
    assert_eq!(*found.operated, expected);
    let changes = {
        let world = cluster.world();
        let mut requests = world.requests.iter();
        requests.any(|(_, method, path)| method != "GET" && path.contains("mcpservers"))
    };
    assert!(!changes, "the objects belong to the operator");

    // A Service that is created anew has another address.
    cluster.meddle("services", "notes", |service| {
        service["spec"]["clusterIP"] = "10.0.0.8".into();
    });
    let is_moved = |listing: &Listing| {
        let mut servers = listing.operated.iter();
        servers.any(|server| &*server.url == "http://10.0.0.8:8080/mcp")
    };
    listing(&mut source, is_moved).await;
    cluster.remove("mcpservers", "notes");
    listing(&mut source, |listing| listing.operated.len() == 1).await;
    // The operator is removed with its kind.
    cluster
        .world()
        .unknown
        .extend([group.to_owned(), "mcpservers".to_owned()]);
    cluster.break_watches(true);
    listing(&mut source, |listing| listing.operated.is_empty()).await;
}
