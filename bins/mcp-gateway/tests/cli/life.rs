//! The program changes with its files, and ends.

use std::time::Duration;

use mcp_gateway_tests::raw::Raw;
use rustix::process::Signal;
use serde_json::json;
use tokio::time::sleep;

use crate::harness::{Folder, Gateway, PROGRAM, eventually};

/// A configuration with the servers of those names, each of which is a program.
fn programs(names: &[&str]) -> String {
    let server = |name: &&str| {
        format!("- {{ name: {name}, process: {{ command: {PROGRAM}, args: [demo] }} }}\n")
    };
    let servers: String = names.iter().map(server).collect();
    format!("servers:\n{servers}")
}

#[tokio::test]
async fn a_changed_file_is_followed_without_dropping_a_call() {
    let folder = Folder::new();
    let config = folder.write("gateway.yaml", &programs(&["a", "b"]));
    let gateway = Gateway::serve(&config).await;
    gateway.call("a__echo", json!({ "text": "x" })).await;
    gateway.call("b__echo", json!({ "text": "x" })).await;
    let before = gateway.children();
    assert_eq!(before.len(), 2);

    let going = gateway.begin("b__wait", json!({ "seconds": 5 })).await;
    folder.write("gateway.yaml", &programs(&["c", "a"]));
    eventually(async || gateway.tools().await.contains(&"c__echo".to_owned())).await;
    assert!(!gateway.tools().await.contains(&"b__echo".to_owned()));
    let reply = going.reply().await.unwrap();
    assert_eq!(
        reply.answer()["result"]["content"][0]["text"],
        "Waited for 5 seconds",
        "{reply:?}"
    );
    let a = gateway.children();
    assert!(
        before.iter().any(|child| a.contains(child)),
        "a goes on in the same process"
    );
    eventually(async || {
        let now = gateway.children();
        before.iter().filter(|child| now.contains(child)).count() == 1
    })
    .await;
}

#[tokio::test]
async fn a_session_survives_a_new_configuration() {
    let folder = Folder::new();
    let config = folder.write("gateway.yaml", "servers: [{ name: a, builtin: demo }]");
    let gateway = Gateway::serve(&config).await;
    let session = gateway.initialize().await;
    assert!(
        gateway
            .tools_in(&session)
            .await
            .contains(&"a__echo".to_owned())
    );
    folder.write(
        "gateway.yaml",
        "servers: [{ name: a, builtin: demo }, { name: b, builtin: demo }]",
    );
    gateway.signal(Signal::HUP);
    eventually(async || {
        gateway
            .tools_in(&session)
            .await
            .contains(&"b__echo".to_owned())
    })
    .await;
}

#[tokio::test]
async fn a_session_survives_a_restart_with_a_store() {
    let folder = Folder::new();
    let config = json!({
        "store": { "sqlite": folder.path("gateway.db") },
        "servers": [{ "name": "a", "builtin": "demo" }],
    });
    let config = folder.write("gateway.yaml", &config.to_string());
    let env = [("MCP_GATEWAY_TOKEN", "the-token-of-the-owner")];
    let mut gateway = Gateway::serve_with(&config, &env).await;
    let session = gateway.initialize().await;
    gateway.signal(Signal::TERM);
    assert!(gateway.finish().await.success());
    for extension in ["db-wal", "db-shm"] {
        let path = folder.path(&format!("gateway.{extension}"));
        assert!(std::fs::metadata(&path).is_err(), "{path} is left");
    }
    let gateway = Gateway::serve_with(&config, &env).await;
    let tools = gateway.tools_in(&session).await;
    assert!(tools.contains(&"a__echo".to_owned()));
}

#[tokio::test]
async fn clients_are_told_that_there_are_other_tools() {
    let folder = Folder::new();
    let config = folder.write("gateway.yaml", "servers: [{ name: a, builtin: demo }]");
    let gateway = Gateway::serve(&config).await;
    let session = gateway.initialize().await;
    let changed = "notifications/tools/list_changed";
    for next in ["a, builtin: demo, prefix: x", "b, builtin: demo"] {
        let change = async {
            folder.write("gateway.yaml", &format!("servers: [{{ name: {next} }}]"));
            gateway.signal(Signal::HUP);
        };
        gateway.hears(&session, changed, change).await;
    }
    assert!(
        gateway
            .tools_in(&session)
            .await
            .contains(&"b__echo".to_owned())
    );
}

#[tokio::test]
async fn clients_are_told_that_a_server_is_there_again() {
    let folder = Folder::new();
    let program = folder.path("program");
    let config =
        format!("servers: [{{ name: a, process: {{ command: {program}, args: [demo] }} }}]");
    let gateway = Gateway::serve(&folder.write("gateway.yaml", &config)).await;
    let session = gateway.initialize().await;
    assert!(gateway.call("a__echo", json!({ "text": "x" })).await["error"].is_object());
    let appear = async { std::os::unix::fs::symlink(PROGRAM, &program).unwrap() };
    let changed = "notifications/tools/list_changed";
    gateway.hears(&session, changed, appear).await;
}

