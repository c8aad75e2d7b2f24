//! Requests to a platform in this process.

use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use mcp_gateway_core::protocol::header;
use mcp_gateway_platform::Platform;
use mcp_gateway_tests::wire::modern_request;
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// Returns the static token `name`, long enough for a configuration.
pub(crate) fn token(name: &str) -> String {
    format!("the-token-of-{name}-is-this")
}

/// Sends a request; returns the status, the session that begins, and the body.
pub(crate) async fn send(
    platform: &Platform,
    request: http::request::Builder,
    body: String,
) -> (StatusCode, String, String) {
    let request = request.header("host", "localhost");
    let request = request.body(Full::<Bytes>::from(body)).unwrap();
    let response = platform.service().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let session = parts.headers.get("mcp-session-id");
    let session = session.map(|session| session.to_str().unwrap().to_owned());
    let body = body.collect().await.unwrap().to_bytes();
    let body = String::from_utf8(body.to_vec()).unwrap();
    (parts.status, session.unwrap_or_default(), body)
}

/// A client of a gateway.
#[derive(Clone)]
pub(crate) struct Client<'a> {
    platform: &'a Platform,
    path: String,
    token: String,
    /// Session of a client of the legacy era.
    session: Option<String>,
    /// Conversation that a client of the modern era names.
    conversation: Option<String>,
}

impl<'a> Client<'a> {
    /// Creates a client of `user` at the gateway with the name or identifier `gateway`.
    pub(crate) fn new(platform: &'a Platform, gateway: &str, user: &str) -> Self {
        Self {
            platform,
            path: format!("/v1/mcp/{gateway}"),
            token: token(user),
            session: None,
            conversation: None,
        }
    }

    /// Names a conversation in each request of the modern era.
    pub(crate) fn with_conversation(mut self, name: &str) -> Self {
        self.conversation = Some(name.to_owned());
        self
    }

    /// Begins a session of the legacy era, if the gateway exists.
    pub(crate) async fn begin_session(&mut self) {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        let request =
            json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
        let (_, session, _) = send(self.platform, self.request(), request.to_string()).await;
        self.session = Some(session);
    }

    fn request(&self) -> http::request::Builder {
        Request::post(&self.path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
    }

    /// Returns the answer to a request; `None` if the gateway does not exist.
    pub(crate) async fn ask(&self, method: &str, mut params: Value) -> Option<Value> {
        let (request, body) = match &self.session {
            Some(session) => {
                let body = json!({ "jsonrpc": "2.0", "id": 2, "method": method, "params": params });
                let request = self.request().header("mcp-session-id", session);
                (
                    request.header("mcp-protocol-version", "2025-11-25"),
                    body.to_string(),
                )
            }
            None => {
                if let Some(name) = &self.conversation {
                    params["_meta"] = json!({ "mcp-gateway/conversation": name });
                }
                let mut request = self.request().header("mcp-protocol-version", "2026-07-28");
                request = request.header("mcp-method", method);
                let name = match method {
                    "tools/call" | "prompts/get" => params["name"].as_str(),
                    "resources/read" => params["uri"].as_str(),
                    _ => None,
                };
                if let Some(name) = name {
                    request = request.header("mcp-name", header::encode(name));
                }
                (request, modern_request(method, params))
            }
        };
        let (status, _, body) = send(self.platform, request, body).await;
        let is_absent = status == StatusCode::NOT_FOUND && body.contains("not_found\"");
        let text = match body.split_once("data: {") {
            Some(_) => body
                .lines()
                .filter_map(|line| line.strip_prefix("data: "))
                .next_back()
                .unwrap(),
            None => &body,
        };
        let value: Value = serde_json::from_str(text).unwrap_or_else(|_| panic!("{status} {body}"));
        let is_absent = is_absent && value["error"]["data"]["reason"] == "not_found";
        (!is_absent).then_some(value)
    }

    /// Returns the names or URIs in the list `kind`; none if no server has it.
    pub(crate) async fn list(&self, kind: &str, name: &str) -> Option<Vec<String>> {
        let answer = self.ask(&format!("{kind}/list"), json!({})).await?;
        let entries = answer["result"][kind].as_array().into_iter().flatten();
        Some(
            entries
                .map(|entry| entry[name].as_str().unwrap().to_owned())
                .collect(),
        )
    }
}
