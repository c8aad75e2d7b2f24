//! Objects and changes of others.

use super::*;

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
    let (version, name) = match kind {
        "secrets" => ("v1", "Secret"),
        "deployments" => ("apps/v1", "Deployment"),
        _ => ("networking.k8s.io/v1", "NetworkPolicy"),
    };
    let mut object = json!({"apiVersion": version, "kind": name, "metadata": {"labels": labels}});
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
