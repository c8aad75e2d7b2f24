//! A search instead of a list of tools, at the program.

use serde_json::{Value, json};

use super::harness::{Folder, Gateway};

const CONFIG: &str = "
servers: [{ name: demo, builtin: demo }]
gateways: [{ name: all, exposure: search, visibleTools: [demo__echo] }]
auth:
  tokens: [{ name: olga, token: { env: MCP_GATEWAY_TOKEN } }]
policy:
  rules:
    - { name: time, effect: deny, tools: [current_time] }
    - { name: sums, effect: deny, tools: [add], reason: sums above 10 are not for you, when: arguments.a + arguments.b > 10 }
";

async fn start(folder: &Folder) -> Gateway {
    let file = folder.write("gateway.yaml", CONFIG);
    let env = [("MCP_GATEWAY_TOKEN", "the-token-of-olga-is-this")];
    Gateway::serve_with(&file, &env).await
}

/// Returns the names of the tools that a search for `query` finds.
async fn found(gateway: &Gateway, query: &str) -> Vec<String> {
    let answer = gateway
        .call("search_tools", json!({ "query": query }))
        .await;
    let tools = &answer["result"]["structuredContent"]["tools"];
    let tools = tools
        .as_array()
        .unwrap_or_else(|| panic!("{answer}"))
        .iter();
    tools
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Calls a tool that has been found.
async fn run(gateway: &Gateway, tool: &str, arguments: Value) -> Value {
    let arguments = json!({ "tool_name": tool, "tool_args": arguments });
    gateway.call("run_tool", arguments).await
}

#[tokio::test]
async fn category_search_finds_what_can_be_called() {
    let folder = Folder::new();
    let gateway = start(&folder).await;
    let mut tools = gateway.tools().await;
    tools.sort_unstable();
    assert_eq!(tools, ["demo__echo", "run_tool", "search_tools"]);
    let session = gateway.initialize().await;
    assert_eq!(gateway.tools_in(&session).await.len(), 3);
    assert_eq!(found(&gateway, "add two numbers").await[0], "demo__add");
    let sum = run(&gateway, "demo__add", json!({ "a": 1, "b": 2 })).await;
    assert_eq!(sum["result"]["structuredContent"]["sum"], 3.0, "{sum}");
    // Rules decide about the target.
    let large = run(&gateway, "demo__add", json!({ "a": 10, "b": 2 })).await;
    assert!(
        large.to_string().contains("sums above 10 are not for you"),
        "{large}"
    );
    let found = found(&gateway, "current time").await;
    assert!(
        !found.contains(&"demo__current_time".to_owned()),
        "{found:?}"
    );
    let hidden = run(&gateway, "demo__current_time", json!({})).await;
    let unknown = run(&gateway, "demo__nothing", json!({})).await;
    let without_name = |answer: &Value| {
        answer
            .to_string()
            .replace("demo__current_time", "demo__nothing")
    };
    assert_eq!(without_name(&hidden), unknown.to_string());
    // Wrong arguments do not show its schema.
    let mistaken = run(&gateway, "demo__current_time", json!({ "offset": [] })).await;
    assert_eq!(without_name(&mistaken), unknown.to_string());
    let nothing = gateway
        .call("search_tools", json!({ "query": "zebra" }))
        .await;
    let hint = &nothing["result"]["structuredContent"]["hint"];
    assert!(hint.to_string().contains("demo ("), "{nothing}");
    let without = gateway.call("search_tools", json!({})).await;
    assert!(
        without.to_string().contains("must say in words"),
        "{without}"
    );
    // Wrong arguments are answered with the schema.
    let wrong = run(&gateway, "demo__add", json!({ "a": 1 })).await;
    assert_eq!(wrong["result"]["isError"], true, "{wrong}");
    assert!(wrong.to_string().contains("properties"), "{wrong}");
}

#[tokio::test]
async fn progress_is_that_of_the_target() {
    let folder = Folder::new();
    let gateway = start(&folder).await;
    let arguments = json!({ "tool_name": "demo__wait", "tool_args": { "seconds": 2 } });
    let reply = gateway
        .begin("run_tool", arguments)
        .await
        .reply()
        .await
        .unwrap();
    let text = &reply.answer()["result"]["content"][0]["text"];
    assert_eq!(text, "Waited for 2 seconds", "{reply:?}");
    // Metrics and the audit log name the target.
    let (_, metrics) = gateway
        .get_with("/metrics", "the-token-of-olga-is-this")
        .await;
    assert!(!metrics.contains("run_tool"), "{metrics}");
    assert!(metrics.contains("wait"), "{metrics}");
}