#[tokio::test]
async fn a_wrong_file_changes_nothing() {
    let folder = Folder::new();
    let config = folder.write("gateway.yaml", "servers: [{ name: a, builtin: demo }]");
    let gateway = Gateway::serve(&config).await;
    folder.write(
        "gateway.yaml",
        "servers: [{ name: a, builtin: demon }, { nam: b }]",
    );
    gateway.signal(Signal::HUP);
    eventually(async || gateway.stderr().contains("keeping the previous one")).await;
    let stderr = gateway.stderr();
    assert!(
        stderr.contains("servers[0].builtin") && stderr.contains("servers[1]"),
        "{stderr}"
    );
    assert!(gateway.tools().await.contains(&"a__echo".to_owned()));
}

#[tokio::test]
async fn a_secret_may_come_later_than_what_refers_to_it() {
    let folder = Folder::new();
    let config = folder.write("gateway.yaml", "servers: [{ name: a, builtin: demo }]");
    let gateway = Gateway::serve(&config).await;
    let secret = config.replace("gateway.yaml", "secret");
    folder.write(
        "gateway.yaml",
        &format!(
            "servers: [{{ name: b, builtin: demo }}]\n\
             metrics: {{ token: {{ file: {secret} }} }}"
        ),
    );
    gateway.signal(Signal::HUP);
    eventually(async || gateway.stderr().contains("keeping the previous one")).await;
    folder.write("secret", "a token of Prometheus, long enough");
    eventually(async || gateway.tools().await.contains(&"b__echo".to_owned())).await;
}

#[tokio::test]
async fn it_ends_when_calls_have_ended_and_leaves_no_program() {
    let folder = Folder::new();
    let config = folder.write("gateway.yaml", &programs(&["a"]));
    let mut gateway = Gateway::serve(&config).await;
    gateway.call("a__echo", json!({ "text": "x" })).await;
    let children = gateway.children();
    assert_eq!(children.len(), 1);

    let call = gateway.begin("a__wait", json!({ "seconds": 2 })).await;
    gateway.signal(Signal::TERM);
    assert_eq!(
        call.reply().await.unwrap().answer()["result"]["content"][0]["text"],
        "Waited for 2 seconds"
    );
    assert!(gateway.finish().await.success());
    assert!(children.iter().all(|child| !child.lives()));
}

#[tokio::test]
async fn a_second_signal_ends_it_at_once() {
    let folder = Folder::new();
    let config = folder.write("gateway.yaml", &programs(&["a"]));
    let mut gateway = Gateway::serve(&config).await;
    gateway.call("a__echo", json!({ "text": "x" })).await;
    let children = gateway.children();
    let call = gateway.begin("a__wait", json!({ "seconds": 30 })).await;
    gateway.signal(Signal::INT);
    eventually(async || gateway.stderr().contains("shutting down")).await;
    gateway.signal(Signal::INT);
    // It ends before the call would.
    gateway.finish().await;
    assert!(call.reply().await.is_err());
    eventually(async || children.iter().all(|child| !child.lives())).await;
}

#[tokio::test]
async fn a_connection_outlasts_an_answer_before_the_body() {
    let folder = Folder::new();
    let config = folder.write(
        "gateway.yaml",
        "
servers: [{ name: a, builtin: demo }]
gateways: [{ name: main }, { name: ops, teams: [ops] }]
auth: { oauth: { clientMetadataDocuments: always }, tokens: [{ name: bob, token: { env: MCP_GATEWAY_TOKEN } }] }
",
    );
    let token = ("MCP_GATEWAY_TOKEN", "the-token-of-bob-is-this");
    let gateway = Gateway::serve_with(&config, &[token]).await;
    let mut raw = Raw::connect(&gateway.url).await.unwrap();
    let host = raw.host().to_owned();
    let bearer = format!("Authorization: Bearer {}\r\n", token.1);
    for (path, header, status) in [
        ("/mcp", "", 401),
        ("/v1/mcp/ops", &*bearer, 404),
        ("/v1/mcp/missing", &*bearer, 404),
        ("/livez", "", 405),
        ("/nothing", "", 404),
        ("/register", "", 400),
        ("/authorize", "", 405),
    ] {
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: {host}\r\n{header}Content-Length: 4\r\n\r\n");
        raw.write_apart(&head, "null").await.unwrap();
        let reply = raw.reply().await.unwrap();
        assert_eq!(reply.status, status, "{path}: {reply:?}");
    }
}

#[tokio::test]
async fn a_connection_lasts_for_the_configured_time_without_a_request() {
    let folder = Folder::new();
    let config = folder.write(
        "gateway.yaml",
        "{ limits: { idleTimeout: 2s }, servers: [{ name: a, builtin: demo }] }",
    );
    let gateway = Gateway::serve(&config).await;
    let mut raw = Raw::connect(&gateway.url).await.unwrap();
    let request = format!("GET /livez HTTP/1.1\r\nHost: {}\r\n\r\n", raw.host());
    // For longer than that, but never so long at a time.
    for _ in 0..5 {
        raw.write(&request).await.unwrap();
        assert_eq!(raw.reply().await.unwrap().status, 200);
        sleep(Duration::from_millis(500)).await;
    }
    assert_eq!(raw.rest().await.unwrap(), b"");
}
