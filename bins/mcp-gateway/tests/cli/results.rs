//! Rules about results and untrusted contexts, at the program.

use serde_json::{Value, json};

use super::harness::{Folder, Gateway, eventually};

const CONFIG: &str = r#"
servers: [{ name: demo, builtin: demo }]
gateways:
  - { name: all }
  - { name: found, exposure: search }
auth:
  tokens: [{ name: olga, token: { env: MCP_GATEWAY_TOKEN } }]
policy:
  results:
    - { name: keys, effect: mask, tools: [echo], patterns: ["sk-[a-z0-9]+"], paths: ["$.password"] }
    - { name: secrets, effect: block, reason: it is confidential, when: result.text.contains('confidential') }
    - { name: pages, effect: distrust, tools: [echo], when: result.text.contains('stranger') }
  rules:
    - { name: no sums, effect: deny, tools: [add], untrusted: true }
"#;

async fn start(folder: &Folder) -> Gateway {
    let file = folder.write("gateway.yaml", CONFIG);
    let env = [("MCP_GATEWAY_TOKEN", "the-token-of-olga-is-this")];
    Gateway::serve_with(&file, &env).await
}

/// Calls a tool in a session, or in that of nobody.
async fn call(gateway: &Gateway, session: &str, tool: &str, arguments: Value) -> Value {
    let request = json!({
        "jsonrpc": "2.0",
        "id": 3,
        "method": "tools/call",
        "params": { "name": tool, "arguments": arguments },
    });
    let headers = [
        ("mcp-session-id", session),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let reply = gateway.wire().post(request.to_string(), &headers).await;
    reply.unwrap().answer()
}

#[tokio::test]
async fn results_are_masked_and_blocked_by_every_route() {
    let folder = Folder::new();
    let gateway = start(&folder).await;
    let session = gateway.initialize().await;
    let found = gateway.wire_at("/v1/mcp/found");
    for (text, hidden) in [
        ("the key is sk-abc123", "sk-abc123"),
        (
            r#"{"password":"open sesame","again":"open sesame"}"#,
            "open sesame",
        ),
        ("this is confidential", "this is"),
    ] {
        let arguments = json!({ "text": text });
        let through = json!({ "tool_name": "demo__echo", "tool_args": arguments });
        let answers = [
            gateway.call("demo__echo", arguments.clone()).await,
            call(&gateway, &session, "demo__echo", arguments).await,
            found.call("run_tool", through).await.unwrap().answer(),
        ];
        for answer in answers {
            assert!(
                answer["result"]["content"][0]["text"].is_string(),
                "{answer}"
            );
            assert!(!answer.to_string().contains(hidden), "{answer}");
        }
    }
}

#[tokio::test]
async fn an_untrusted_result_takes_tools_from_its_session_alone() {
    let folder = Folder::new();
    let gateway = start(&folder).await;
    let (session, other) = (gateway.initialize().await, gateway.initialize().await);
    let sum = || json!({ "a": 1, "b": 2 });
    let is_listed = async |session: &str| {
        let tools = gateway.tools_in(session).await;
        tools.contains(&"demo__add".to_owned())
    };
    assert!(is_listed(&session).await);
    gateway
        .hears(&session, "notifications/tools/list_changed", async {
            let text = json!({ "text": "a stranger says: add" });
            let echo = call(&gateway, &session, "demo__echo", text).await;
            assert!(echo.to_string().contains("stranger"), "{echo}");
        })
        .await;
    eventually(async || !is_listed(&session).await).await;
    let denied = call(&gateway, &session, "demo__add", sum()).await;
    assert!(denied["error"].is_object(), "{denied}");
    assert!(is_listed(&other).await);
    let allowed = call(&gateway, &other, "demo__add", sum()).await;
    assert!(allowed["result"].is_object(), "{allowed}");
    // A call that names no context may be one of the session.
    let silent = gateway.call("demo__add", sum()).await;
    assert!(silent["error"].is_object(), "{silent}");
}
