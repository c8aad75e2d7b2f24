//! Approval of calls, at the program.

use std::time::Duration;

use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::process::Process;
use serde_json::{Value, json};

use super::harness::{Folder, Gateway};

const CONFIG: &str = "
servers: [{ name: demo, builtin: demo }]
gateways: [{ name: all }, { name: found, exposure: search }]
auth:
  tokens: [{ name: olga, token: { env: MCP_GATEWAY_TOKEN } }]
policy:
  rules:
    - { name: sums, effect: approve, tools: [add], reason: sums are final }
    - { name: greetings, effect: approve, tools: [greet] }
    - { name: echoes, effect: approve, tools: [echo], approvers: { roles: [auditor] }, timeout: 2s }
";

const TOKEN: &str = "the-token-of-olga-is-this";

async fn start(folder: &Folder) -> Gateway {
    let file = folder.write("gateway.yaml", CONFIG);
    Gateway::serve_with(&file, &[("MCP_GATEWAY_TOKEN", TOKEN)]).await
}

/// Calls a tool as a client that can ask its user, with `more` parameters.
async fn ask(gateway: &Gateway, path: &str, mut params: Value, more: &Value) -> Value {
    for (key, value) in more.as_object().unwrap() {
        params[key] = value.clone();
    }
    let capabilities = json!({ "elicitation": { "form": {} } });
    params["_meta"] = json!({ "io.modelcontextprotocol/clientCapabilities": capabilities });
    let reply = gateway.wire_at(path).request("tools/call", params).await;
    reply.unwrap().answer()["result"].take()
}

/// Returns the parameters with which a user who confirms the call retries it.
fn confirmed(asked: &Value) -> Value {
    let answer = json!({ "action": "accept", "content": { "approve": true } });
    json!({ "requestState": asked["requestState"], "inputResponses": { "approve": answer } })
}

#[tokio::test]
async fn a_confirmed_call_runs_once_by_both_routes() {
    let folder = Folder::new();
    let gateway = start(&folder).await;
    let arguments = json!({ "a": 1, "b": 2 });
    let direct = json!({ "name": "demo__add", "arguments": arguments });
    let run = json!({ "tool_name": "demo__add", "tool_args": arguments });
    let run = json!({ "name": "run_tool", "arguments": run });
    for (path, call) in [("/mcp", direct), ("/v1/mcp/found", run)] {
        let asked = ask(&gateway, path, call.clone(), &json!({})).await;
        let question = &asked["inputRequests"]["approve"]["params"]["message"];
        let question = question.as_str().unwrap_or_else(|| panic!("{asked}"));
        for part in ["\"add\"", "\"demo\"", r#"{"a":1,"b":2}"#, "sums are final"] {
            assert!(question.contains(part), "{question}");
        }
        let sum = ask(&gateway, path, call.clone(), &confirmed(&asked)).await;
        assert_eq!(sum["structuredContent"]["sum"], 3.0, "{sum}");
        let again = ask(&gateway, path, call, &confirmed(&asked)).await;
        assert!(again["inputRequests"]["approve"].is_object(), "{again}");
    }
}

#[tokio::test]
async fn a_call_that_nobody_approves_does_not_run() {
    let folder = Folder::new();
    let gateway = start(&folder).await;
    // The client cannot ask its user.
    let sum = gateway.call("demo__add", json!({ "a": 1, "b": 2 })).await;
    let problem = &sum["result"]["_meta"]["mcp-gateway/problem"];
    assert_eq!(problem["reason"], "approval_required", "{sum}");
    assert!(problem["approval"].is_string(), "{sum}");
    // The time is over.
    let echo = json!({ "name": "demo__echo", "arguments": { "text": "x" } });
    let late = ask(&gateway, "/mcp", echo, &json!({})).await;
    let problem = &late["_meta"]["mcp-gateway/problem"];
    assert_eq!(problem["reason"], "approval_expired", "{late}");
    assert!(!gateway.stderr().contains("panicked"));
}

/// Returns what the Python SDK sees of a call of `greet`, whose server has a question of its own.
async fn greeted(gateway: &Gateway, venv: &str, era: &str, action: &str) -> Value {
    let environment = Environment::installed().await.unwrap();
    let venv = match venv {
        "py1" => &environment.py1,
        _ => &environment.py2,
    };
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/clients/client.py");
    let step = json!({ "do": "call", "name": "demo__greet", "action": action });
    let scripts = json!({ "s": { "declares": ["elicitation"], "steps": [step] } });
    let mut command = environment.python(venv, "python");
    command.args([
        "-W",
        "ignore",
        script,
        &format!("{}/mcp", gateway.url),
        TOKEN,
        era,
    ]);
    command.arg(scripts.to_string());
    let mut process = Process::start(command).unwrap();
    let line = process.line(Duration::from_secs(60)).await.unwrap();
    serde_json::from_str(&line).unwrap()
}

#[tokio::test]
async fn users_of_the_python_sdk_confirm_a_call_and_answer_its_server() {
    let folder = Folder::new();
    let gateway = start(&folder).await;
    for (venv, era) in [("py1", "legacy"), ("py2", "legacy"), ("py2", "modern")] {
        let seen = greeted(&gateway, venv, era, "accept").await.to_string();
        for part in ["Hello, my name!", "Run the tool", "Your name"] {
            assert!(seen.contains(part), "{venv}, {era}: {seen}");
        }
        let seen = greeted(&gateway, venv, era, "decline").await.to_string();
        assert!(seen.contains("declined"), "{venv}, {era}: {seen}");
        assert!(!seen.contains("Your name"), "{venv}, {era}: {seen}");
    }
}
