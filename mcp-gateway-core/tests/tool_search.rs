//! Lists, searches and calls of a gateway with a search instead of a long list of tools.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test panics when it fails"
)]

use std::sync::{Arc, Mutex};

use http_body_util::BodyExt;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::call::Permitted;
use mcp_gateway_core::jsonrpc::{Id, Request};
use mcp_gateway_core::layer::authorize::AuthorizeLayer;
use mcp_gateway_core::layer::dispatch::{DispatchLayer, ToolSearch};
use mcp_gateway_core::policy::{Decision, Policy, PolicyRequest};
use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
use mcp_gateway_core::route::{Feature, PrefixRouter};
use mcp_gateway_core::upstream::UpstreamError;
use mcp_gateway_core::{Call, Caller, ClientInfo, Error, Reply};
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

/// Policy without the tools that begin with `secret`.
#[derive(Debug)]
struct NoSecrets;

impl Policy for NoSecrets {
    fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
        match &request.target().feature {
            Feature::Tool(name) if name.starts_with("secret") => Decision::deny("hidden"),
            _ => Decision::Allow,
        }
    }
}

/// Gateway over the servers `files` and `chat`, which notes the calls of their tools.
struct Gateway {
    search: ToolSearch,
    called: Arc<Mutex<Vec<String>>>,
    version: ProtocolVersion,
    /// Set if the server `chat` lists no tools at present.
    is_broken: bool,
}

impl Gateway {
    fn new(search: ToolSearch) -> Self {
        Self {
            search,
            called: Arc::default(),
            version: ProtocolVersion::LATEST,
            is_broken: false,
        }
    }

    async fn send(&self, method: Method, params: Value) -> Result<Value, Error> {
        let (called, is_broken) = (Arc::clone(&self.called), self.is_broken);
        let servers = service_fn(move |call: Call<Permitted>| {
            let (server, request) = (Arc::clone(&call.target().server), call.request());
            if is_broken && &*server == "chat" && request.method() == &Method::ToolsList {
                let source = UpstreamError::Timeout;
                return std::future::ready(Err(Error::Upstream { server, source }));
            }
            let result = match (request.method(), &*server) {
                (Method::ToolsList, "files") => files(),
                (Method::ToolsList, _) => chat(),
                _ => {
                    let feature = call.target().feature.name().unwrap_or_default().to_owned();
                    let arguments = request.param("arguments").unwrap_or_default();
                    let state = request.param("requestState").unwrap_or_default();
                    called
                        .lock()
                        .unwrap()
                        .push(format!("{server} {feature} {arguments}{state}"));
                    json!({ "content": [] })
                }
            };
            let reply = Reply::result(request.id(), &result.to_string());
            std::future::ready(Ok::<_, Error>(reply))
        });
        let policy: Arc<dyn Policy> = Arc::new(NoSecrets);
        let router = Arc::new(PrefixRouter::by_name(["files", "chat"]).unwrap());
        let stack = DispatchLayer::new(router, Arc::clone(&policy))
            .with_tool_search(self.search.clone())
            .layer(AuthorizeLayer::new(policy).layer(servers));
        let client = ClientInfo::new(self.version, Capabilities::default());
        let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
        let request = Request::new(&Id::from(1), &method, &params.to_string());
        let Reply::Json { body, .. } = stack.oneshot(Call::trusted(request, caller)).await? else {
            panic!("a stream");
        };
        let body = body
            .collect()
            .await
            .unwrap_or_else(|_| panic!("no body"))
            .to_bytes();
        Ok(serde_json::from_slice::<Value>(&body).unwrap()["result"].take())
    }

    async fn call(&self, tool: &str, arguments: Value) -> Result<Value, Error> {
        self.send(
            Method::ToolsCall,
            json!({ "name": tool, "arguments": arguments }),
        )
        .await
    }

