//! Messages that belong to no call in flight.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, header};
use mcp_gateway_core::runtime;
use mcp_gateway_core::upstream::{SessionPolicy, UpstreamServer};
use mcp_gateway_tests::gateway::{Backends, TestGateway};
use mcp_gateway_tests::script::{self, EVENTS, ReceivedRequest, Scripted, Step};
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::client::Legacy;

const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bridge/lingering.py");

/// A gateway over a program whose jobs outlast their calls.
async fn harness(policy: SessionPolicy) -> TestGateway {
    let process = runtime::Process::new("only", "python3").with_args([PROGRAM]);
    let server = UpstreamServer::builder("only", process).with_session_policy(policy);
    Backends::new()
        .with("only", "", server.build())
        .start()
        .await
}

/// All messages that a caller gets for a call of the tool, by a client of the kind.
async fn call(gateway: &TestGateway, kind: &str, who: &str, tool: &str) -> String {
    let mut params = json!({ "name": tool, "arguments": { "of": who } });
    if kind == "legacy" {
        let client = Legacy::begin(&gateway.url, who, json!({})).await;
        let mut stream = client.request(&json!(7), "tools/call", &params).await;
        let mut seen = String::new();
        while let Some(message) = stream.next().await {
            seen += &message.to_string();
        }
        return seen;
    }
    params["_meta"] = match kind {
        "leveled" => json!({ "io.modelcontextprotocol/logLevel": "debug" }),
        _ => json!({}),
    };
    let token = HeaderValue::from_str(&format!("Bearer {who}")).unwrap();
    let wire = Wire::new(&gateway.url).with_header(header::AUTHORIZATION, token);
    let reply = wire.request("tools/call", params).await.unwrap();
    reply.body
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_outlasts_its_call_tells_nobody_else() {
    for policy in [SessionPolicy::Shared, SessionPolicy::PerPrincipal] {
        let gateway = harness(policy).await;
        for kind in ["legacy", "modern", "leveled"] {
            let started = call(&gateway, kind, "alice", "start").await;
            assert!(started.contains("done"), "{kind}: {started}");
            let seen = call(&gateway, kind, "bob", "wait").await;
            assert!(seen.contains("done"), "{policy:?}, {kind}: {seen}");
            assert!(!seen.contains("secret"), "{policy:?}, {kind}: {seen}");
        }
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_outlasts_its_call_tells_the_only_user() {
    let gateway = harness(SessionPolicy::Shared).await;
    call(&gateway, "legacy", "alice", "start").await;
    let seen = call(&gateway, "legacy", "alice", "wait").await;
    assert!(seen.contains("secret of alice"), "{seen}");
    gateway.stop().await;
}

/// The session of a client that has set a level is its own, and gets all messages.
#[tokio::test(flavor = "multi_thread")]
async fn clients_are_not_asked_for_what_they_have_not_declared() {
    let gateway = harness(SessionPolicy::Shared).await;
    let client = Legacy::begin(&gateway.url, "alice", json!({})).await;
    let mut stream = client.listen(None).await;
    let level = json!({ "level": "debug" });
    let mut set = client.request(&json!(1), "logging/setLevel", &level).await;
    assert_eq!(set.next().await.unwrap()["result"], json!({}));
    let mut refused = Vec::new();
    while refused.len() < 2 {
        let message = timeout(Duration::from_secs(20), stream.next()).await;
        let message = message.unwrap().unwrap();
        assert_eq!(message["method"], "notifications/message", "{message}");
        refused.push(message["params"]["data"].as_str().unwrap().to_owned());
    }
    refused.sort_unstable();
    assert_eq!(
        refused,
        ["refused roots/list", "refused sampling/createMessage"]
    );
    gateway.stop().await;
}

#[tokio::test]
async fn progress_beside_the_stream_of_a_call_has_the_token_of_its_caller() {
    let begun = Arc::new(Semaphore::new(0));
    let script = move |asked: &ReceivedRequest| {
        let progress = json!({
            "jsonrpc": "2.0",
            "method": "notifications/progress",
            // The client is alone, and keeps the identifiers of its requests.
            "params": { "progressToken": 7, "progress": 1 },
        });
        match (&*asked.verb, asked.method()) {
            ("GET", _) => vec![
                Step::Send(EVENTS.into()),
                Step::Wait(Arc::clone(&begun)),
                Step::Send(format!("data: {progress}\n\n").into()),
                Step::Hang,
            ],
            (_, "tools/call") => {
                let begun = Arc::clone(&begun);
                let mut steps = vec![
                    Step::Do(Arc::new(move || begun.add_permits(1))),
                    Step::Pause(Duration::from_millis(500)),
                ];
                steps.extend(script::document(&asked.says("done")));
                steps
            }
            _ => script::legacy(asked).unwrap_or_default(),
        }
    };
    let server = Scripted::start(script).await.unwrap();
    let gateway = Backends::only(&server.url).start().await;
    let client = Legacy::begin(&gateway.url, "alice", json!({})).await;
    let mut stream = client.listen(None).await;
    let params = json!({ "name": "any", "arguments": {}, "_meta": { "progressToken": "mine" } });
    let mut answer = client.request(&json!(7), "tools/call", &params).await;
    let told: Value = timeout(Duration::from_secs(20), stream.next())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(told["params"]["progressToken"], "mine", "{told}");
    assert!(answer.next().await.unwrap()["result"].is_object());
    gateway.stop().await;
}
