//! Detected protocols that outlive the program.

use mcp_gateway_tests::postgres::Postgres;
use mcp_gateway_tests::script::{self, ReceivedRequest, Scripted, Steps};
use serde_json::{Value, json};

use crate::harness::{Folder, Gateway, eventually};

/// Number of probes that tell a modern server from a legacy one.
fn probes(server: &Scripted) -> usize {
    server.count("server/discover")
}

/// Calls the server behind `gateway`.
async fn call(gateway: &Gateway) {
    let answer = gateway.call("far__truth", json!({})).await;
    assert_eq!(answer["result"]["content"][0]["text"], "true", "{answer}");
}

/// Gateways with the same store probe a server once, and again when it has changed.
async fn one_probe_is_enough(store: Value, database: &str) {
    let legacy = |asked: &ReceivedRequest| -> Steps { script::legacy(asked).unwrap_or_default() };
    let server = Scripted::start(legacy).await.unwrap();
    let folder = Folder::new();
    let config = json!({
        "store": store,
        "sessionKey": { "env": "KEY" },
        "servers": [{ "name": "far", "remote": { "url": server.url } }],
    });
    let config = folder.write("gateway.yaml", &config.to_string());
    let key = "ab".repeat(32);
    let env = [("DATABASE", database), ("KEY", &*key)];
    let first = Gateway::serve_with(&config, &env).await;
    call(&first).await;
    assert_eq!(probes(&server), 1);
    // What has been detected is saved in the background.
    eventually(async || {
        let sessions = server.count("initialize");
        let replica = Gateway::serve_with(&config, &env).await;
        call(&replica).await;
        assert_eq!(server.count("initialize"), sessions + 1);
        let known = probes(&server);
        let restarted = Gateway::serve_with(&config, &env).await;
        call(&restarted).await;
        probes(&server) == known
    })
    .await;

    let address = server.url.trim_start_matches("http://").to_owned();
    let address = address.trim_end_matches("/mcp");
    drop(server);
    let modern = |asked: &ReceivedRequest| -> Steps { script::modern(asked).unwrap_or_default() };
    let mut changed = None;
    eventually(async || {
        changed = Scripted::start_at(address, modern).await.ok();
        changed.is_some()
    })
    .await;
    let again = Gateway::serve_with(&config, &env).await;
    call(&again).await;
    assert!(probes(&changed.unwrap()) >= 1);
}

#[tokio::test]
async fn sqlite_keeps_the_detected_protocol() {
    let folder = Folder::new();
    let store = json!({ "sqlite": folder.path("gateway.db") });
    one_probe_is_enough(store, "").await;
}

#[tokio::test]
async fn postgres_keeps_the_detected_protocol() {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let store = json!({ "postgres": { "env": "DATABASE" } });
    one_probe_is_enough(store, &database).await;
}
