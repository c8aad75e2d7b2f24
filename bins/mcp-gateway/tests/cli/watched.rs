//! Calls, changes and sessions, as administrators watch them.

use http::header::AUTHORIZATION;
use mcp_gateway_tests::process::Process;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::api::{api, request, serve};
use crate::harness::{Folder, Gateway, PROGRAM, SOON, eventually, run};

/// Starts `mcp-gateway follow`.
fn follow(gateway: &Gateway, what: &str) -> Process {
    let mut command = Command::new(PROGRAM);
    command.args([
        "follow",
        what,
        "--url",
        &gateway.url,
        "--token",
        &gateway.token,
    ]);
    Process::start(command).unwrap()
}

async fn event(process: &mut Process) -> Value {
    let line = process.line(SOON).await.unwrap();
    serde_json::from_str(&line).unwrap()
}

#[tokio::test]
async fn calls_and_changes_are_watched() {
    let folder = Folder::new();
    let gateway = serve(&folder, "servers: [{ name: demo, builtin: demo }]").await;
    let mut objects = follow(&gateway, "objects");
    for _ in 0..12 {
        assert_eq!(event(&mut objects).await["event"], "reset");
    }
    let entry = json!({ "name": "extra", "builtin": "demo" });
    let added = api(&gateway, "POST", "/servers", entry).await;
    let seen = event(&mut objects).await;
    assert_eq!(seen["event"], "change");
    let version = seen["data"]["version"].as_str().unwrap();
    assert_eq!(added.tag(), format!("\"{version}\""), "{seen}");
    api(&gateway, "DELETE", "/servers/extra", Value::Null).await;
    let seen = event(&mut objects).await;
    let expected = json!({ "kind": "server", "id": "extra", "version": null });
    assert_eq!(
        (&seen["event"], &seen["data"]),
        (&json!("delete"), &expected)
    );

    let mut calls = follow(&gateway, "calls");
    // Calls before the stream is open are not part of it.
    let mut first = None;
    eventually(async || {
        gateway
            .call("demo__echo", json!({ "text": "s3cret" }))
            .await;
        let line = calls.line(std::time::Duration::from_millis(200)).await;
        first = line.ok();
        first.is_some()
    })
    .await;
    let first = first.unwrap();
    let call: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(call["event"], "call", "{first}");
    let data = &call["data"];
    assert_eq!(
        (&data["server"], &data["target"]),
        (&json!("demo"), &json!("echo"))
    );
    assert_eq!(data["outcome"], "success", "{first}");
    assert!(!first.contains("s3cret"), "{first}");
}

#[tokio::test]
async fn sessions_are_listed_and_ended() {
    let folder = Folder::new();
    let gateway = serve(&folder, "servers: [{ name: demo, builtin: demo }]").await;
    let session = gateway.initialize().await;
    assert_eq!(gateway.tools_in(&session).await.len(), 5);
    let listed = api(&gateway, "GET", "/sessions", Value::Null).await.body;
    let found = &listed["items"][0];
    assert_eq!(
        (&found["client"], &found["gateway"]),
        (&json!("test"), &json!("default"))
    );
    let id = found["id"].as_str().unwrap();
    assert!(!session.contains(id), "the key is not the identifier");
    let url = ["--url", &gateway.url, "--token", &gateway.token];
    let shown = run(&[&["session", "list"][..], &url].concat()).await;
    assert!(shown.stdout.contains(id), "{shown:?}");

    let ended = run(&[&["session", "end", id][..], &url].concat()).await;
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let message = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" }).to_string();
    let headers = [
        ("mcp-session-id", &*session),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let reply = gateway.wire().post(message, &headers).await.unwrap();
    assert_eq!(reply.status.as_u16(), 404);
    let again = api(&gateway, "DELETE", &format!("/sessions/{id}"), Value::Null).await;
    assert_eq!(again.status, 404);
}

#[tokio::test]
async fn users_learn_who_they_are() {
    let folder = Folder::new();
    let gateway = serve(&folder, "servers: [{ name: demo, builtin: demo }]").await;
    let url = ["--url", &gateway.url, "--token", &gateway.token];
    let me = run(&[&["whoami"][..], &url].concat()).await;
    assert!(me.stdout.contains("(admin)"), "{me:?}");
    let me = run(&[&["whoami", "--json"][..], &url].concat()).await;
    let me: Value = serde_json::from_str(&me.stdout).unwrap();
    let abilities = me["abilities"].as_array().unwrap();
    assert!(abilities.contains(&json!("createServer")), "{me}");
    let headers = [(AUTHORIZATION, "Bearer guessed")];
    let denied = request(&gateway, ("GET", "/whoami"), &headers, Value::Null).await;
    assert_eq!(denied.status, 401);
}
