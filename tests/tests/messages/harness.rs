//! A server of the legacy era that says what a test wants, and a client that hears it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::raw::Raw;
use mcp_gateway_tests::script::{self, EVENTS, ReceivedRequest, Scripted, Step, Steps};
use mcp_gateway_tests::wire::{Reply, Wire};
use serde_json::{Value, json};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Timeout of steps that take no time on an idle machine.
pub(super) const SOON: Duration = Duration::from_secs(20);

/// Time in which a message that is not meant for a client would have arrived.
pub(super) const NEVER: Duration = Duration::from_millis(300);

/// A server of the legacy era whose capabilities are `capabilities`, and which sends `messages` on
/// its standalone stream, one for each permit of `gate`. Calls are answered by `script`.
pub(super) async fn server(
    capabilities: Value,
    gate: &Arc<Semaphore>,
    messages: &[Value],
    script: impl Fn(&ReceivedRequest) -> Option<Steps> + Send + Sync + 'static,
) -> Scripted {
    let gate = Arc::clone(gate);
    let messages: Vec<String> = messages.iter().map(event).collect();
    Scripted::start(move |asked| match (&*asked.verb, asked.method()) {
        ("GET", _) => {
            let mut steps = vec![Step::Send(EVENTS.into())];
            for message in &messages {
                steps.push(Step::Wait(Arc::clone(&gate)));
                steps.push(Step::Send(message.clone().into()));
            }
            steps.push(Step::Hang);
            steps
        }
        (_, "initialize") => script::begun(asked, &capabilities),
        _ => script(asked)
            .or_else(|| script::legacy(asked))
            .unwrap_or_else(|| script::document(&asked.result(&json!({})))),
    })
    .await
    .unwrap()
}

/// A server of the legacy era with tools, which sends no messages of its own.
pub(super) async fn plain_server() -> Scripted {
    server(
        json!({ "tools": {} }),
        &Arc::new(Semaphore::new(0)),
        &[],
        |_| None,
    )
    .await
}

/// A gateway over the servers `one` and `other`.
pub(super) async fn gateway_of_two(one: &Scripted, other: &Scripted) -> TestGateway {
    Backends::new()
        .with("one", "one", remote("one", &one.url).build())
        .with("other", "other", remote("other", &other.url).build())
        .start()
        .await
}

/// An event with `message`.
pub(super) fn event(message: &Value) -> String {
    format!("data: {message}\n\n")
}

/// A notification.
pub(super) fn notification(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

/// A client of the legacy era.
#[derive(Debug)]
pub(super) struct Client {
    url: String,
    who: &'static str,
    session: String,
}

impl Client {
    /// Starts a session of alice.
    pub(super) async fn connect(gateway: &TestGateway, capabilities: Value) -> Self {
        let info = json!({ "name": "client", "version": "1" });
        Self::connect_as(gateway, "alice", capabilities, info).await
    }

    /// Starts a session.
    pub(super) async fn connect_as(
        gateway: &TestGateway,
        who: &'static str,
        capabilities: Value,
        info: Value,
    ) -> Self {
        let mut client = Self {
            url: gateway.url.clone(),
            who,
            session: String::new(),
        };
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities,
            "clientInfo": info,
        });
        let reply = client.request(1, "initialize", &params).await;
        assert_eq!(reply.status, 200, "{}", reply.body);
        let session = reply.headers["mcp-session-id"].to_str().unwrap();
        client.session = session.to_owned();
        client.notify("notifications/initialized", &json!({})).await;
        client
    }

    /// Sends a request.
    pub(super) async fn request(&self, id: i64, method: &str, params: &Value) -> Reply {
        let request = json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
        self.post(&request).await
    }

    /// Sends a notification.
    pub(super) async fn notify(&self, method: &str, params: &Value) {
        let reply = self.post(&notification(method, params)).await;
        assert_eq!(reply.status, 202, "{}", reply.body);
    }

    /// Answers the request `id` of a server.
    pub(super) async fn answer(&self, id: &Value, result: &Value) {
        let answer = json!({ "jsonrpc": "2.0", "id": id, "result": result });
        let reply = self.post(&answer).await;
        assert_eq!(reply.status, 202, "{}", reply.body);
    }

    /// Ends the session.
    pub(super) async fn end(&self) {
        let mut raw = Raw::connect(&self.url).await.unwrap();
        let head = format!(
            "DELETE /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Mcp-Session-Id: {}\r\n\r\n",
            raw.host(),
            self.who,
            self.session
        );
        raw.write(head).await.unwrap();
        let (status, _) = raw.head().await.unwrap();
        assert_eq!(status, 204);
    }

    async fn post(&self, message: &Value) -> Reply {
        let token = HeaderValue::from_str(&format!("Bearer {}", self.who)).unwrap();
        let wire = Wire::new(&self.url).with_header(AUTHORIZATION, token);
        let headers: &[_] = match &*self.session {
            "" => &[],
            session => &[
                ("mcp-session-id", session),
                ("mcp-protocol-version", "2025-11-25"),
            ],
        };
        wire.post(message.to_string(), headers).await.unwrap()
    }

    /// Opens the standalone stream.
    pub(super) async fn listen(&self) -> Listener {
        let mut raw = Raw::connect(&self.url).await.unwrap();
        let head = format!(
            "GET /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n\
             Accept: text/event-stream\r\nMcp-Session-Id: {}\r\n\r\n",
            raw.host(),
            self.who,
            self.session
        );
        raw.write(head).await.unwrap();
        let (status, _) = raw.head().await.unwrap();
        assert_eq!(status, 200);
        Listener(raw)
    }
}

/// The standalone stream of a client.
#[derive(Debug)]
pub(super) struct Listener(Raw);

impl Listener {
    /// The next message.
    pub(super) async fn message(&mut self) -> Value {
        loop {
            let line = self.0.line().await.unwrap();
            let data = line.strip_prefix("data:").unwrap_or_default().trim();
            if !data.is_empty() {
                return serde_json::from_str(data).unwrap();
            }
        }
    }

    /// Fails if there is a message within [`NEVER`].
    pub(super) async fn is_silent(&mut self) {
        let message = timeout(NEVER, self.message()).await;
        assert!(message.is_err(), "{message:?}");
    }
}

/// Waits until a server got a message that `is_it` accepts, and returns it.
pub(super) async fn received(server: &Scripted, is_it: impl Fn(&ReceivedRequest) -> bool) -> Value {
    let start = Instant::now();
    loop {
        if let Some(found) = server.asked().into_iter().find(|asked| is_it(asked)) {
            return found.message;
        }
        assert!(start.elapsed() < SOON, "{:?}", server.asked());
        sleep(Duration::from_millis(5)).await;
    }
}
