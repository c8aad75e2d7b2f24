//! Secrets of servers.

use super::*;

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
    // It may be too early for the token.
    let _ = backend.connect(&Instance::shared()).await;
    settle(5).await;
    assert!(has("mcp-gateway-b"), "after a wake");

    cluster.remove("secrets", "mcp-gateway-a");
    settle(610).await;
    assert!(has("mcp-gateway-a"), "from time to time");
}
