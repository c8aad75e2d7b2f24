//! A gateway over a fixture, and how to speak to it.

use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use http::{HeaderValue, StatusCode};
use mcp_gateway_core::auth::AuthVerifier;
use mcp_gateway_tests::fixture::{Options, PATH, serve_http};
use mcp_gateway_tests::gateway::{Backends, TestGateway};
use mcp_gateway_tests::raw::Raw;
use mcp_gateway_tests::wire::{Reply, Wire};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// Timeout of steps that take no time on an idle machine.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// The headers of a request of 2026-07-28 for the list of tools.
pub(super) const LIST_HEADERS: [(&str, &str); 2] = [
    ("mcp-protocol-version", "2026-07-28"),
    ("mcp-method", "tools/list"),
];

/// A gateway over a fixture of both eras.
#[derive(Debug)]
pub(super) struct Harness {
    pub(super) gateway: TestGateway,
    _fixture: JoinSet<()>,
}

impl Harness {
    pub(super) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    pub(super) async fn with(
        settings: impl FnOnce(mcp_gateway_core::GatewayBuilder) -> mcp_gateway_core::GatewayBuilder,
    ) -> Self {
        Self::over(|backends| backends, settings).await
    }

    /// A gateway whose callers the verifier accepts.
    pub(super) async fn verified_by(verifier: Arc<dyn AuthVerifier>) -> Self {
        Self::over(
            |backends| backends.with_verifier(verifier),
            |builder| builder,
        )
        .await
    }

    async fn over(
        backends: impl FnOnce(Backends) -> Backends,
        settings: impl FnOnce(mcp_gateway_core::GatewayBuilder) -> mcp_gateway_core::GatewayBuilder,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{PATH}", listener.local_addr().unwrap());
        let mut fixture = JoinSet::new();
        fixture.spawn(async move {
            let _ = serve_http(listener, Options::default()).await;
        });
        Self {
            gateway: backends(Backends::only(&url)).start_with(settings).await,
            _fixture: fixture,
        }
    }

    /// Messages of alice.
    pub(super) fn wire(&self) -> Wire {
        self.wire_of("alice")
    }

    /// Messages of somebody.
    pub(super) fn wire_of(&self, who: &str) -> Wire {
        let token = HeaderValue::from_str(&format!("Bearer {who}")).unwrap();
        Wire::new(&self.gateway.url).with_header(AUTHORIZATION, token)
    }

    /// A connection to write anything to.
    pub(super) async fn raw(&self) -> Raw {
        Raw::connect(&self.gateway.url).await.unwrap()
    }

    /// The answer to a body sent as that of a modern `tools/list`.
    pub(super) async fn modern(&self, body: impl Into<bytes::Bytes>) -> Reply {
        self.wire().post(body, &LIST_HEADERS).await.unwrap()
    }

    /// Begins a session of the legacy era.
    pub(super) async fn initialize(&self, who: &str) -> String {
        let reply = self.wire_of(who).post(initialize("2025-11-25"), &[]).await;
        let reply = reply.unwrap();
        assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
        reply.headers["mcp-session-id"].to_str().unwrap().to_owned()
    }

    /// The answer to a body sent within a session.
    pub(super) async fn legacy(&self, session: &str, body: impl Into<bytes::Bytes>) -> Reply {
        let headers = [
            ("mcp-session-id", session),
            ("mcp-protocol-version", "2025-11-25"),
        ];
        self.wire().post(body, &headers).await.unwrap()
    }

    /// Fails if the gateway does not answer a proper request of both eras.
    pub(super) async fn is_well(&self) {
        let answer = self.wire().call("echo", json!({ "message": "well" })).await;
        let answer = answer.unwrap().answer();
        assert!(answer["result"].is_object(), "{answer}");
        let session = self.initialize("alice").await;
        let answer = self.legacy(&session, request("ping", &json!({}))).await;
        assert_eq!(answer.answer()["result"], json!({}), "{}", answer.body);
    }
}

/// The text of a request of the legacy era with the id 7.
pub(super) fn request(method: &str, params: &Value) -> String {
    json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params }).to_string()
}

/// The text of `initialize` for a revision.
pub(super) fn initialize(version: &str) -> String {
    request(
        "initialize",
        &json!({
            "protocolVersion": version,
            "capabilities": {},
            "clientInfo": { "name": "endpoint", "version": "1" },
        }),
    )
}

/// Asserts that a reply is a JSON-RPC error of a code, for the request of an id.
#[track_caller]
pub(super) fn assert_error(reply: &Reply, status: u16, code: i64, id: &Value, what: &str) {
    let answer: Value = serde_json::from_str(&reply.body).unwrap_or_default();
    assert!(
        answer.is_object(),
        "{what}: {}: {:?}",
        reply.status,
        reply.body
    );
    let found = (reply.status.as_u16(), answer["error"]["code"].as_i64());
    assert_eq!(found, (status, Some(code)), "{what}: {answer}");
    assert_eq!(&answer["id"], id, "{what}: {answer}");
    assert_eq!(answer["jsonrpc"], "2.0", "{what}");
    let message = answer["error"]["message"].as_str().unwrap_or_default();
    assert!(message.len() > 8, "{what}: says nothing: {answer}");
    assert!(message.len() < 2000, "{what}: repeats all that it was told");
    assert_eq!(reply.headers["content-type"], "application/json", "{what}");
}
