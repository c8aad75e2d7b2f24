//! Scripts instead of single calls, at the program.

use serde_json::{Value, json};

use super::harness::{Folder, Gateway, eventually};

const CONFIG: &str = "
servers: [{ name: demo, builtin: demo }, { name: my-files, builtin: demo }]
gateways: [{ name: all, exposure: code, visibleTools: [demo__echo] }]
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

/// Runs a script, and returns its result.
async fn run(gateway: &Gateway, code: &str) -> Value {
    let answer = gateway.call("run_code", json!({ "code": code })).await;
    answer["result"].clone()
}

/// Runs a script, and returns the text of its result.
async fn text(gateway: &Gateway, code: &str) -> String {
    let result = run(gateway, code).await;
    let text = result["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("{result}")).to_owned()
}

#[tokio::test]
async fn a_script_calls_tools_in_both_eras() {
    let folder = Folder::new();
    let gateway = start(&folder).await;
    let mut tools = gateway.tools().await;
    tools.sort_unstable();
    assert_eq!(tools, ["demo__echo", "run_code", "search_tools"]);
    let code = "const all = await Promise.all([1, 2, 3].map((n) => tools.demo.add({ a: n, b: n }))); \
        console.log('done'); return all.map((it) => it.sum)";
    let result = run(&gateway, code).await;
    assert_eq!(result["content"][0]["text"], "[2,4,6]", "{result}");
    assert_eq!(result["content"][1]["text"], "Console:\ndone", "{result}");
    assert_eq!(result["resultType"], "complete", "{result}");
    assert_eq!(
        text(
            &gateway,
            "return (await tools.my_files.add({ a: 1, b: 1 })).sum"
        )
        .await,
        "2"
    );

    let session = gateway.initialize().await;
    let params = json!({ "name": "run_code", "arguments": { "code": code } });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let headers = [("mcp-session-id", &*session)];
    let reply = gateway
        .wire()
        .post(body.to_string(), &headers)
        .await
        .unwrap();
    assert_eq!(
        reply.answer()["result"]["content"][0]["text"],
        "[2,4,6]",
        "{reply:?}"
    );
}

#[tokio::test]
async fn functions_are_found_with_their_types() {
    let folder = Folder::new();
    let gateway = start(&folder).await;
    let found = gateway
        .call("search_tools", json!({ "query": "add numbers" }))
        .await;
    let declaration = &found["result"]["structuredContent"]["tools"][0]["declaration"];
    let declaration = declaration.as_str().unwrap_or_else(|| panic!("{found}"));
    assert!(declaration.contains(".add(input: { a: number"), "{found}");
    let found = gateway
        .call("search_tools", json!({ "query": "current time" }))
        .await;
    assert!(!found.to_string().contains("current_time("), "{found}");
}

#[tokio::test]
async fn category_code_calls_of_a_script_pass_the_policy() {
    let folder = Folder::new();
    let gateway = start(&folder).await;
    let large = text(
        &gateway,
        "await tools.demo.add({ a: 1, b: 1 }); await tools.demo.add({ a: 10, b: 2 })",
    )
    .await;
    assert!(large.contains("sums above 10 are not for you"), "{large}");
    assert!(
        large.contains("calls: demo.add, demo.add (failed)"),
        "{large}"
    );
    // What the caller may not see has no function.
    let hidden = text(&gateway, "await tools.demo.current_time({})").await;
    let unknown = text(&gateway, "await tools.demo.nothing_time({})").await;
    assert_eq!(hidden.replace("current", "nothing"), unknown);
    // A tool of the list is no way around the script's limits, and `run_tool` does not exist.
    let run_tool = json!({ "tool_name": "demo__add", "tool_args": { "a": 1, "b": 1 } });
    let answer = gateway.call("run_tool", run_tool).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let wrong = text(&gateway, "await tools.demo.add({ a: 1 })").await;
    assert!(wrong.contains("properties"), "{wrong}");
    // Metrics of tools count the calls of the tool, those of requests the one of the client.
    let (_, metrics) = gateway
        .get_with("/metrics", "the-token-of-olga-is-this")
        .await;
    let has = |metric: &str, tool: &str| {
        let mut lines = metrics.lines().filter(|line| line.starts_with(metric));
        lines.any(|line| line.contains(&format!("\"{tool}\"")))
    };
    assert!(has("mcp_tool_calls_total", "add"), "{metrics}");
    assert!(!has("mcp_tool_", "run_code"), "{metrics}");
    assert!(
        has("mcp_server_operation_duration_seconds_count", "run_code"),
        "{metrics}"
    );
}

#[tokio::test]
async fn the_client_follows_and_cancels_a_script() {
    let folder = Folder::new();
    let gateway = start(&folder).await;
    let code =
        "await tools.demo.echo({ text: 'a' }); await tools.demo.wait({ seconds: 1 }); return 'end'";
    let reply = gateway.begin("run_code", json!({ "code": code })).await;
    let reply = reply.reply().await.unwrap();
    let progress = reply
        .messages()
        .iter()
        .filter(|it| it.contains("notifications/progress"))
        .count();
    assert_eq!(progress, 2, "{reply:?}");
    assert_eq!(reply.answer()["result"]["content"][0]["text"], "end");
    eventually(async || gateway.children().is_empty()).await;

    let code = "await tools.demo.echo({ text: 'a' }); await tools.demo.wait({ seconds: 50 })";
    let reply = gateway.begin("run_code", json!({ "code": code })).await;
    assert_eq!(gateway.children().len(), 1);
    drop(reply);
    eventually(async || gateway.children().is_empty()).await;
}

#[tokio::test]
async fn scripts_of_a_caller_are_bounded_and_end_with_the_gateway() {
    let folder = Folder::new();
    let mut gateway = start(&folder).await;
    let code = "await tools.demo.echo({ text: 'a' }); await tools.demo.wait({ seconds: 50 })";
    let mut running = Vec::new();
    for _ in 0..4 {
        running.push(gateway.begin("run_code", json!({ "code": code })).await);
    }
    let refused = text(&gateway, "return 1").await;
    assert!(refused.contains("4 of your scripts"), "{refused}");
    drop(running.pop());
    eventually(async || text(&gateway, "return 1").await == "1").await;
    let children = gateway.children();
    gateway.signal(rustix::process::Signal::TERM);
    // Two signals at once are one.
    eventually(async || gateway.stderr().contains("shutting down")).await;
    gateway.signal(rustix::process::Signal::TERM);
    gateway.finish().await;
    eventually(async || children.iter().all(|child| !child.lives())).await;
}
