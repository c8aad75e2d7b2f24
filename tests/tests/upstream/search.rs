//! A search over servers with tasks and apps.

use mcp_gateway_core::layer::dispatch::ToolSearch;
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::script::Scripted;
use serde_json::{Value, json};

use super::harness::ERAS;
use super::tasks::Person;
use super::{apps, tasks};

/// A gateway with a search over two servers.
async fn gateway(servers: &[Scripted; 2]) -> TestGateway {
    let [one, two] = servers;
    Backends::new()
        .with("one", "one", remote("one", &one.url).build())
        .with("two", "two", remote("two", &two.url).build())
        .start_with(|builder| builder.with_tool_search(ToolSearch::new()))
        .await
}

#[tokio::test]
async fn a_target_becomes_a_task() {
    for modern in ERAS {
        let servers = [
            tasks::server("one", modern).await,
            tasks::server("two", modern).await,
        ];
        let gateway = gateway(&servers).await;
        let alice = Person::new(&gateway, "alice", modern).await;
        let arguments = json!({ "tool_name": "two__work", "tool_args": {} });
        let params = json!({ "name": "run_tool", "arguments": arguments, "task": {} });
        let started = alice.ask("tools/call", params).await;
        let result = &started["result"];
        let id = match modern {
            true => &result["taskId"],
            false => &result["task"]["taskId"],
        };
        assert!(id.is_string(), "{started}");
        let task = alice.ask("tasks/get", json!({ "taskId": id })).await;
        assert_eq!(task["result"]["statusMessage"], "two", "{task}");
    }
}

#[tokio::test]
async fn a_tool_for_apps_is_called_by_its_app_and_not_found() {
    for modern in ERAS {
        let servers = [
            apps::server("one", modern).await,
            apps::server("two", modern).await,
        ];
        let gateway = gateway(&servers).await;
        let alice = Person::new(&gateway, "alice", modern).await;
        let call = async |name: &str, arguments: Value| {
            let params = json!({ "name": name, "arguments": arguments });
            let answer = alice.ask("tools/call", params).await;
            answer["result"].clone()
        };
        let list = alice.ask("tools/list", json!({})).await;
        assert!(!list.to_string().contains("only_"), "{list}");
        assert!(list.to_string().contains("one (1), two (1)"), "{list}");
        let found = call("search_tools", json!({ "query": "refresh show only one" })).await;
        let names: Vec<_> = found["structuredContent"]["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect();
        assert!(names.contains(&"one__show".to_owned()), "{found}");
        let is_shown = |name: &String| name.ends_with("__show");
        assert!(names.iter().all(is_shown), "{found}");
        let arguments = json!({ "tool_name": "one__only_one", "tool_args": {} });
        let params = json!({ "name": "run_tool", "arguments": arguments });
        let answer = alice.ask("tools/call", params).await;
        assert_eq!(answer["error"]["code"], -32602, "{answer}");
        // The app calls by the name that its server has given, or by the one that clients see.
        for name in ["only_one", "one__only_one"] {
            let called = call(name, json!({})).await;
            let text = &called["content"][0]["text"];
            assert_eq!(text, "one only_one", "{called}");
        }
    }
}
