//! Tasks of several servers, whose names are all the same.

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::script::{self, ReceivedRequest, Scripted};
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};

use super::harness::ERAS;

/// Identifier of the extension.
const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// A server `name` with one task, in the form of its era.
pub(super) async fn server(name: &'static str, modern: bool) -> Scripted {
    let script = move |asked: &ReceivedRequest| {
        let task = json!({ "taskId": "1", "status": "working", "statusMessage": name });
        let result = match asked.method() {
            "tools/list" => {
                let tool = json!({ "name": "work", "inputSchema": { "type": "object" } });
                json!({ "tools": [tool], "resultType": "complete" })
            }
            "tools/call" if modern => {
                json!({ "resultType": "task", "taskId": "1", "status": "working" })
            }
            "tools/call" => json!({ "task": task }),
            "tasks/get" | "tasks/cancel" if asked.message["params"]["taskId"] == "1" => {
                json!({ "resultType": "complete", "taskId": "1", "status": "working", "statusMessage": name })
            }
            _ => {
                let capabilities = match modern {
                    true => json!({ "tools": {}, "extensions": { EXTENSION: {} } }),
                    false => json!({ "tools": {}, "tasks": { "list": {}, "cancel": {} } }),
                };
                return script::declaring(asked, modern, &capabilities);
            }
        };
        script::document(&asked.result(&result))
    };
    Scripted::start(script).await.unwrap()
}

/// A person with a client of one era.
pub(super) struct Person {
    wire: Wire,
    session: Option<String>,
    /// Capabilities that the gateway declares.
    capabilities: Value,
}

impl Person {
    pub(super) async fn new(gateway: &TestGateway, name: &str, modern: bool) -> Self {
        let token = HeaderValue::from_str(&format!("Bearer {name}")).unwrap();
        let wire = Wire::new(&gateway.url).with_header(AUTHORIZATION, token);
        if modern {
            let reply = wire.request("server/discover", json!({})).await.unwrap();
            let capabilities = reply.answer()["result"]["capabilities"].clone();
            return Self {
                wire,
                session: None,
                capabilities,
            };
        }
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "wire", "version": "1" },
        });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
        let reply = wire.post(body.to_string(), &[]).await.unwrap();
        let session = reply.headers["mcp-session-id"].to_str().unwrap().to_owned();
        Self {
            wire,
            session: Some(session),
            capabilities: reply.answer()["result"]["capabilities"].clone(),
        }
    }

    pub(super) async fn ask(&self, method: &str, mut params: Value) -> Value {
        let Some(session) = &self.session else {
            let capabilities = json!({ "extensions": { EXTENSION: {} } });
            params["_meta"] = json!({ "io.modelcontextprotocol/clientCapabilities": capabilities });
            return self.wire.request(method, params).await.unwrap().answer();
        };
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let headers = [("mcp-session-id", session.as_str())];
        self.wire
            .post(body.to_string(), &headers)
            .await
            .unwrap()
            .answer()
    }

    /// Starts a task, and returns its name.
    async fn start(&self, tool: &str) -> String {
        let task = json!({ "name": tool, "arguments": {}, "task": {} });
        let answer = self.ask("tools/call", task).await;
        let result = &answer["result"];
        let id = result["taskId"]
            .as_str()
            .or_else(|| result["task"]["taskId"].as_str());
        assert!(id.is_some(), "{answer}");
        id.unwrap_or_default().to_owned()
    }
}

/// A gateway over two servers, one of which has the prefix `prefix`.
async fn gateway(prefix: &str, servers: &[Scripted; 2]) -> TestGateway {
    Backends::new()
        .with("one", prefix, remote("one", &servers[0].url).build())
        .with("two", "two", remote("two", &servers[1].url).build())
        .start()
        .await
}

