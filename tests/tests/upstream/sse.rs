//! The transport of 2024-11-05, on either side.

use std::sync::Arc;
use std::time::Duration;

use mcp_gateway_core::limit::Limits;
use mcp_gateway_core::upstream::UpstreamProtocol;
use mcp_gateway_tests::fixture::{Options, PATH, serve_http};
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::raw::Raw;
use mcp_gateway_tests::script::{EVENTS, Scripted, Step, events, response, status};
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::harness::{SOON, impatient, patient, reason, until};

fn token() -> (http::HeaderName, http::HeaderValue) {
    let token = http::HeaderValue::from_static("Bearer alice");
    (http::header::AUTHORIZATION, token)
}

/// A client of 2024-11-05.
struct Client {
    stream: Raw,
    base: String,
    endpoint: String,
}

impl Client {
    async fn connect(gateway: &TestGateway) -> Self {
        let mut stream = Raw::connect(&gateway.url).await.unwrap();
        let host = stream.host().to_owned();
        let head = format!(
            "GET /mcp/sse HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer alice\r\n\
             Accept: text/event-stream\r\n\r\n"
        );
        stream.write(head).await.unwrap();
        let (status, headers) = stream.head().await.unwrap();
        assert_eq!(
            (status.as_u16(), &headers["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        let mut client = Self {
            stream,
            base: format!("http://{host}"),
            endpoint: String::new(),
        };
        client.endpoint = client.event("endpoint").await;
        client
    }

    /// The data of the next event, which has that name.
    async fn event(&mut self, name: &str) -> String {
        let mut found = "message".to_owned();
        loop {
            let line = self.stream.line().await.unwrap();
            if let Some(name) = line.strip_prefix("event:") {
                found = name.trim().to_owned();
            }
            if let Some(data) = line.strip_prefix("data:") {
                assert_eq!(found, name, "{data}");
                return data.trim().to_owned();
            }
        }
    }

    async fn message(&mut self) -> Value {
        serde_json::from_str(&self.event("message").await).unwrap()
    }

    async fn post_as(&self, who: &'static str, message: &Value) -> u16 {
        let wire = Wire::new(format!("{}{}", self.base, self.endpoint));
        let token = http::HeaderValue::from_static(who);
        let wire = wire.with_header(http::header::AUTHORIZATION, token);
        wire.post(message.to_string(), &[])
            .await
            .unwrap()
            .status
            .as_u16()
    }

    async fn post(&self, message: Value) {
        assert_eq!(self.post_as("Bearer alice", &message).await, 202);
    }

    async fn initialize(&mut self) {
        let params = json!({
            "protocolVersion": "2024-11-05",
            "capabilities": {},
            "clientInfo": { "name": "old", "version": "1" },
        });
        self.post(json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params }))
            .await;
        let answer = self.message().await;
        assert!(answer["result"]["capabilities"].is_object(), "{answer}");
        self.post(json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }))
            .await;
    }

    async fn call(&mut self, id: u64, tool: &str, arguments: Value) {
        let params = json!({ "name": tool, "arguments": arguments });
        self.post(json!({ "jsonrpc": "2.0", "id": id, "method": "tools/call", "params": params }))
            .await;
    }
}

async fn gateway() -> (TestGateway, JoinSet<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{PATH}", listener.local_addr().unwrap());
    let mut fixture = JoinSet::new();
    fixture.spawn(async move {
        let _ = serve_http(listener, Options::default()).await;
    });
    (Backends::only(&url).start().await, fixture)
}

#[tokio::test]
async fn an_old_client_can_do_what_others_can() {
    let (gateway, _fixture) = gateway().await;
    let mut client = Client::connect(&gateway).await;
    client.initialize().await;
    for id in 1..20 {
        client
            .call(id, "echo", json!({ "message": format!("m{id}") }))
            .await;
        let answer = client.message().await;
        assert_eq!(answer["id"], id, "{answer}");
        assert!(answer.to_string().contains(&format!("m{id}")), "{answer}");
    }
    client.call(20, "no such tool", json!({})).await;
    assert_eq!(client.message().await["error"]["code"], -32602);
}

#[tokio::test]
async fn an_old_client_gets_errors_for_what_is_wrong() {
    let (gateway, _fixture) = gateway().await;
    let mut client = Client::connect(&gateway).await;
    client
        .post(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }))
        .await;
    assert_eq!(
        client.message().await["error"]["data"]["reason"],
        "missing_session"
    );
    client.initialize().await;
    for message in [
        json!([]),
        json!({}),
        json!(7),
        json!({ "jsonrpc": "2.0", "id": 1.5, "method": "ping" }),
    ] {
        assert_eq!(
            client.post_as("Bearer alice", &message).await,
            400,
            "{message}"
        );
    }
    let ping = json!({ "jsonrpc": "2.0", "id": 2, "method": "ping" });
    assert_eq!(
        client.post_as("Bearer bob", &ping).await,
        404,
        "somebody else's stream"
    );
    assert_eq!(client.post_as("", &ping).await, 401);
    client.post(ping).await;
    assert_eq!(
        client.message().await,
        json!({ "jsonrpc": "2.0", "id": 2, "result": {} })
    );

    let endpoint = client.endpoint.clone();
    client.endpoint = format!("{endpoint}0");
    let ping = json!({ "jsonrpc": "2.0", "id": 3, "method": "ping" });
    assert_eq!(
        client.post_as("Bearer alice", &ping).await,
        404,
        "a stream that is none"
    );
}

