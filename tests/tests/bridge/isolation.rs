//! Isolation of the streams of callers that share a server.

use http::{HeaderValue, header};
use mcp_gateway_tests::fixture::{Era, Options, PATH, serve_http};
use mcp_gateway_tests::gateway::{Backends, TestGateway};
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::client::Legacy;

const CALLS: usize = 40;

async fn harness(era: Era) -> (JoinSet<()>, TestGateway) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{PATH}", listener.local_addr().unwrap());
    let mut options = Options::default();
    options.era = era;
    let mut fixture = JoinSet::new();
    fixture.spawn(async move {
        let _ = serve_http(listener, options).await;
    });
    (fixture, Backends::only(&url).start().await)
}

/// The methods of what comes on the stream of a call, up to its answer.
async fn modern(url: String, who: &'static str, tool: &'static str, meta: Value) -> Vec<Value> {
    let token = HeaderValue::from_str(&format!("Bearer {who}")).unwrap();
    let wire = Wire::new(url).with_header(header::AUTHORIZATION, token);
    let params = json!({ "name": tool, "arguments": {}, "_meta": meta });
    let reply = wire.request("tools/call", params).await.unwrap();
    let read = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let mut messages: Vec<_> = reply.messages().into_iter().map(read).collect();
    let answer = messages.pop().unwrap();
    assert!(answer["result"].is_object(), "{answer}");
    messages
}

fn is_log(message: &Value) -> bool {
    message["method"] == "notifications/message"
}

#[tokio::test(flavor = "multi_thread")]
async fn a_level_and_a_token_are_those_of_one_call() {
    for era in [Era::Legacy, Era::Modern] {
        let (_fixture, gateway) = harness(era).await;
        let mut calls = JoinSet::new();
        for number in 0..CALLS {
            let url = gateway.url.clone();
            calls.spawn(async move {
                let level = json!({ "io.modelcontextprotocol/logLevel": "debug" });
                match number % 4 {
                    0 => {
                        let seen = modern(url, "alice", "test_tool_with_logging", level).await;
                        assert!(seen.len() == 3 && seen.iter().all(is_log), "{seen:?}");
                    }
                    1 => {
                        let none = json!({});
                        let seen = modern(url, "bob", "test_tool_with_logging", none).await;
                        assert_eq!(seen, Vec::<Value>::new());
                    }
                    2 => {
                        let token = json!({ "progressToken": number });
                        let seen = modern(url, "bob", "test_tool_with_progress", token).await;
                        assert!(!seen.is_empty());
                        for message in seen {
                            assert_eq!(message["params"]["progressToken"], number, "{message}");
                        }
                    }
                    _ => {
                        let none = json!({});
                        let seen = modern(url, "carol", "test_tool_with_progress", none).await;
                        assert_eq!(seen, Vec::<Value>::new());
                    }
                }
            });
        }
        while let Some(call) = calls.join_next().await {
            call.unwrap();
        }
        gateway.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_level_of_an_old_client_is_its_own() {
    let (_fixture, gateway) = harness(Era::Modern).await;
    let loud = Legacy::begin(&gateway.url, "alice", json!({})).await;
    let quiet = Legacy::begin(&gateway.url, "bob", json!({})).await;
    for (client, level) in [(&loud, "debug"), (&quiet, "error")] {
        let level = json!({ "level": level });
        let mut set = client.request(&json!(1), "logging/setLevel", &level).await;
        let set = set.next().await.unwrap();
        assert_eq!(set["result"], json!({}), "{set}");
    }
    let params = json!({ "name": "test_tool_with_logging", "arguments": {} });
    for round in 2..6 {
        for (client, expected) in [(&loud, 3), (&quiet, 0)] {
            let mut stream = client.request(&json!(round), "tools/call", &params).await;
            let mut logs = 0;
            while let Some(message) = stream.next().await {
                logs += usize::from(is_log(&message));
            }
            assert_eq!(logs, expected);
        }
    }
    gateway.stop().await;
}
