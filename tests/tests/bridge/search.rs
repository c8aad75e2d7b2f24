//! Tools that a search finds, called through `run_tool` by clients and servers of both eras.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_core::Sealer;
use mcp_gateway_core::era::ParkedCalls;
use mcp_gateway_core::layer::dispatch::ToolSearch;
use mcp_gateway_tests::fixture::Era;
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::client::Legacy;

/// Timeout of steps that take no time on an idle machine.
pub(super) const SOON: Duration = Duration::from_secs(30);

/// A gateway with a search over the fixture in one era.
struct Harness {
    gateway: TestGateway,
    _fixture: Process,
}

impl Harness {
    async fn new(era: Era) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fixture-server"));
        command.args(["--http", "127.0.0.1:0", "--era", &era.to_string()]);
        let mut fixture = Process::start(command).unwrap();
        let url = fixture.url(SOON).await.unwrap();
        let parked_calls = ParkedCalls::new(Arc::new(Sealer::random().unwrap()));
        let server = remote("only", &url).with_parked_calls(parked_calls).build();
        let gateway = Backends::new()
            .with("only", "only", server)
            .start_with(|builder| builder.with_tool_search(ToolSearch::new()))
            .await;
        Self {
            gateway,
            _fixture: fixture,
        }
    }

    async fn legacy(&self) -> Legacy {
        Legacy::begin(&self.gateway.url, "alice", json!({ "elicitation": {} })).await
    }

    fn modern(&self) -> Wire {
        let token = HeaderValue::from_static("Bearer alice");
        Wire::new(&self.gateway.url).with_header(AUTHORIZATION, token)
    }

    /// Waits until a count of the calls of `slow` is one.
    async fn one(&self, count: &str) {
        let end = Instant::now() + SOON;
        loop {
            let reply = self.modern().call("only__slow_counts", json!({})).await;
            let counts = reply.unwrap().answer()["result"]["structuredContent"].clone();
            if counts[count] == 1 {
                return;
            }
            assert!(Instant::now() < end, "{count} is not one: {counts}");
            sleep(Duration::from_millis(10)).await;
        }
    }
}

/// The parameters of a call of `run_tool`.
fn run(tool: &str, arguments: &Value) -> Value {
    let arguments = json!({ "tool_name": format!("only__{tool}"), "tool_args": arguments });
    json!({ "name": "run_tool", "arguments": arguments })
}

/// An answer to the question of `test_elicitation`.
pub(super) fn accepted() -> Value {
    json!({ "action": "accept", "content": { "username": "zoe", "email": "a@b.c" } })
}

#[track_caller]
fn assert_answered(answer: &Value) {
    let text = answer["result"]["content"][0]["text"].as_str();
    let text = text.unwrap_or_else(|| panic!("{answer}"));
    assert!(text.contains("zoe"), "{text}");
}

#[tokio::test]
async fn the_target_asks_a_legacy_client() {
    for era in [Era::Legacy, Era::Modern] {
        let harness = Harness::new(era).await;
        let client = harness.legacy().await;
        let params = run("test_elicitation", &json!({ "message": "your name?" }));
        let mut stream = client.request(&json!(1), "tools/call", &params).await;
        let question = stream.next().await.unwrap();
        assert_eq!(question["method"], "elicitation/create", "{question}");
        assert_eq!(question["params"]["message"], "your name?");
        let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": accepted() });
        assert_eq!(client.tell(&answer).await, 202);
        assert_answered(&stream.next().await.unwrap());
    }
}

#[tokio::test]
async fn the_target_asks_a_modern_client() {
    for era in [Era::Legacy, Era::Modern] {
        let harness = Harness::new(era).await;
        let mut params = run("test_elicitation", &json!({ "message": "your name?" }));
        let capabilities = json!({ "elicitation": {} });
        params["_meta"] = json!({ "io.modelcontextprotocol/clientCapabilities": capabilities });
        let client = harness.modern();
        let reply = client.request("tools/call", params.clone()).await.unwrap();
        let result = reply.answer()["result"].clone();
        assert_eq!(result["resultType"], "input_required", "{result}");
        let requests = result["inputRequests"].as_object().unwrap();
        let (key, request) = requests.iter().next().unwrap();
        assert_eq!(request["params"]["message"], "your name?");
        params["inputResponses"] = json!({ key: accepted() });
        params["requestState"] = result["requestState"].clone();
        let reply = client.request("tools/call", params).await.unwrap();
        assert_answered(&reply.answer());
    }
}

#[tokio::test]
async fn progress_of_the_target_has_the_token_of_the_client() {
    for era in [Era::Legacy, Era::Modern] {
        let harness = Harness::new(era).await;
        let mut params = run("test_tool_with_progress", &json!({}));
        params["_meta"] = json!({ "progressToken": "mine" });
        let client = harness.legacy().await;
        let mut stream = client.request(&json!(1), "tools/call", &params).await;
        let mut messages = Vec::new();
        while let Some(message) = stream.next().await {
            let is_last = message["result"].is_object();
            messages.push(message);
            if is_last {
                break;
            }
        }
        let reply = harness
            .modern()
            .request("tools/call", params)
            .await
            .unwrap();
        let modern = reply
            .messages()
            .into_iter()
            .map(|text| serde_json::from_str(text).unwrap());
        for messages in [messages, modern.collect::<Vec<Value>>()] {
            let progress = messages
                .iter()
                .filter(|it| it["method"] == "notifications/progress");
            let tokens: Vec<_> = progress.map(|it| &it["params"]["progressToken"]).collect();
            assert_eq!(tokens, ["mine", "mine", "mine"], "{messages:?}");
        }
    }
}

#[tokio::test]
async fn cancelling_cancels_the_target() {
    for era in [Era::Legacy, Era::Modern] {
        let slow = run("slow", &json!({ "seconds": 600 }));
        let harness = Harness::new(era).await;
        let client = harness.legacy().await;
        let id = json!(7);
        let (stream, ()) = tokio::join!(client.request(&id, "tools/call", &slow), async {
            harness.one("started").await;
            let cancelled = json!({ "requestId": 7 });
            client.notify("notifications/cancelled", cancelled).await;
        });
        drop(stream);
        harness.one("cancelled").await;

        let harness = Harness::new(era).await;
        let client = harness.modern();
        tokio::select! {
            reply = client.request("tools/call", slow) => panic!("{reply:?}"),
            () = harness.one("started") => {}
        }
        harness.one("cancelled").await;
    }
}
