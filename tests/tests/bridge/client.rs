//! A client of the legacy era that reads streams while they come.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use tokio::time::timeout;

/// No message takes so long, unless there is none.
const DEADLINE: Duration = Duration::from_secs(60);

/// A client with a session.
#[derive(Debug)]
pub(super) struct Legacy {
    http: Client<HttpConnector, Full<Bytes>>,
    url: String,
    who: String,
    session: Option<String>,
}

impl Legacy {
    /// Begins a session of `who`, who declares `capabilities`.
    pub(super) async fn begin(url: &str, who: &str, capabilities: Value) -> Self {
        let mut client = Self {
            http: Client::builder(TokioExecutor::new()).build_http(),
            url: url.to_owned(),
            who: who.to_owned(),
            session: None,
        };
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": capabilities,
            "clientInfo": { "name": "legacy", "version": "1" },
        });
        let begun = client
            .post(&request(&json!(0), "initialize", &params))
            .await;
        let session = begun.headers()["mcp-session-id"].to_str().unwrap();
        client.session = Some(session.to_owned());
        client.notify("notifications/initialized", json!({})).await;
        client
    }

    async fn send(&self, request: http::request::Builder, body: String) -> Response<Incoming> {
        let mut request = request
            .uri(&self.url)
            .header("authorization", format!("Bearer {}", self.who))
            .header("content-type", "application/json");
        if let Some(session) = &self.session {
            request = request.header("mcp-session-id", session);
        }
        let request = request.body(Full::from(body.clone())).unwrap();
        let response = timeout(DEADLINE, self.http.request(request)).await;
        let response = response.unwrap_or_else(|_| panic!("no response to {body}"));
        response.unwrap()
    }

    async fn post(&self, message: &Value) -> Response<Incoming> {
        let request = Request::post("/").header("accept", "application/json, text/event-stream");
        self.send(request, message.to_string()).await
    }

    /// Sends a request, and reads its answer as it comes.
    pub(super) async fn request(&self, id: &Value, method: &str, params: &Value) -> Stream {
        let response = self.post(&request(id, method, params)).await;
        assert_eq!(response.status(), StatusCode::OK);
        Stream::new(response)
    }

    /// Sends a message that wants no answer; returns the status.
    pub(super) async fn tell(&self, message: &Value) -> StatusCode {
        self.post(message).await.status()
    }

    pub(super) async fn notify(&self, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        assert_eq!(self.tell(&message).await, StatusCode::ACCEPTED);
    }

    /// The stream of what belongs to no call, or the one on which `after` was the last event.
    pub(super) async fn listen(&self, after: Option<&str>) -> Stream {
        let mut request = Request::get("/").header("accept", "text/event-stream");
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let response = self.send(request, String::new()).await;
        assert_eq!(response.status(), StatusCode::OK);
        Stream::new(response)
    }

    /// Ends the session.
    pub(super) async fn end(&self) {
        let ended = self.send(Request::delete("/"), String::new()).await;
        assert_eq!(ended.status(), StatusCode::NO_CONTENT);
    }
}

fn request(id: &Value, method: &str, params: &Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
}

/// An answer while it comes: one document, or events.
#[derive(Debug)]
pub(super) struct Stream {
    body: Incoming,
    document: bool,
    seen: String,
    /// The last event.
    pub(super) last: Option<String>,
}

impl Stream {
    fn new(response: Response<Incoming>) -> Self {
        Self {
            document: response.headers()["content-type"] == "application/json",
            body: response.into_body(),
            seen: String::new(),
            last: None,
        }
    }

    /// The next message; none when the stream has ended.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.seen.find("\n\n") {
                let event: String = self.seen.drain(..end + 2).collect();
                let mut data = String::new();
                for line in event.lines() {
                    data += line.strip_prefix("data:").unwrap_or_default().trim();
                    if let Some(id) = line.strip_prefix("id:") {
                        self.last = Some(id.trim().to_owned());
                    }
                }
                if !data.is_empty() {
                    return Some(serde_json::from_str(&data).unwrap());
                }
            }
            match timeout(DEADLINE, self.body.frame()).await.unwrap() {
                Some(frame) => {
                    let data = frame.unwrap().into_data().unwrap();
                    self.seen.push_str(std::str::from_utf8(&data).unwrap());
                }
                None if self.document && !self.seen.is_empty() => {
                    return Some(serde_json::from_str(&std::mem::take(&mut self.seen)).unwrap());
                }
                None => return None,
            }
        }
    }
}
