//! Results of tools that exceed their budget.

use mcp_gateway_core::results::{Overflow, Projection, ResultBudget, ResultBudgets};
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::script::{self, ReceivedRequest, Scripted, Steps, document, events};
use serde_json::{Value, json};

use super::client::Client;
use super::harness::ERAS;

/// Maximum size of a result.
const MAX: usize = 2048;

/// The whole text of the tool `text`, beyond what the gateway reads before it forwards a response.
fn text() -> String {
    "Zeile äöü \"quoted\"\n".repeat(5000)
}

/// A server whose tools return large results.
fn results(asked: &ReceivedRequest, modern: bool) -> Steps {
    let items: Vec<_> = (0..200)
        .map(|id| json!({ "id": id, "name": "n" }))
        .collect();
    let structured = json!({ "items": items });
    let block = |text: &str| json!({ "type": "text", "text": text });
    let result = match (asked.method(), asked.tool()) {
        ("tools/list", _) => {
            let tool = |name: &str| {
                let schema = json!({ "type": "object" });
                json!({ "name": name, "inputSchema": schema, "outputSchema": schema })
            };
            let names = ["text", "fails", "short", "items", "image", "progress"];
            json!({ "tools": names.map(tool) })
        }
        ("tools/call", "text") => json!({ "content": [block(&text())] }),
        ("tools/call", "fails") => json!({ "content": [block(&text())], "isError": true }),
        ("tools/call", "short") => json!({ "content": [block("short")], "structuredContent": {} }),
        ("tools/call", "items") => json!({
            "content": [block(&structured.to_string())],
            "structuredContent": structured,
        }),
        ("tools/call", "image") => json!({
            "content": [{ "type": "image", "mimeType": "image/png", "data": "A".repeat(9000) }],
        }),
        ("tools/call", "progress") => {
            let progress = json!({
                "jsonrpc": "2.0",
                "method": "notifications/progress",
                "params": { "progressToken": asked.message["params"]["_meta"]["progressToken"], "progress": 1 },
            });
            let answer =
                asked.result(&json!({ "content": [block(&text())], "resultType": "complete" }));
            return events(format!("data: {progress}\n\ndata: {answer}\n\n"));
        }
        ("resources/list" | "resources/read", _) => {
            let error = json!({ "code": -32601, "message": "Method not found" });
            let id = &asked.message["id"];
            return document(&json!({ "jsonrpc": "2.0", "id": id, "error": error }));
        }
        _ => return script::declaring(asked, modern, &json!({ "tools": {} })),
    };
    let mut result = result;
    result["resultType"] = "complete".into();
    document(&asked.result(&result))
}

/// A gateway over the server `only`, without a prefix, or over two servers.
async fn gateway(modern: bool, several: bool, budgets: ResultBudgets) -> (TestGateway, Scripted) {
    let server = Scripted::start(move |asked| results(asked, modern))
        .await
        .unwrap();
    let reached = || remote("s", &server.url).build();
    let backends = match several {
        false => Backends::new().with("s", "", reached()),
        true => Backends::new().with("s", "s", reached()).with(
            "t",
            "t",
            remote("t", &server.url).build(),
        ),
    };
    (backends.with_results("s", budgets).start().await, server)
}

/// Runs `test` with clients and servers of both eras, and gateways of one and of two servers. It
/// receives the prefix of the tools.
async fn in_all_eras(budget: &ResultBudget, test: impl AsyncFn(&TestGateway, &Client, &str)) {
    for (server, several) in [(true, true), (true, false), (false, true), (false, false)] {
        let budgets = ResultBudgets::new(budget.clone());
        let (gateway, _server) = gateway(server, several, budgets).await;
        for modern in ERAS {
            let client = Client::new(&gateway, "alice", modern).await;
            let prefix = if several { "s__" } else { "" };
            test(&gateway, &client, prefix).await;
        }
    }
}

fn limited(overflow: Overflow) -> ResultBudget {
    ResultBudget::new()
        .with_max_bytes(MAX)
        .with_overflow(overflow)
}

/// The result in an answer, which is within its budget.
#[track_caller]
fn result(answer: &Value) -> &Value {
    let result = &answer["result"];
    assert!(result.is_object(), "{answer}");
    assert!(result.to_string().len() <= MAX, "{result}");
    result
}

fn shows_schema(list: &Value, tool: &str) -> bool {
    let tools = list["result"]["tools"].as_array().unwrap();
    let tool = tools.iter().find(|known| known["name"] == tool);
    tool.unwrap()["outputSchema"].is_object()
}

