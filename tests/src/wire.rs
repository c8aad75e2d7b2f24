//! Requests and responses of streamable HTTP as they are on the wire.
//!
//! SDKs parse what they receive and write it anew; tests of what exactly passes need neither.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use serde_json::{Value, json};
use tokio::time::timeout;

/// No answer takes so long, unless there is none.
const DEADLINE: Duration = Duration::from_secs(60);

/// Error of a request.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// The request is none.
    #[error(transparent)]
    Http(#[from] http::Error),
    /// The server did not answer in time.
    #[error("no answer after {0:?}")]
    Deadline(Duration),
    /// The response ended before there was any progress.
    #[error("no progress before the end of the response: {0}")]
    Progress(String),
    /// The response did not come to its end.
    #[error("the response broke off: {0}")]
    Response(#[source] hyper::Error),
    /// There was no response.
    #[error("no response: {0}")]
    Send(#[from] hyper_util::client::legacy::Error),
}

/// A server to send messages to.
#[derive(Clone, Debug)]
pub struct Wire {
    client: Client<HttpConnector, Full<Bytes>>,
    url: String,
    headers: HeaderMap,
}

impl Wire {
    /// The server at `url`.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        let mut headers = HeaderMap::new();
        let json = HeaderValue::from_static("application/json");
        let both = HeaderValue::from_static("application/json, text/event-stream");
        headers.insert(header::CONTENT_TYPE, json);
        headers.insert(header::ACCEPT, both);
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            url: url.into(),
            headers,
        }
    }

    /// Adds a header to all messages.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Sends `message` with `headers`, whatever they are.
    ///
    /// # Errors
    ///
    /// Fails if there is no whole response; its status does not matter.
    pub async fn post(
        &self,
        message: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> Result<Reply, WireError> {
        within(async { self.open(message, headers).await?.reply().await }).await
    }

    async fn open(
        &self,
        message: impl Into<Bytes>,
        headers: &[(&str, &str)],
    ) -> Result<InFlight, WireError> {
        let mut request = Request::post(&self.url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Full::new(message.into()))?;
        for (name, value) in &self.headers {
            let headers = request.headers_mut();
            headers.entry(name).or_insert_with(|| value.clone());
        }
        let response = self.client.request(request).await?;
        Ok(InFlight {
            response,
            text: Vec::new(),
        })
    }

    /// Sends the request of 2026-07-28 for `method` with `params`, which are an object.
    ///
    /// # Errors
    ///
    /// Fails if there is no whole response; its status does not matter.
    pub async fn request(&self, method: &str, params: Value) -> Result<Reply, WireError> {
        within(async { self.open_modern(method, params).await?.reply().await }).await
    }

    async fn open_modern(&self, method: &str, params: Value) -> Result<InFlight, WireError> {
        let headers = standard_headers(method, &params);
        let headers: Vec<_> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        self.open(modern_request(method, params), &headers).await
    }

    /// Calls the tool `name` as a client of 2026-07-28 does.
    ///
    /// # Errors
    ///
    /// Fails if there is no whole response; its status does not matter.
    pub async fn call(&self, name: &str, arguments: Value) -> Result<Reply, WireError> {
        let params = json!({ "name": name, "arguments": arguments });
        self.request("tools/call", params).await
    }

    /// Calls the tool `name` as a client of 2026-07-28 does, and returns when the tool has reported
    /// progress: the server has the call, and has not answered it.
    ///
    /// # Errors
    ///
    /// Fails if the response ends before.
    pub async fn begin(&self, name: &str, arguments: Value) -> Result<InFlight, WireError> {
        let params = json!({
            "name": name,
            "arguments": arguments,
            "_meta": { "progressToken": "begun" },
        });
        within(async {
            let mut call = self.open_modern("tools/call", params).await?;
            while !call.has_progress() {
                if !call.read().await? {
                    let text = String::from_utf8_lossy(&call.text).into_owned();
                    return Err(WireError::Progress(text));
                }
            }
            Ok(call)
        })
        .await
    }
}

/// A call that is not answered yet.
#[derive(Debug)]
pub struct InFlight {
    response: Response<Incoming>,
    /// Of the body, as far as it has come.
    text: Vec<u8>,
}

impl InFlight {
    /// Reads the response to its end.
    ///
    /// # Errors
    ///
    /// Fails if it has none.
    pub async fn reply(mut self) -> Result<Reply, WireError> {
        while self.read().await? {}
        let (parts, _) = self.response.into_parts();
        Ok(Reply {
            status: parts.status,
            headers: parts.headers,
            body: String::from_utf8_lossy(&self.text).into_owned(),
        })
    }

    fn has_progress(&self) -> bool {
        memchr::memmem::find(&self.text, b"notifications/progress").is_some()
    }

    /// Reads another piece of the body, if there is one.
    async fn read(&mut self) -> Result<bool, WireError> {
        let Some(frame) = self.response.body_mut().frame().await else {
            return Ok(false);
        };
        if let Ok(data) = frame.map_err(WireError::Response)?.into_data() {
            self.text.extend_from_slice(&data);
        }
        Ok(true)
    }
}

async fn within<T>(exchange: impl Future<Output = Result<T, WireError>>) -> Result<T, WireError> {
    timeout(DEADLINE, exchange)
        .await
        .unwrap_or(Err(WireError::Deadline(DEADLINE)))
}

/// A request of 2026-07-28, with the metadata that each of them has.
#[must_use]
pub fn modern_request(method: &str, mut params: Value) -> String {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "wire", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    match params.get_mut("_meta").and_then(Value::as_object_mut) {
        Some(given) => {
            for (name, value) in meta.as_object().into_iter().flatten() {
                given.entry(name).or_insert_with(|| value.clone());
            }
        }
        None => params["_meta"] = meta,
    }
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
}

fn standard_headers(method: &str, params: &Value) -> Vec<(&'static str, String)> {
    let mut headers = vec![
        ("mcp-protocol-version", "2026-07-28".to_owned()),
        ("mcp-method", method.to_owned()),
    ];
    let name = match method {
        "tools/call" | "prompts/get" => params["name"].as_str(),
        "resources/read" => params["uri"].as_str(),
        "tasks/cancel" | "tasks/get" | "tasks/update" => params["taskId"].as_str(),
        _ => None,
    };
    headers.extend(name.map(|name| ("mcp-name", name.to_owned())));
    headers
}

/// A whole response.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Reply {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body as it came, which may be a stream of events.
    pub body: String,
}

impl Reply {
    /// The messages in the body, as text.
    #[must_use]
    pub fn messages(&self) -> Vec<&str> {
        let kind = self.headers.get(header::CONTENT_TYPE);
        if kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream")) {
            let data = self
                .body
                .lines()
                .filter_map(|line| line.strip_prefix("data:"));
            return data
                .map(str::trim)
                .filter(|data| !data.is_empty())
                .collect();
        }
        vec![self.body.as_str()]
    }

    /// The last message, which is the answer; null if it is no JSON that fits into a [`Value`].
    #[must_use]
    pub fn answer(&self) -> Value {
        let last = self.messages().pop().unwrap_or_default();
        serde_json::from_str(last).unwrap_or_default()
    }
}
