//! Rules about calls, at the program.

use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::api::request;
use super::harness::{Folder, Gateway, eventually, run};

const CONFIG: &str = "
servers: [{ name: demo, builtin: demo }]
auth:
  tokens:
    - { name: olga, token: { env: MCP_GATEWAY_TOKEN }, teams: [ops] }
    - { name: bob, token: { env: BOB } }
policy:
  rules:
    - { name: ops, effect: allow, teams: [ops] }
    - { name: waiting, effect: deny, tools: [wait] }
    - { name: greeting, effect: approve, tools: [greet] }
    - { name: sums, effect: deny, tools: [add], reason: sums above 10 are for ops, when: arguments.a + arguments.b > 10 }
";

const OLGA: &str = "the-token-of-olga-is-this";
const BOB: &str = "the-token-of-bob-is-this";

/// Returns the names of the tools that the bearer of `token` lists.
async fn tools(gateway: &Gateway, token: &str) -> Vec<String> {
    let wire = gateway.wire_with(Some(token));
    let reply = wire.request("tools/list", json!({})).await.unwrap();
    let answer = reply.answer();
    let tools = answer["result"]["tools"].as_array().unwrap().iter();
    tools
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

async fn call(gateway: &Gateway, token: &str, tool: &str, arguments: Value) -> Value {
    let wire = gateway.wire_with(Some(token));
    wire.call(tool, arguments).await.unwrap().answer()
}

#[tokio::test]
async fn the_first_call_of_a_denied_tool_has_the_reason_and_a_record() {
    let folder = Folder::new();
    let store = folder.path("gateway.db");
    let config = format!(
        "store: {{ sqlite: {store} }}\naudit: {{}}\nservers: [{{ name: demo, builtin: demo }}]\n\
         auth: {{ tokens: [{{ name: olga, token: {{ env: MCP_GATEWAY_TOKEN }}, admin: true }}] }}\n\
         policy: {{ rules: [{{ name: sums, effect: deny, tools: [add], reason: finance adds }}] }}\n"
    );
    let file = folder.write("gateway.yaml", &config);
    let gateway = Gateway::serve_with(&file, &[("MCP_GATEWAY_TOKEN", OLGA)]).await;
    let denied = call(&gateway, OLGA, "demo__add", json!({ "a": 1, "b": 2 })).await;
    assert!(denied.to_string().contains("finance adds"), "{denied}");
    let other = call(&gateway, OLGA, "demo__ADD", json!({ "a": 1, "b": 2 })).await;
    assert_eq!(other["error"]["data"]["reason"], "unknown_tool", "{other}");
    let token = format!("Bearer {OLGA}");
    eventually(async || {
        let path = ("GET", "/audit?limit=100");
        let found = request(&gateway, path, &[(AUTHORIZATION, &token)], Value::Null).await;
        let calls = found.body["items"].as_array().unwrap().iter();
        let calls: Vec<_> = calls.map(Value::to_string).collect();
        let of_tool: Vec<_> = calls
            .iter()
            .filter(|call| call.contains("\"target\":\"add\""))
            .collect();
        of_tool.len() == 1 && of_tool[0].contains("denied")
    })
    .await;
}

#[tokio::test]
async fn rules_decide_about_lists_and_calls() {
    let folder = Folder::new();
    let file = folder.write("gateway.yaml", CONFIG);
    let gateway = Gateway::serve_with(&file, &[("MCP_GATEWAY_TOKEN", OLGA), ("BOB", BOB)]).await;
    assert!(
        tools(&gateway, OLGA)
            .await
            .contains(&"demo__wait".to_owned())
    );
    let listed = tools(&gateway, BOB).await;
    assert!(!listed.contains(&"demo__wait".to_owned()), "{listed:?}");
    assert!(listed.contains(&"demo__add".to_owned()), "{listed:?}");

    let hidden = call(&gateway, BOB, "demo__wait", json!({ "seconds": 0 })).await;
    let unknown = call(&gateway, BOB, "demo__nothing", json!({})).await;
    assert_eq!(hidden["error"]["code"], unknown["error"]["code"]);
    let sum = call(&gateway, BOB, "demo__add", json!({ "a": 1, "b": 2.5 })).await;
    assert_eq!(sum["result"]["structuredContent"]["sum"], 3.5, "{sum}");
    let large = call(&gateway, BOB, "demo__add", json!({ "a": 10, "b": 2.5 })).await;
    assert_eq!(large["result"]["isError"], true, "{large}");
    assert!(
        large.to_string().contains("sums above 10 are for ops"),
        "{large}"
    );
    let sum = call(&gateway, OLGA, "demo__add", json!({ "a": 10, "b": 2.5 })).await;
    assert_eq!(sum["result"]["structuredContent"]["sum"], 12.5, "{sum}");
    let greeting = call(&gateway, BOB, "demo__greet", json!({})).await;
    assert!(
        greeting.to_string().contains("requires approval"),
        "{greeting}"
    );

    // A condition that fails rejects the call, and its values are not logged.
    let odd = call(
        &gateway,
        BOB,
        "demo__add",
        json!({ "a": "a-secret-value", "b": 1 }),
    )
    .await;
    assert!(odd.to_string().contains("could not be evaluated"), "{odd}");
    assert!(gateway.stderr().contains("rule failed to evaluate"));
    assert!(!gateway.stderr().contains("a-secret-value"));
}

#[tokio::test]
async fn changed_rules_reach_open_sessions() {
    let folder = Folder::new();
    let file = folder.write("gateway.yaml", CONFIG);
    let gateway = Gateway::serve_with(&file, &[("MCP_GATEWAY_TOKEN", OLGA), ("BOB", BOB)]).await;
    let session = gateway.initialize().await;
    assert!(
        gateway
            .tools_in(&session)
            .await
            .contains(&"demo__wait".to_owned())
    );
    gateway
        .hears(&session, "notifications/tools/list_changed", async {
            folder.write(
                "gateway.yaml",
                &CONFIG.replace(
                    "teams: [ops] }\n    - { name: w",
                    "teams: [none] }\n    - { name: w",
                ),
            );
        })
        .await;
    eventually(async || {
        !gateway
            .tools_in(&session)
            .await
            .contains(&"demo__wait".to_owned())
    })
    .await;
}

#[tokio::test]
async fn a_policy_is_tested_and_explained_without_a_gateway() {
    let folder = Folder::new();
    let file = folder.write(
        "gateway.yaml",
        &CONFIG.replace("{ env: MCP_GATEWAY_TOKEN }", "{ env: MISSING }"),
    );
    let cases = "cases: [
        { name: waiting, tool: demo/wait, annotations: {}, expect: deny, rule: waiting },
        { name: ops wait, tool: demo/wait, annotations: {}, caller: { teams: [ops] }, expect: deny },
    ]";
    let cases = folder.write("cases.yaml", cases);
    let done = run(&["policy", "test", &cases, "--config", &file]).await;
    assert_eq!(done.code, Some(1), "{done:?}");
    let expected = "ops wait: expected deny, but ops decides allow\n1 of 2 cases as expected\n";
    assert_eq!(done.stdout, expected);
    let line = [
        "policy",
        "explain",
        "demo/add",
        "--arguments",
        r#"{"a":11,"b":0}"#,
        "--config",
        &file,
    ];
    let done = run(&line).await;
    assert_eq!(done.code, Some(0), "{done:?}");
    let expected = "ops: is for other callers\nsums: decides\nThe call is rejected: sums above 10 are for ops\n";
    assert_eq!(done.stdout, expected);
    let mistake = CONFIG.replace("arguments.a +", "arguments.a - caller.team +");
    let file = folder.write("mistake.yaml", &mistake);
    let done = run(&["check", &file]).await;
    assert!(
        done.stdout.contains("unknown field `caller.team`"),
        "{done:?}"
    );
}
