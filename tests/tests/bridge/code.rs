//! Calls of scripts, by clients and servers of both eras.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_core::Sealer;
use mcp_gateway_core::era::ParkedCalls;
use mcp_gateway_core::layer::dispatch::ToolSearch;
use mcp_gateway_core::observe::{CallReport, Observer};
use mcp_gateway_core::protocol::Method;
use mcp_gateway_core::script::{Script, ScriptCall, ScriptError, ScriptOutcome, ScriptRunner};
use mcp_gateway_tests::fixture::Era;
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::sync::mpsc::UnboundedSender;

use super::client::Legacy;
use super::search::{SOON, accepted};

/// Runs a source that is the name of a function: it is called twice, one after the other.
#[derive(Debug)]
struct Twice;

#[async_trait]
impl ScriptRunner for Twice {
    async fn run(&self, script: Script, calls: UnboundedSender<ScriptCall>) -> ScriptOutcome {
        assert!(
            script.tools["only"].contains(&script.source),
            "{:?}",
            script.tools
        );
        let mut result = Ok(String::new());
        for _ in 0..2 {
            let arguments = json!({ "message": "your name?", "seconds": 600 });
            let (call, answer) = ScriptCall::new("only", &*script.source, arguments.to_string());
            calls.send(call).unwrap();
            result = answer.await.unwrap();
        }
        ScriptOutcome::new(result.map_err(ScriptError::Failed), String::new())
    }
}

/// Names of the tools that are called.
#[derive(Debug, Default)]
struct Called(Mutex<Vec<String>>);

impl Observer for Called {
    fn on_call_end(&self, call: &CallReport<'_>) {
        if call.method == &Method::ToolsCall {
            let name = call.requested.name().unwrap_or_default().to_owned();
            self.0.lock().unwrap().push(name);
        }
    }
}

struct Harness {
    gateway: TestGateway,
    called: Arc<Called>,
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
        let called = Arc::new(Called::default());
        let search = ToolSearch::new()
            .with_scripts()
            .with_script_runner(Arc::new(Twice));
        let gateway = Backends::new()
            .with("only", "only", server)
            .with_observer(called.clone())
            .start_with(|builder| builder.with_tool_search(search))
            .await;
        Self {
            gateway,
            called,
            _fixture: fixture,
        }
    }

    fn modern(&self) -> Wire {
        let token = HeaderValue::from_static("Bearer alice");
        Wire::new(&self.gateway.url).with_header(AUTHORIZATION, token)
    }
}

fn run(function: &str) -> Value {
    json!({ "name": "run_code", "arguments": { "code": function } })
}

#[tokio::test]
async fn questions_during_a_script_reach_a_client_with_a_session() {
    for era in [Era::Legacy, Era::Modern] {
        let harness = Harness::new(era).await;
        let client =
            Legacy::begin(&harness.gateway.url, "alice", json!({ "elicitation": {} })).await;
        let params = run("test_elicitation");
        let mut stream = client.request(&json!(1), "tools/call", &params).await;
        for _ in 0..2 {
            let question = stream.next().await.unwrap();
            assert_eq!(question["params"]["message"], "your name?", "{question}");
            let answer = json!({ "jsonrpc": "2.0", "id": question["id"], "result": accepted() });
            assert_eq!(client.tell(&answer).await, 202);
        }
        let answer = stream.next().await.unwrap();
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("zoe"), "{answer}");
        let called = harness.called.0.lock().unwrap().clone();
        assert_eq!(called, ["test_elicitation", "test_elicitation"]);
    }
}

#[tokio::test]
async fn a_question_to_a_modern_client_is_an_exception() {
    for era in [Era::Legacy, Era::Modern] {
        let harness = Harness::new(era).await;
        let mut params = run("test_elicitation");
        let capabilities = json!({ "elicitation": {} });
        params["_meta"] = json!({ "io.modelcontextprotocol/clientCapabilities": capabilities });
        let answer = harness
            .modern()
            .request("tools/call", params)
            .await
            .unwrap()
            .answer();
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        let text = answer["result"]["content"][0]["text"].as_str().unwrap();
        assert!(text.contains("asks the user"), "{answer}");
        assert!(text.contains("only.test_elicitation (failed)"), "{answer}");
    }
}

#[tokio::test]
async fn the_client_follows_the_calls_of_a_script() {
    let harness = Harness::new(Era::Modern).await;
    let mut params = run("test_simple_text");
    params["_meta"] = json!({ "progressToken": 7 });
    let reply = harness
        .modern()
        .request("tools/call", params)
        .await
        .unwrap();
    let messages = reply.messages().into_iter();
    let messages: Vec<Value> = messages
        .map(|text| serde_json::from_str(text).unwrap())
        .collect();
    let progress: Vec<_> = messages
        .iter()
        .filter(|it| it["method"] == "notifications/progress")
        .map(|it| {
            (
                it["params"]["progressToken"].clone(),
                it["params"]["progress"].clone(),
            )
        })
        .collect();
    assert_eq!(
        progress,
        [(json!(7), json!(1)), (json!(7), json!(2))],
        "{messages:?}"
    );
    assert!(reply.answer()["result"]["content"].is_array());
}
