//! Somebody with a browser and an MCP client.

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use mcp_gateway_tests::wire::modern_request;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::browser::{Browser, Page};
use crate::browser_user::{BrowserUser, redemption, register};
use crate::harness::{Endpoint, Harness, ISSUER, Replica, SOON};

/// Somebody with a browser and an MCP client.
pub(crate) struct Person {
    pub(crate) name: &'static str,
    pub(crate) browser: Browser,
    pub(crate) token: String,
}

impl Person {
    pub(crate) async fn new(endpoint: &Endpoint, name: &'static str, password: &str) -> Self {
        let user = BrowserUser::log_in(endpoint, name, password).await;
        let client = register(endpoint, &json!({})).await.unwrap();
        let client = client.text("client_id");
        let (code, _) = user.code(&client).await.unwrap();
        let tokens = endpoint.token(&redemption(&client, &code)).await.unwrap();
        let mut browser = Browser::new();
        let url = format!("{}/api/auth/login", endpoint.url);
        let csrf = browser.get(&url).await.field("csrf");
        let form = [("csrf", &*csrf), ("name", name), ("password", password)];
        browser.post(&url, &form).await;
        Self {
            name,
            browser,
            token: tokens.text("access_token"),
        }
    }

    /// Returns the result of the tool `name`.
    pub(crate) async fn call(&self, endpoint: &Endpoint, name: &str) -> Value {
        let wire = endpoint.wire(&self.token);
        let reply = wire.call(name, json!({})).await.unwrap();
        reply.answer()["result"].clone()
    }

    /// Returns the result of the tool `name` in a session of the legacy era.
    pub(crate) async fn call_in_session(&self, endpoint: &Endpoint, name: &str) -> Value {
        let token = format!("Bearer {}", self.token);
        let mut headers = vec![
            ("authorization", &*token),
            ("content-type", "application/json"),
            ("accept", "application/json, text/event-stream"),
        ];
        let send = |method: &str, params: Value| {
            json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
        };
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "test", "version": "1" },
        });
        let body = send("initialize", params);
        let opened = endpoint.send(Method::POST, "/mcp", &headers, body).await;
        let opened = opened.unwrap();
        let session = opened.headers["mcp-session-id"].to_str().unwrap();
        headers.push(("mcp-session-id", session));
        headers.push(("mcp-protocol-version", "2025-11-25"));
        let body = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        endpoint
            .send(Method::POST, "/mcp", &headers, body.to_string())
            .await;
        let body = send("tools/call", json!({ "name": name, "arguments": {} }));
        let reply = endpoint.send(Method::POST, "/mcp", &headers, body).await;
        message(&reply.unwrap().value)["result"].clone()
    }

    /// Returns the names of the tools.
    pub(crate) async fn tools(&self, endpoint: &Endpoint) -> Vec<String> {
        let wire = endpoint.wire(&self.token);
        let reply = wire.request("tools/list", json!({})).await.unwrap();
        let answer = reply.answer();
        let tools = answer["result"]["tools"].as_array().unwrap();
        let names = tools.iter().map(|tool| tool["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    }

    /// Follows the link of a failed call of the tool `name`.
    pub(crate) async fn follow_link(&mut self, endpoint: &Endpoint, name: &str) -> Page {
        let result = self.call(endpoint, name).await;
        assert_eq!(result["isError"], true, "{result}");
        let problem = &result["_meta"]["mcp-gateway/problem"];
        assert_eq!(problem["reason"], "not_connected", "{result}");
        let link = problem["url"].as_str().unwrap();
        let text = result["content"][0]["text"].as_str().unwrap();
        assert!(text.contains(link), "{result}");
        // The address that all replicas are known by leads nowhere here.
        self.browser.get(&link.replace(ISSUER, &endpoint.url)).await
    }

    /// Subscribes to changed lists of tools. The result completes after the next one.
    pub(crate) async fn subscribe(&self, endpoint: &Endpoint) -> impl Future<Output = ()> + use<> {
        let params = json!({ "notifications": { "toolsListChanged": true } });
        let body = modern_request("subscriptions/listen", params);
        let request = Request::post(format!("{}/mcp", endpoint.url))
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .header("mcp-protocol-version", "2026-07-28")
            .header("mcp-method", "subscriptions/listen")
            .body(Full::<Bytes>::from(body))
            .unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut response = client.request(request).await.unwrap();
        let mut text = String::new();
        let mut read = async move |word: &str| {
            while !text.contains(word) {
                let frame = response.body_mut().frame().await.unwrap().unwrap();
                if let Ok(data) = frame.into_data() {
                    text.push_str(std::str::from_utf8(&data).unwrap());
                }
            }
        };
        timeout(SOON, read("acknowledged")).await.unwrap();
        async move { timeout(SOON, read("tools/list_changed")).await.unwrap() }
    }
}

pub(crate) async fn people(harness: &Harness, replica: &Replica) -> [Person; 2] {
    let endpoint = replica.endpoint();
    let password = replica.password.clone().unwrap();
    let created = harness.operate(&["user", "create", "zoe"]).await;
    let password_of_zoe = created.rsplit(' ').next().unwrap();
    [
        Person::new(&endpoint, "admin", &password).await,
        Person::new(&endpoint, "zoe", password_of_zoe).await,
    ]
}

/// Returns the message of a response, which is JSON or one event.
fn message(value: &Value) -> Value {
    let Some(text) = value.as_str() else {
        return value.clone();
    };
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("data:"));
    let found = lines.find_map(|line| {
        let message: Value = serde_json::from_str(line.trim()).ok()?;
        message.get("result").is_some().then_some(message)
    });
    found.unwrap()
}
