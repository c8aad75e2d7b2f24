//! A gateway with a recorder, and its callers.

use std::sync::Arc;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_core::runtime::Process;
use mcp_gateway_core::trace::SpanObserver;
use mcp_gateway_core::upstream::UpstreamServer;
use mcp_gateway_telemetry::{Configured, Settings, TraceRecorder};
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::script::{ReceivedRequest, Scripted, Steps, document, response};
use mcp_gateway_tests::wire::{Reply, Wire};
use serde_json::{Value, json};

use super::collector::Sink;

/// A gateway over one server.
pub(crate) struct Stage {
    pub(crate) gateway: TestGateway,
    pub(crate) recorder: Arc<TraceRecorder>,
    pub(crate) server: Option<Scripted>,
    pub(crate) sink: Sink,
}

/// Era of a server or of a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Era {
    Legacy,
    Modern,
}

/// Returns a recorder that sends to `endpoint` at once.
pub(crate) fn recorder(endpoint: &str, variables: &[(&str, &str)]) -> TraceRecorder {
    let lookup = |name: &str| match name {
        "OTEL_EXPORTER_OTLP_ENDPOINT" => Some(endpoint.to_owned()),
        name => {
            let mut given = variables.iter().filter(|(other, _)| *other == name);
            let given = given.next().map(|(_, value)| (*value).to_owned());
            given.or_else(|| (name == "OTEL_BSP_SCHEDULE_DELAY").then(|| "1".to_owned()))
        }
    };
    let settings = Settings::read(&Configured::default(), lookup).unwrap();
    TraceRecorder::start(settings.unwrap()).unwrap()
}

impl Stage {
    /// A gateway over a server of the era.
    pub(crate) async fn over(era: Era) -> Self {
        Self::with(era, &[]).await
    }

    /// The same, with variables for the recorder.
    pub(crate) async fn with(era: Era, variables: &[(&str, &str)]) -> Self {
        let server = match era {
            Era::Legacy => Scripted::legacy(lie).await,
            Era::Modern => Scripted::modern(lie).await,
        };
        let server = server.unwrap();
        let upstream = remote("only", &server.url).build();
        let sink = Sink::start().await;
        let recorder = Arc::new(recorder(&sink.url, variables));
        Self::new(upstream, Some(server), sink, recorder).await
    }

    /// A gateway over a program.
    pub(crate) async fn over_stdio() -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/traces/server.py");
        let process = Process::new("only", "python3").with_args([script]);
        let sink = Sink::start().await;
        let recorder = Arc::new(recorder(&sink.url, &[]));
        let upstream = UpstreamServer::builder("only", process).build();
        Self::new(upstream, None, sink, recorder).await
    }

    /// A stage with this gateway, which does not trace calls.
    pub(crate) async fn at(gateway: TestGateway) -> Self {
        let sink = Sink::start().await;
        Self {
            gateway,
            recorder: Arc::new(recorder(&sink.url, &[])),
            server: None,
            sink,
        }
    }

    async fn new(
        upstream: Arc<UpstreamServer>,
        server: Option<Scripted>,
        sink: Sink,
        recorder: Arc<TraceRecorder>,
    ) -> Self {
        let observer = Arc::clone(&recorder) as Arc<dyn SpanObserver>;
        let gateway = Backends::new()
            .with("only", "", upstream)
            .start_with(|builder| builder.with_span_observer(observer))
            .await;
        Self {
            gateway,
            recorder,
            server,
            sink,
        }
    }

    /// Calls a tool as a client of the era, with these headers and this `_meta`.
    pub(crate) async fn call(
        &self,
        era: Era,
        tool: &str,
        (headers, meta): (&[(&str, &str)], Value),
    ) -> Reply {
        let params = json!({ "name": tool, "arguments": { "secret": "s3cr3t" }, "_meta": meta });
        let body = match era {
            Era::Modern => mcp_gateway_tests::wire::modern_request("tools/call", params),
            Era::Legacy => request("tools/call", &params),
        };
        let session = match era {
            Era::Modern => None,
            Era::Legacy => Some(self.initialize().await),
        };
        let mut all = headers.to_vec();
        match &session {
            None => all.extend([
                ("mcp-protocol-version", "2026-07-28"),
                ("mcp-method", "tools/call"),
                ("mcp-name", tool),
            ]),
            Some(session) => all.extend([
                ("mcp-session-id", &**session),
                ("mcp-protocol-version", "2025-11-25"),
            ]),
        }
        self.wire().post(body, &all).await.unwrap()
    }

    /// Sends a notification in a session of the legacy era, with this `_meta`.
    pub(crate) async fn notify(&self, method: &str, meta: Value) {
        let session = self.initialize().await;
        let params = json!({ "_meta": meta });
        let body = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        let headers = [
            ("mcp-session-id", &*session),
            ("mcp-protocol-version", "2025-11-25"),
        ];
        let reply = self.wire().post(body.to_string(), &headers).await.unwrap();
        assert_eq!(reply.status, 202, "{}", reply.body);
    }

    async fn initialize(&self) -> String {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "traces", "version": "1" },
        });
        let reply = self.wire().post(request("initialize", &params), &[]).await;
        let reply = reply.unwrap();
        reply.headers["mcp-session-id"].to_str().unwrap().to_owned()
    }

    pub(crate) fn wire(&self) -> Wire {
        let token = HeaderValue::from_static("Bearer alice");
        Wire::new(&self.gateway.url).with_header(AUTHORIZATION, token)
    }

    /// Returns the request of the last call that the server has received.
    pub(crate) fn forwarded(&self) -> ReceivedRequest {
        let asked = self.server.as_ref().unwrap().asked();
        let mut calls = asked
            .into_iter()
            .filter(|asked| asked.method() == "tools/call");
        calls.next_back().unwrap()
    }
}

fn request(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": "seven", "method": method, "params": params }).to_string()
}

/// Answers of the tools but `truth`.
fn lie(asked: &ReceivedRequest) -> Steps {
    match asked.tool() {
        "fails" => document(&asked.result(&json!({
            "resultType": "complete", "content": [], "isError": true,
        }))),
        "-32602" | "-32603" | "-32002" => {
            let code: i64 = asked.tool().parse().unwrap();
            let error = json!({ "code": code, "message": "no" });
            let id = &asked.message["id"];
            document(&json!({ "jsonrpc": "2.0", "id": id, "error": error }))
        }
        _ => response("500 Internal Server Error", "", ""),
    }
}