#[tokio::test]
async fn a6_a_task_is_that_of_its_server_and_of_its_caller() {
    for modern in ERAS {
        for prefix in ["one", ""] {
            let servers = [server("one", modern).await, server("two", modern).await];
            let gateway = gateway(prefix, &servers).await;
            let alice = Person::new(&gateway, "alice", modern).await;
            let bob = Person::new(&gateway, "bob", modern).await;
            let tool = if prefix.is_empty() {
                "work"
            } else {
                "one__work"
            };
            for (tool, owner) in [(tool, "one"), ("two__work", "two")] {
                let name = alice.start(tool).await;
                let task = json!({ "taskId": name });
                for method in ["tasks/get", "tasks/cancel"] {
                    let answer = alice.ask(method, task.clone()).await;
                    assert_eq!(answer["result"]["statusMessage"], owner, "{answer}");
                    assert_eq!(answer["result"]["taskId"], *name, "it keeps its name");
                    let answer = bob.ask(method, task.clone()).await;
                    assert_eq!(
                        answer["error"]["data"]["reason"], "unknown_task",
                        "{answer}"
                    );
                }
                // The name without its tag is nobody's.
                let (untagged, _) = name.rsplit_once('.').unwrap();
                let answer = bob.ask("tasks/get", json!({ "taskId": untagged })).await;
                assert_eq!(
                    answer["error"]["data"]["reason"], "unknown_task",
                    "{answer}"
                );
            }
            for server in &servers {
                assert_eq!(server.count("tasks/get"), 1, "only for its caller");
            }
            // The order of the tasks of several servers is unknown.
            let list = alice.ask("tasks/list", json!({})).await;
            assert_eq!(list["error"]["code"], -32601, "{list}");
        }
    }
}

#[tokio::test]
async fn a6_a_task_of_the_only_server_is_that_of_its_caller() {
    for modern in ERAS {
        let server = server("only", modern).await;
        let gateway = Backends::only(&server.url).start().await;
        let alice = Person::new(&gateway, "alice", modern).await;
        let bob = Person::new(&gateway, "bob", modern).await;
        let name = alice.start("work").await;
        let task = json!({ "taskId": name });
        let answer = alice.ask("tasks/get", task.clone()).await;
        assert_eq!(answer["result"]["taskId"], *name, "{answer}");
        for stolen in [&*name, "1"] {
            let answer = bob.ask("tasks/get", json!({ "taskId": stolen })).await;
            assert_eq!(
                answer["error"]["data"]["reason"], "unknown_task",
                "{answer}"
            );
        }
        // It would be the list of the tasks of all callers.
        let list = bob.ask("tasks/list", json!({})).await;
        assert_eq!(list["error"]["code"], -32601, "{list}");
        assert_eq!(bob.capabilities["tasks"]["list"], Value::Null);
        assert_eq!(server.count("tasks/list"), 0);
    }
}

#[tokio::test]
async fn tasks_of_a_server_that_isolates_them_keep_their_names() {
    for modern in ERAS {
        let server = server("only", modern).await;
        let gateway = Backends::only(&server.url).isolating_tasks().start().await;
        let alice = Person::new(&gateway, "alice", modern).await;
        assert_eq!(alice.start("work").await, "1");
        let answer = alice.ask("tasks/get", json!({ "taskId": "1" })).await;
        assert_eq!(answer["result"]["taskId"], "1", "{answer}");
    }
}

#[tokio::test]
async fn tasks_are_declared_in_the_era_in_which_they_are_served() {
    for (first, second) in [(true, true), (true, false), (false, false)] {
        let servers = [server("one", first).await, server("two", second).await];
        let gateway = gateway("one", &servers).await;
        let modern = Person::new(&gateway, "alice", true).await.capabilities;
        assert_eq!(modern["tasks"], Value::Null, "{modern}");
        assert_eq!(
            modern["extensions"][EXTENSION].is_object(),
            first || second,
            "{modern}"
        );
        let legacy = Person::new(&gateway, "alice", false).await.capabilities;
        assert_eq!(legacy["extensions"][EXTENSION], Value::Null, "{legacy}");
        assert_eq!(legacy["tasks"].is_object(), !first || !second, "{legacy}");
        assert_eq!(legacy["tasks"]["list"], Value::Null, "{legacy}");
    }
}