#[tokio::test]
async fn an_old_client_that_goes_away_ends_its_session_and_its_calls() {
    let (gateway, _fixture) = gateway().await;
    let mut client = Client::connect(&gateway).await;
    client.initialize().await;
    client
        .call(1, "slow", json!({ "seconds": 600, "steps": 1 }))
        .await;
    let (name, value) = token();
    let wire = Wire::new(&gateway.url).with_header(name, value);
    let counts = async || {
        let answer = wire.call("slow_counts", json!({})).await.unwrap();
        answer.answer()["result"]["structuredContent"].clone()
    };
    until("the call goes on", async || counts().await["started"] == 1).await;
    assert_eq!(gateway.sessions.count(), 1);
    let endpoint = format!("{}{}", client.base, client.endpoint);
    drop(client);
    until("the session has ended", async || {
        gateway.sessions.count() == 0
    })
    .await;
    until("the call is cancelled", async || {
        counts().await["cancelled"] == 1
    })
    .await;
    let (name, value) = token();
    let ping = json!({ "jsonrpc": "2.0", "id": 3, "method": "ping" }).to_string();
    let reply = Wire::new(endpoint)
        .with_header(name, value)
        .post(ping, &[])
        .await
        .unwrap();
    assert_eq!(reply.status.as_u16(), 404);
}

/// An old server whose stream does what `first` says, and then waits.
async fn old_server(
    first: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static,
) -> (Scripted, TestGateway) {
    old_server_with(first, patient()).await
}

async fn old_server_with(
    first: impl Fn(&str) -> Vec<Step> + Send + Sync + 'static,
    limits: Limits,
) -> (Scripted, TestGateway) {
    let server = Scripted::start(move |asked| match &*asked.verb {
        "GET" => first(&asked.path),
        "POST" if asked.path.contains("/post") => status("202 Accepted"),
        _ => status("405 Method Not Allowed"),
    })
    .await
    .unwrap();
    let upstream = remote("liar", &server.url)
        .with_protocol(UpstreamProtocol::Sse)
        .with_connect_timeout(Duration::from_millis(500))
        .build();
    let gateway = Backends::new()
        .with_limits("liar", "liar", upstream, limits)
        .start()
        .await;
    (server, gateway)
}

#[tokio::test]
async fn an_old_server_that_lies_is_a_clear_error() {
    type Lie = fn(&str) -> Vec<Step>;
    let lies: [(&str, Lie); 8] = [
        ("no stream", |_| {
            response("200 OK", "Content-Type: text/html\r\n", "<html></html>")
        }),
        ("not found", |_| status("404 Not Found")),
        ("no endpoint", |_| events("data: hello\n\n")),
        ("an endpoint elsewhere", |_| {
            events("event: endpoint\ndata: http://127.0.0.1:1/post\n\n")
        }),
        ("an empty endpoint", |_| {
            events("event: endpoint\ndata:\n\n")
        }),
        ("an endpoint and the end", |_| {
            events("event: endpoint\ndata: /post\n\n")
        }),
        ("silence", |_| vec![Step::Send(EVENTS.into()), Step::Hang]),
        ("an endpoint and silence", |_| {
            vec![
                Step::Send(EVENTS.into()),
                Step::Send("event: endpoint\ndata: /post\n\n".into()),
                Step::Hang,
            ]
        }),
    ];
    for (what, lie) in lies {
        let (server, gateway) = old_server_with(lie, impatient()).await;
        let (name, value) = token();
        let wire = Wire::new(&gateway.url).with_header(name, value);
        let start = std::time::Instant::now();
        let found = reason(&wire.call("liar__lie", json!({})).await.unwrap());
        let expected = [
            "upstream_invalid",
            "upstream_status",
            "upstream_closed",
            "timeout",
        ];
        assert!(expected.contains(&&*found), "{what}: {found}");
        assert!(start.elapsed() < SOON, "{what}: {:?}", start.elapsed());
        let elsewhere = server
            .asked()
            .iter()
            .any(|asked| asked.head.contains("alice"));
        assert!(!elsewhere, "{what}: the token of the caller was sent");
    }
}

#[tokio::test]
async fn an_old_server_whose_stream_breaks_fails_its_calls_at_once() {
    let gate = Arc::new(Semaphore::new(0));
    let step = Step::Wait(Arc::clone(&gate));
    let (server, gateway) = old_server(move |_| {
        let initialized = json!({ "jsonrpc": "2.0", "id": 0, "result": {
            "protocolVersion": "2024-11-05",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "old", "version": "1" },
        } });
        vec![
            Step::Send(EVENTS.into()),
            Step::Send(format!("event: endpoint\ndata: /post\n\ndata: {initialized}\n\n").into()),
            step.clone(),
            Step::Reset,
        ]
    })
    .await;
    let (name, value) = token();
    let wire = Wire::new(&gateway.url).with_header(name, value);
    let (reply, ()) = tokio::join!(wire.call("liar__lie", json!({})), async {
        until("the call has reached the server", async || {
            server.count("tools/call") == 1
        })
        .await;
        gate.add_permits(1);
    });
    assert_eq!(reason(&reply.unwrap()), "upstream_closed");
}