#[tokio::test]
async fn a_large_text_is_cut_with_a_note() {
    in_all_eras(&limited(Overflow::Cut), async |_, client, prefix| {
        for (tool, is_error) in [("text", false), ("fails", true), ("progress", false)] {
            let answer = client.call(&format!("{prefix}{tool}")).await;
            let result = result(&answer);
            let shown = result["content"][0]["text"].as_str().unwrap();
            assert!(text().starts_with(shown) && shown.len() > 1000, "{shown}");
            let left_out = text().len() - shown.len();
            let note = format!(
                "[{left_out} of {} bytes left out (limit {MAX} bytes).]",
                text().len()
            );
            assert_eq!(result["content"][1]["text"], note);
            assert_eq!(result["isError"] == true, is_error, "{tool}");
        }
        let answer = client.call(&format!("{prefix}image")).await;
        let note = "[image image/png: 9049 bytes, left out]";
        assert_eq!(result(&answer)["content"][0]["text"], note);
        let answer = client.call(&format!("{prefix}items")).await;
        assert!(
            result(&answer).get("structuredContent").is_none(),
            "{answer}"
        );
        let answer = client.call(&format!("{prefix}short")).await;
        assert_eq!(result(&answer)["structuredContent"], json!({}));
        let list = client.ask("tools/list", json!({})).await;
        assert!(!shows_schema(&list, &format!("{prefix}items")), "{list}");
        assert!(client.capabilities.get("resources").is_none());
    })
    .await;
}

#[tokio::test]
async fn the_whole_result_is_read_in_pieces() {
    in_all_eras(&limited(Overflow::Link), async |_, client, prefix| {
        let resources = &client.capabilities["resources"];
        assert!(resources.is_object(), "{}", client.capabilities);
        let list = client.ask("resources/list", json!({})).await;
        assert_eq!(list["result"]["resources"], json!([]), "{list}");
        for (tool, mime_type) in [("text", "text/plain"), ("items", "application/json")] {
            let answer = client.call(&format!("{prefix}{tool}")).await;
            let content = &result(&answer)["content"];
            let shown = content[0]["text"].as_str().unwrap();
            let note = content[1]["text"].as_str().unwrap();
            let link = &content[2];
            assert_eq!(
                (&link["type"], &link["mimeType"]),
                (&"resource_link".into(), &mime_type.into())
            );
            let uri = link["uri"].as_str().unwrap();
            assert!(
                note.contains(&format!("{uri}?offset={}", shown.len())),
                "{note}"
            );
            let (mut read, mut next) = (String::new(), Some(uri.to_owned()));
            while let Some(uri) = next {
                let answer = client.ask("resources/read", json!({ "uri": uri })).await;
                let piece = result(&answer);
                assert_eq!(piece["contents"][0]["uri"], uri);
                assert_eq!(piece["contents"][0]["mimeType"], mime_type);
                read += piece["contents"][0]["text"].as_str().unwrap();
                next = piece["_meta"]["mcp-gateway/piece"]["next"]
                    .as_str()
                    .map(str::to_owned);
                assert_eq!(piece["contents"][1]["uri"].as_str(), next.as_deref());
            }
            assert!(read.starts_with(shown));
            assert_eq!(Value::from(read.len()), link["size"]);
            assert!(tool != "text" || read == text());
        }
    })
    .await;
}

#[tokio::test]
async fn category_kept_results_are_for_their_caller_alone() {
    let budgets = || ResultBudgets::new(limited(Overflow::Link));
    let servers = [true, false];
    for modern in ERAS {
        let server = Scripted::start(move |asked| results(asked, modern))
            .await
            .unwrap();
        let reached = |name| remote(name, &server.url).build();
        let gateway = Backends::new()
            .with("s", "s", reached("s"))
            .with("t", "t", reached("t"));
        let gateway = gateway
            .with_results("s", budgets())
            .with_results("t", budgets());
        let gateway = gateway.start().await;
        for modern in servers {
            let alice = Client::new(&gateway, "alice", modern).await;
            let answer = alice.call("s__text").await;
            let uri = answer["result"]["content"][2]["uri"].as_str().unwrap();
            assert!(alice.read(uri).await["text"].is_string());
            let again = Client::new(&gateway, "alice", !modern).await;
            assert!(
                again.read(uri).await["text"].is_string(),
                "the session does not matter"
            );
            let code = if modern { -32602 } else { -32002 };
            let bob = Client::new(&gateway, "bob", modern).await;
            let answer = bob.ask("resources/read", json!({ "uri": uri })).await;
            assert_eq!(answer["error"]["code"], code, "{answer}");
            for other in [
                uri.replace("/s/", "/t/"),
                format!("{uri}x"),
                format!("{uri}?offset=x"),
            ] {
                let answer = alice.ask("resources/read", json!({ "uri": other })).await;
                assert_eq!(answer["error"]["code"], code, "{answer}");
            }
        }
    }
}