    async fn found(&self, query: &str) -> Vec<String> {
        let result = self
            .call("search_tools", json!({ "query": query }))
            .await
            .unwrap();
        let tools = result["structuredContent"]["tools"]
            .as_array()
            .unwrap()
            .clone();
        tools
            .iter()
            .map(|tool| tool["name"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn files() -> Value {
    json!({ "tools": [
        { "name": "delete_file", "description": "Removes a file.", "inputSchema": {
            "type": "object",
            "properties": { "path": { "type": "string", "description": "Absolute path" } },
            "required": ["path"],
            "additionalProperties": false,
        } },
        { "name": "secret_file", "description": "Reads the secret file.", "inputSchema": {} },
    ] })
}

fn chat() -> Value {
    json!({ "tools": [
        { "name": "post", "description": "Sends a message to a channel.", "inputSchema": {} },
        { "name": "redraw", "description": "Redraws the channel.", "inputSchema": {},
          "_meta": { "ui": { "visibility": ["app"] } } },
    ] })
}

#[tokio::test]
async fn the_list_is_the_search_and_what_is_always_visible() {
    let gateway = Gateway::new(ToolSearch::new().with_visible(["chat__p*", "files__secret_file"]));
    let list = gateway.send(Method::ToolsList, json!({})).await.unwrap();
    let tools = list["tools"].as_array().unwrap();
    let names: Vec<_> = tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["search_tools", "run_tool", "chat__post"]);
    // Neither hidden tools nor those of apps are counted.
    let description = tools[0]["description"].as_str().unwrap();
    assert!(
        description.contains("files (1), chat (1)."),
        "{description}"
    );
}

/// The bytes of what a model reads of the list. `docs/search.md` has the tokens, which `tests/tokens/run`
/// counts.
#[tokio::test]
async fn the_list_of_a_search_stays_short() {
    let gateway = Gateway::new(ToolSearch::new());
    let list = gateway.send(Method::ToolsList, json!({})).await.unwrap();
    let tools = list["tools"].as_array().unwrap().iter();
    let shown = |tool: &Value| {
        let fields = ["name", "description", "inputSchema"].map(|field| tool[field].to_string());
        fields.map(|field| field.len()).iter().sum::<usize>()
    };
    let size: usize = tools.map(shown).sum();
    assert!(size <= 800, "{size} bytes");
}

#[tokio::test]
async fn a_search_finds_what_the_caller_may_call() {
    let gateway = Gateway::new(ToolSearch::new());
    assert_eq!(
        gateway.found("erase a document").await,
        ["files__delete_file"]
    );
    assert_eq!(gateway.found("message a channel").await, ["chat__post"]);
    assert!(gateway.found("secret").await.is_empty());
    assert!(gateway.found("redraw").await.is_empty());

    let result = gateway
        .call("search_tools", json!({ "query": "erase a file" }))
        .await
        .unwrap();
    let tool = &result["structuredContent"]["tools"][0];
    assert_eq!(tool["parameters"], "path!: string - Absolute path");
    assert_eq!(tool["why"], "erase (synonym in name), file (name, summary)");
    let result = gateway
        .call("search_tools", json!({ "query": "xyzzy" }))
        .await
        .unwrap();
    let hint = result["structuredContent"]["hint"].as_str().unwrap();
    assert!(hint.contains("files (1)"), "{hint}");
    let result = gateway
        .call("search_tools", json!({ "limit": 1 }))
        .await
        .unwrap();
    assert_eq!(result["isError"], true);
}

#[tokio::test]
async fn a_run_is_a_call_of_its_target() {
    for version in [ProtocolVersion::LATEST, ProtocolVersion::V2025_11_25] {
        let gateway = Gateway {
            version,
            ..Gateway::new(ToolSearch::new())
        };
        let run = json!({ "tool_name": "files__delete_file", "tool_args": { "path": "/a" } });
        let params = json!({ "name": "run_tool", "arguments": run, "requestState": 7 });
        gateway.send(Method::ToolsCall, params).await.unwrap();
        gateway
            .call("files__delete_file", json!({ "path": "/b" }))
            .await
            .unwrap();
        gateway
            .call("run_tool", json!({ "tool_name": "chat__post" }))
            .await
            .unwrap();
        let called = gateway.called.lock().unwrap().clone();
        let expected = [
            r#"files delete_file {"path":"/a"}7"#,
            r#"files delete_file {"path":"/b"}"#,
            "chat post {}",
        ];
        assert_eq!(called, expected);
    }
}

#[tokio::test]
async fn wrong_arguments_return_the_schema() {
    let gateway = Gateway::new(ToolSearch::new());
    for (arguments, reason) in [
        (json!({}), "\"path\" is missing"),
        (
            json!({ "path": "/a", "force": true }),
            "\"force\" is unknown",
        ),
    ] {
        let run = json!({ "tool_name": "files__delete_file", "tool_args": arguments });
        let result = gateway.call("run_tool", run).await.unwrap();
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(result["isError"] == true && text.contains(reason), "{text}");
        assert!(text.contains("Absolute path"), "{text}");
    }
    for run in [
        json!({}),
        json!({ "tool_name": 1 }),
        json!({ "tool_name": "a", "tool_args": [] }),
    ] {
        assert_eq!(
            gateway.call("run_tool", run).await.unwrap()["isError"],
            true
        );
    }
    assert!(gateway.called.lock().unwrap().is_empty());
}

#[tokio::test]
async fn category_search_calls_no_tool_of_a_server_without_a_list() {
    let mut gateway = Gateway::new(ToolSearch::new());
    gateway.is_broken = true;
    for name in ["chat__redraw", "chat__POST", "chat__post"] {
        let run = json!({ "tool_name": name });
        let error = gateway.call("run_tool", run).await.unwrap_err();
        assert!(matches!(error, Error::Upstream { .. }), "{name}: {error}");
    }
    assert!(gateway.called.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_tool_that_is_not_listed_is_unknown() {
    let gateway = Gateway::new(ToolSearch::new());
    for name in [
        "files__secret_file",
        "files__other",
        "other",
        "run_tool",
        "search_tools",
        "",
    ] {
        let run = json!({ "tool_name": name });
        let error = gateway.call("run_tool", run).await.unwrap_err();
        assert!(matches!(error, Error::Route(_)), "{name}: {error}");
    }
    assert!(gateway.called.lock().unwrap().is_empty());
}
