//! Clients that listen to what a server says without being asked.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::raw::Raw;
use mcp_gateway_tests::script::{self, EVENTS, ReceivedRequest, Scripted, Step, Steps};
use mcp_gateway_tests::wire::{Wire, modern_request};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::timeout;

/// Less than what a listener waits for a server that takes its time.
const NO_WAIT: Duration = Duration::from_secs(4);

/// A server that tells when its tools change, and takes everybody who listens.
fn telling(asked: &ReceivedRequest) -> Steps {
    let discovered = json!({
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": { "tools": { "listChanged": true } },
        "ttlMs": 0,
        "cacheScope": "private",
    });
    let taken = json!({
        "jsonrpc": "2.0",
        "method": "notifications/subscriptions/acknowledged",
        "params": { "notifications": { "toolsListChanged": true } },
    });
    match asked.method() {
        "server/discover" => script::document(&asked.result(&discovered)),
        "subscriptions/listen" => vec![
            Step::Send(EVENTS.into()),
            Step::Send(format!("data: {taken}\n\n").into()),
            Step::Hang,
        ],
        _ => script::modern(asked).unwrap_or_default(),
    }
}

/// Listens until that is acknowledged.
async fn listen(gateway: &TestGateway) -> Raw {
    let mut raw = Raw::connect(&gateway.url).await.unwrap();
    let params = json!({ "notifications": { "toolsListChanged": true } });
    let body = modern_request("subscriptions/listen", params);
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer alice\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\n\
         Content-Length: {}\r\n\r\n",
        raw.host(),
        body.len()
    );
    raw.write(head + &body).await.unwrap();
    let (status, _) = raw.head().await.unwrap();
    assert_eq!(status, 200);
    while !raw.line().await.unwrap().contains("acknowledged") {}
    raw
}

async fn ask(gateway: &TestGateway, method: &str) -> String {
    let token = HeaderValue::from_static("Bearer alice");
    let wire = Wire::new(&gateway.url).with_header(AUTHORIZATION, token);
    let reply = wire.request(method, json!({})).await.unwrap();
    reply.body
}

/// A notification during the replacement of a stream could be lost.
#[tokio::test]
async fn who_wants_nothing_else_opens_no_other_stream() {
    let server = Scripted::start(telling).await.unwrap();
    // Clients of a gateway with one server have streams of their own.
    let other = Scripted::modern(|_| Vec::new()).await.unwrap();
    let gateway = Backends::new()
        .with("telling", "telling", remote("telling", &server.url).build())
        .with("other", "other", remote("other", &other.url).build())
        .start()
        .await;
    // From now on the gateway knows the era of the server.
    ask(&gateway, "server/discover").await;
    let _listeners = [
        listen(&gateway).await,
        listen(&gateway).await,
        listen(&gateway).await,
    ];
    assert_eq!(server.count("subscriptions/listen"), 1);
}

#[tokio::test]
async fn nobody_waits_for_a_server_that_is_down() {
    let server = Scripted::start(telling).await.unwrap();
    let gateway = Backends::only(&server.url).start().await;
    // From now on the gateway knows the era of the server.
    ask(&gateway, "server/discover").await;
    assert!(ask(&gateway, "tools/list").await.contains("truth"));
    drop(server);
    for _ in 0..2 {
        let start = Instant::now();
        let _listener = listen(&gateway).await;
        assert!(start.elapsed() < NO_WAIT, "took {:?}", start.elapsed());
    }
}

/// A notification of a legacy server without a stream is lost.
#[tokio::test]
async fn what_is_acknowledged_is_heard() {
    let opening = Arc::new(Semaphore::new(0));
    let gate = Arc::clone(&opening);
    let script = move |asked: &ReceivedRequest| match (&*asked.verb, asked.method()) {
        ("GET", _) => vec![
            Step::Wait(Arc::clone(&gate)),
            Step::Send(EVENTS.into()),
            Step::Hang,
        ],
        (_, "initialize") => {
            let initialized = json!({
                "protocolVersion": "2025-11-25",
                "capabilities": { "tools": { "listChanged": true } },
                "serverInfo": { "name": "scripted", "version": "1" },
            });
            script::document(&asked.result(&initialized))
        }
        _ => script::legacy(asked).unwrap_or_default(),
    };
    let server = Scripted::start(script).await.unwrap();
    let gateway = Backends::only(&server.url).start().await;
    // From now on the gateway knows the era of the server.
    ask(&gateway, "server/discover").await;
    let mut listener = std::pin::pin!(listen(&gateway));
    let early = timeout(Duration::from_millis(500), &mut listener).await;
    assert!(early.is_err(), "nothing is heard yet");
    opening.add_permits(1);
    timeout(NO_WAIT, listener).await.unwrap();
}