#[tokio::test]
async fn category_kept_results_have_uris_that_no_server_receives() {
    for several in [true, false] {
        for budgets in [
            ResultBudgets::new(limited(Overflow::Link)),
            ResultBudgets::default(),
        ] {
            let has_budget = !budgets.is_empty();
            let (gateway, server) = gateway(true, several, budgets).await;
            for modern in ERAS {
                let client = Client::new(&gateway, "alice", modern).await;
                let prefix = if several { "s__" } else { "" };
                let answer = client.call(&format!("{prefix}text")).await;
                let uri = &answer["result"]["content"][2]["uri"];
                let uri = uri.as_str().unwrap_or("mcp-gateway://results/s/id");
                let is_read = client.read(uri).await["text"].is_string();
                assert_eq!(is_read, has_budget);
                // Equivalent URIs are the same.
                let alike = uri.replace("mcp-gateway://results/s", "MCP-Gateway://%52ESULTS/%73");
                let is_read = client.read(&alike).await["text"].is_string();
                assert_eq!(is_read, has_budget, "{alike}");
                for other in [
                    "MCP-GATEWAY://results/x/id",
                    "mcp%2dgateway:x",
                    "mcp-gateway://x",
                ] {
                    for (method, params) in [
                        ("resources/read", json!({ "uri": other })),
                        ("resources/subscribe", json!({ "uri": other })),
                        ("skills/get", json!({ "uri": other })),
                        (
                            "completion/complete",
                            json!({
                                "ref": { "type": "ref/resource", "uri": other },
                                "argument": { "name": "a", "value": "" },
                            }),
                        ),
                    ] {
                        let answer = client.ask(method, params).await;
                        assert!(answer["error"]["code"].is_i64(), "{method}: {answer}");
                    }
                }
            }
            for asked in server.asked() {
                let text = asked.text.to_lowercase();
                assert!(
                    !text.contains("mcp-gateway://") && !text.contains("mcp%2d"),
                    "{text}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_large_result_may_be_an_error_instead() {
    in_all_eras(&limited(Overflow::Reject), async |_, client, prefix| {
        let answer = client.call(&format!("{prefix}items")).await;
        let result = result(&answer);
        assert_eq!(result["isError"], true);
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(
            text.starts_with("The result has ") && text.contains("2048 bytes"),
            "{text}"
        );
        let list = client.ask("tools/list", json!({})).await;
        assert!(shows_schema(&list, &format!("{prefix}items")), "{list}");
    })
    .await;
}

#[tokio::test]
async fn json_paths_select_the_parts_of_a_result() {
    let projection = Projection::new(["$.items[0:2].id"]).unwrap();
    let budget = ResultBudget::new().with_projection(projection);
    in_all_eras(&budget, async |_, client, prefix| {
        let answer = client.call(&format!("{prefix}items")).await;
        let result = result(&answer);
        let expected = json!({ "items": [{ "id": 0 }, { "id": 1 }] });
        assert_eq!(result["structuredContent"], expected);
        assert_eq!(result["content"][0]["text"], expected.to_string());
        let answer = client.call(&format!("{prefix}fails")).await;
        assert_eq!(answer["result"]["content"][0]["text"], text());
    })
    .await;
}

#[tokio::test]
async fn a_tool_has_a_budget_of_its_own() {
    let budgets = ResultBudgets::default().with_tool("text", limited(Overflow::Cut));
    let (gateway, _server) = gateway(true, false, budgets).await;
    let client = Client::new(&gateway, "alice", true).await;
    assert_eq!(
        result(&client.call("text").await)["content"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(
        client.call("fails").await["result"]["content"][0]["text"],
        text()
    );
    let list = client.ask("tools/list", json!({})).await;
    assert!(!shows_schema(&list, "text") && shows_schema(&list, "items"));
}
