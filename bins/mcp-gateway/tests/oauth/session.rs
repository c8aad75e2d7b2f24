//! Streams of messages, and sessions of the legacy era.

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use mcp_gateway_tests::wire::modern_request;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::harness::{Endpoint, SOON};

/// Messages of a response, which is JSON or a stream of events.
pub(crate) struct Messages {
    response: Response<Incoming>,
    text: String,
    /// Number of the messages that have been read.
    read: usize,
}

impl Messages {
    /// Sends a request with a token, and returns the messages of its response.
    async fn open(
        method: Method,
        (endpoint, token): (&Endpoint, &str),
        headers: &[(&str, &str)],
        body: String,
    ) -> Self {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}/mcp", endpoint.url))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::<Bytes>::from(body)).unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        Self {
            response: client.request(request).await.unwrap(),
            text: String::new(),
            read: 0,
        }
    }

    /// Sends a request of the modern era.
    pub(crate) async fn of_request(at: (&Endpoint, &str), method: &str, params: Value) -> Self {
        let name = params["name"].as_str().unwrap_or_default().to_owned();
        let mut headers = vec![
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
        ];
        if !name.is_empty() {
            headers.push(("mcp-name", &*name));
        }
        Self::open(Method::POST, at, &headers, modern_request(method, params)).await
    }

    /// Returns the next message for which `is_wanted` holds; the others are skipped.
    pub(crate) async fn find(&mut self, is_wanted: impl Fn(&Value) -> bool) -> Value {
        let find = async {
            loop {
                let lines = self.text.lines();
                let found = lines.filter_map(|line| {
                    let text = line.strip_prefix("data:").unwrap_or(line);
                    serde_json::from_str::<Value>(text.trim()).ok()
                });
                let found: Vec<_> = found.filter(Value::is_object).skip(self.read).collect();
                for message in found {
                    self.read += 1;
                    if is_wanted(&message) {
                        return message;
                    }
                }
                let frame = self.response.body_mut().frame().await;
                let frame = frame.unwrap_or_else(|| panic!("the end of {}", self.text));
                if let Ok(data) = frame.unwrap().into_data() {
                    self.text.push_str(std::str::from_utf8(&data).unwrap());
                }
            }
        };
        timeout(SOON, find).await.unwrap()
    }

    /// Returns the response, skipping what precedes it.
    pub(crate) async fn response(&mut self) -> Value {
        self.find(|message| message.get("method").is_none()).await
    }

    /// Returns the next request or notification `method`.
    pub(crate) async fn method(&mut self, method: &str) -> Value {
        self.find(|message| message["method"] == method).await
    }
}

/// Session of the legacy era.
pub(crate) struct Session {
    endpoint: Endpoint,
    token: String,
    id: String,
}

impl Session {
    /// Begins a session of a client with `capabilities`.
    pub(crate) async fn begin(endpoint: &Endpoint, token: &str, capabilities: Value) -> Self {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities,
            "clientInfo": { "name": "test", "version": "1" },
        });
        let body = request("initialize", &params).to_string();
        let opened = Messages::open(Method::POST, (endpoint, token), &[], body).await;
        let id = opened.response.headers()["mcp-session-id"].to_str();
        let session = Self {
            endpoint: endpoint.clone(),
            token: token.to_owned(),
            id: id.unwrap().to_owned(),
        };
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        session.post(&initialized).await;
        session
    }

    /// Sends `message`, and returns the messages of the response.
    pub(crate) async fn post(&self, message: &Value) -> Messages {
        self.send(Method::POST, message.to_string()).await
    }

    /// Calls the tool `name`, and returns the messages of the response.
    pub(crate) async fn call(&self, name: &str) -> Messages {
        let params = json!({ "name": name, "arguments": {} });
        self.post(&request("tools/call", &params)).await
    }

    /// Opens the standalone stream.
    pub(crate) async fn listen(&self) -> Messages {
        self.send(Method::GET, String::new()).await
    }

    async fn send(&self, method: Method, body: String) -> Messages {
        let headers = [
            ("mcp-session-id", &*self.id),
            ("mcp-protocol-version", "2025-11-25"),
        ];
        Messages::open(method, (&self.endpoint, &self.token), &headers, body).await
    }
}

fn request(method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}
