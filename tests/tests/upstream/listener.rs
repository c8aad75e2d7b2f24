//! Clients that count the changes of lists of which they are notified.

use std::time::{Duration, Instant};

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_tests::gateway::TestGateway;
use mcp_gateway_tests::raw::Raw;
use mcp_gateway_tests::wire::{Wire, modern_request};
use serde_json::{Value, json};
use tokio::time::timeout;

/// Minimum time between two notifications of a list, less the inaccuracy of this measurement.
const GAP: Duration = Duration::from_millis(1_000);

/// A client that listens.
pub(super) struct Listener {
    raw: Raw,
    /// Times at which a changed list of tools was announced.
    pub(super) told: Vec<Instant>,
}

impl Listener {
    pub(super) async fn new(gateway: &TestGateway, modern: bool) -> Self {
        match modern {
            true => Self::modern(gateway).await,
            false => {
                let session = initialize(gateway).await;
                Self::legacy(gateway, &session, None).await
            }
        }
    }

    pub(super) async fn modern(gateway: &TestGateway) -> Self {
        let params = json!({ "notifications": { "toolsListChanged": true } });
        let body = modern_request("subscriptions/listen", params);
        let headers = "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\n";
        Self::open(gateway, "POST", headers, &body).await
    }

    pub(super) async fn legacy(gateway: &TestGateway, session: &str, last: Option<&str>) -> Self {
        let last = last.map_or_else(String::new, |id| format!("Last-Event-ID: {id}\r\n"));
        let headers =
            format!("MCP-Protocol-Version: 2025-11-25\r\nMcp-Session-Id: {session}\r\n{last}");
        Self::open(gateway, "GET", &headers, "").await
    }

    async fn open(gateway: &TestGateway, verb: &str, headers: &str, body: &str) -> Self {
        let mut raw = Raw::connect(&gateway.url).await.unwrap();
        let head = format!(
            "{verb} /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer alice\r\n\
             Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
             {headers}Content-Length: {}\r\n\r\n",
            raw.host(),
            body.len()
        );
        raw.write(head + body).await.unwrap();
        let (status, _) = raw.head().await.unwrap();
        assert_eq!(status, 200);
        let told = Vec::new();
        Self { raw, told }
    }

    /// Reads for `time`.
    pub(super) async fn listen(&mut self, time: Duration) {
        let read = async {
            loop {
                let line = self.raw.line().await.unwrap();
                if line.contains("notifications/tools/list_changed") {
                    self.told.push(Instant::now());
                }
            }
        };
        let _: Result<(), _> = timeout(time, read).await;
    }

    /// Fails if notifications have followed each other too closely.
    #[track_caller]
    pub(super) fn is_paced(&self, what: &str) {
        let gaps = self.told.windows(2).map(|pair| pair[1] - pair[0]);
        let shortest = gaps.min().unwrap_or(Duration::MAX);
        assert!(shortest >= GAP, "{what}: {shortest:?} of {:?}", self.told);
    }
}

/// Begins a legacy session of alice; returns its ID.
pub(super) async fn initialize(gateway: &TestGateway) -> String {
    begin(&wire(gateway)).await.0
}

/// Begins a legacy session; returns its ID and the answer of the gateway.
pub(super) async fn begin(wire: &Wire) -> (String, Value) {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "t", "version": "1" },
    } });
    let reply = wire.post(body.to_string(), &[]).await.unwrap();
    let session = reply.headers["mcp-session-id"].to_str().unwrap();
    (session.to_owned(), reply.answer())
}

/// Alice as a client of the gateway.
pub(super) fn wire(gateway: &TestGateway) -> Wire {
    wire_of(gateway, "alice")
}

/// A client of the gateway.
pub(super) fn wire_of(gateway: &TestGateway, name: &str) -> Wire {
    let token = HeaderValue::try_from(format!("Bearer {name}")).unwrap();
    Wire::new(&gateway.url).with_header(AUTHORIZATION, token)
}
