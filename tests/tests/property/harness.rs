//! Servers that have whatever they are told, and say who was called.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_core::runtime::InProcess;
use mcp_gateway_core::upstream::UpstreamServer;
use mcp_gateway_core::{BoxError, GatewayBuilder};
use mcp_gateway_tests::gateway::{Backends, TestGateway};
use mcp_gateway_tests::wire::Wire;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, split};

/// Features of a server.
#[derive(Clone, Debug, Default)]
pub(super) struct Has {
    pub(super) tools: BTreeSet<String>,
    pub(super) prompts: BTreeSet<String>,
    pub(super) resources: BTreeSet<String>,
}

/// A server whose belongings can change.
#[derive(Clone, Debug)]
pub(super) struct Fake {
    pub(super) name: String,
    pub(super) prefix: String,
    pub(super) has: Arc<Mutex<Has>>,
    /// Set if it ignores the case of the names of tools, and white space around them.
    pub(super) is_lenient: bool,
}

impl Fake {
    pub(super) fn new(name: &str, prefix: &str, has: Has) -> Self {
        Self {
            name: name.to_owned(),
            prefix: prefix.to_owned(),
            has: Arc::new(Mutex::new(has)),
            is_lenient: false,
        }
    }

    /// Returns `true` if a call of the tool `name` is answered.
    fn serves(&self, name: &str, has: &Has) -> bool {
        let known = name.trim().to_lowercase();
        has.tools.contains(name) || self.is_lenient && has.tools.contains(&known)
    }

    async fn serve(self, stream: DuplexStream) -> Result<(), BoxError> {
        let (reader, mut writer) = split(stream);
        let mut lines = BufReader::new(reader).lines();
        while let Some(line) = lines.next_line().await? {
            let message: Value = serde_json::from_str(&line)?;
            if message.get("id").is_none() {
                continue;
            }
            let mut answer = self.answer(&message);
            answer["jsonrpc"] = json!("2.0");
            answer["id"] = message["id"].clone();
            writer.write_all(format!("{answer}\n").as_bytes()).await?;
        }
        Ok(())
    }

    fn answer(&self, message: &Value) -> Value {
        let has = self.has.lock().unwrap().clone();
        let params = &message["params"];
        let (name, uri) = (params["name"].as_str(), params["uri"].as_str());
        let me = |what: Option<&str>| json!([self.name, what]).to_string();
        let error = |code: i64| json!({ "error": { "code": code, "message": "there is none" } });
        match message["method"].as_str().unwrap_or_default() {
            "initialize" => json!({ "result": {
                "protocolVersion": "2025-11-25",
                "capabilities": { "tools": {}, "prompts": {}, "resources": {} },
                "serverInfo": { "name": self.name, "version": "1" },
            } }),
            "tools/list" => list(
                "tools",
                &has.tools,
                |name| json!({ "name": name, "inputSchema": { "type": "object" } }),
            ),
            "prompts/list" => list("prompts", &has.prompts, |name| json!({ "name": name })),
            "resources/list" => list(
                "resources",
                &has.resources,
                |uri| json!({ "uri": uri, "name": "a resource" }),
            ),
            "resources/templates/list" => json!({ "result": { "resourceTemplates": [] } }),
            "tools/call" if name.is_some_and(|name| self.serves(name, &has)) => {
                json!({ "result": { "content": [{ "type": "text", "text": me(name) }] } })
            }
            "prompts/get" if name.is_some_and(|name| has.prompts.contains(name)) => {
                json!({ "result": { "description": me(name), "messages": [] } })
            }
            "resources/read" if uri.is_some_and(|uri| has.resources.contains(uri)) => {
                json!({ "result": { "contents": [{ "uri": uri, "text": me(uri) }] } })
            }
            "resources/read" => error(-32002),
            "tools/call" | "prompts/get" => error(-32602),
            _ => error(-32601),
        }
    }
}

fn list(member: &str, names: &BTreeSet<String>, entry: impl Fn(&str) -> Value) -> Value {
    let entries: Vec<_> = names.iter().map(|name| entry(name)).collect();
    json!({ "result": { member: entries } })
}

/// A gateway over fakes.
#[derive(Debug)]
pub(super) struct Harness {
    gateway: TestGateway,
    wire: Wire,
}

impl Harness {
    pub(super) async fn new(
        fakes: &[Fake],
        settings: impl FnOnce(GatewayBuilder) -> GatewayBuilder,
    ) -> Self {
        let mut backends = Backends::new();
        for fake in fakes {
            let (name, prefix) = (fake.name.clone(), fake.prefix.clone());
            let fake = fake.clone();
            let process = InProcess::new(move |stream| fake.clone().serve(stream));
            let server = UpstreamServer::builder(name.as_str(), process).build();
            backends = backends.with(&name, &prefix, server);
        }
        let gateway = backends.start_with(settings).await;
        let token = HeaderValue::from_static("Bearer alice");
        let wire = Wire::new(&gateway.url).with_header(AUTHORIZATION, token);
        Self { gateway, wire }
    }

    /// The answer to a request of the modern era.
    pub(super) async fn ask(&self, method: &str, params: Value) -> Value {
        let name = params["name"].as_str().or_else(|| params["uri"].as_str());
        let name = name.map(mcp_gateway_core::protocol::header::encode);
        let mut headers = vec![
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
        ];
        if let Some(name) = &name {
            headers.push(("mcp-name", name.to_str().unwrap()));
        }
        let body = mcp_gateway_tests::wire::modern_request(method, params);
        self.wire.post(body, &headers).await.unwrap().answer()
    }

    /// All entries of a list, page by page; `between` comes between two pages.
    pub(super) async fn list(
        &self,
        method: &str,
        member: &str,
        mut between: impl FnMut(usize),
    ) -> Result<Vec<Value>, Value> {
        let mut entries = Vec::new();
        let mut params = json!({});
        for page in 0.. {
            let answer = self.ask(method, params).await;
            let result = &answer["result"];
            let Some(list) = result[member].as_array() else {
                return Err(answer);
            };
            entries.extend(list.iter().cloned());
            let Some(cursor) = result["nextCursor"].as_str() else {
                break;
            };
            params = json!({ "cursor": cursor });
            between(page);
        }
        Ok(entries)
    }

    pub(super) async fn end(self) {
        self.gateway.stop().await;
    }
}

/// Tries a property with `cases` values of `strategy`.
pub(super) fn check<S: proptest::strategy::Strategy>(
    cases: u32,
    strategy: &S,
    property: impl AsyncFn(S::Value) -> Result<(), TestCaseError>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut runner = TestRunner::new(config);
    let result = runner.run(strategy, |value| runtime.block_on(property(value)));
    let failed = result.map_err(|error| error.to_string());
    assert_eq!(failed, Ok(()));
}
