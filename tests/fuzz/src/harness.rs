//! A gateway without a network: its only server is a function.

use std::cell::RefCell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, StreamBody};
use mcp_gateway_core::limit::Limits;
use mcp_gateway_core::route::PrefixRouter;
use mcp_gateway_core::session::Sessions;
use mcp_gateway_core::transport::{HttpBody, HttpClient, HttpTransport, Transport};
use mcp_gateway_core::upstream::{
    Instance, PooledServer, RuntimeBackend, ServerPool, UpstreamError, UpstreamServer,
};
use mcp_gateway_core::{Gateway, Sealer};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower_service::Service;

/// Response of the server to methods that few servers have.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    /// The revision that it speaks.
    pub(crate) modern: bool,
    pub(crate) status: StatusCode,
    pub(crate) kind: &'static str,
    /// The body that answers `tools/call`. Where it has the id 1, that is the one of the request.
    pub(crate) body: Bytes,
    /// The size of the pieces in which it comes.
    pub(crate) piece: usize,
    /// The text of the result of `tools/list`.
    pub(crate) list: String,
}

impl Script {
    pub(crate) fn new(modern: bool) -> Self {
        Self {
            modern,
            status: StatusCode::OK,
            kind: "application/json",
            body: Bytes::new(),
            piece: usize::MAX,
            list: r#"{"resultType":"complete","tools":[{"name":"t","inputSchema":{}}]}"#.to_owned(),
        }
    }
}

/// A gateway and what drives it.
pub(crate) struct Harness {
    runtime: Runtime,
    gateway: Gateway,
    script: Arc<Mutex<Script>>,
    session: String,
}

/// Response to a client.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Got {
    pub(crate) status: StatusCode,
    pub(crate) events: bool,
    /// The body; none if it broke off.
    pub(crate) body: Option<Bytes>,
}

impl Got {
    /// The text of the last message in the body.
    pub(crate) fn last(&self) -> Option<Bytes> {
        let body = self.body.as_ref()?;
        if !self.events {
            return Some(body.clone());
        }
        let mut events = Vec::new();
        let mut reader = mcp_gateway_core::sse::SseReader::new(usize::MAX / 2);
        reader.feed(body, &mut events).ok()?;
        let messages = events.into_iter().map(|event| event.data);
        messages.filter(|data| !data.is_empty()).last()
    }

    /// The last message in the body; none if it is none, or holds what a [`Value`] cannot.
    pub(crate) fn message(&self) -> Option<Value> {
        serde_json::from_slice(&self.last()?).ok()
    }
}

thread_local! {
    static STAGES: RefCell<HashMap<bool, Harness>> = RefCell::default();
}

/// Does `work` with a gateway over a server that follows `script`.
pub(crate) fn with<T>(script: Script, work: impl FnOnce(&Harness) -> T) -> T {
    STAGES.with_borrow_mut(|stages| {
        let harness = stages
            .entry(script.modern)
            .or_insert_with(|| Harness::new(script.modern));
        *harness.script.lock().unwrap() = script;
        work(harness)
    })
}

impl Harness {
    fn new(modern: bool) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap();
        let script = Arc::new(Mutex::new(Script::new(modern)));
        let backend = Arc::new(Scripted(Arc::clone(&script)));
        let server = UpstreamServer::builder("s", backend).build();
        let limits = Limits::default().with_breaker(u32::MAX, Duration::ZERO);
        let pool = ServerPool::new();
        pool.replace(HashMap::from([(
            "s".into(),
            Arc::new(PooledServer::new(server, limits)),
        )]));
        let router = PrefixRouter::new([("s", "")]).unwrap();
        let sessions = Sessions::new(Arc::new(Sealer::new(&[7; 32]).unwrap()));
        let gateway = Gateway::anonymous()
            .with_router(router)
            .with_servers(pool)
            .with_sessions(sessions);
        let mut harness = Self {
            runtime,
            gateway: gateway.build().unwrap(),
            script,
            session: String::new(),
        };
        harness.session = harness.initialize();
        harness
    }

    fn initialize(&self) -> String {
        let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {} });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
        let request = request(&[])
            .body(Full::<Bytes>::from(body.to_string()))
            .unwrap();
        let response = self.runtime.block_on(self.gateway.clone().call(request));
        let headers = response.unwrap().headers().clone();
        headers["mcp-session-id"].to_str().unwrap().to_owned()
    }

    /// The identifier of a session.
    pub(crate) fn session(&self) -> &str {
        &self.session
    }

    /// Sends a body with headers.
    pub(crate) fn send(&self, headers: &[(&str, &str)], body: impl Into<Bytes>) -> Got {
        let request = request(headers)
            .body(Full::<Bytes>::from(body.into()))
            .unwrap();
        self.runtime.block_on(async {
            let response = self.gateway.clone().call(request).await.unwrap();
            let (parts, body) = response.into_parts();
            let kind = parts.headers.get(header::CONTENT_TYPE);
            Got {
                status: parts.status,
                events: kind.is_some_and(|kind| kind == "text/event-stream"),
                body: body.collect().await.ok().map(|body| body.to_bytes()),
            }
        })
    }

    /// Asks as a client of the modern era.
    pub(crate) fn modern(&self, method: &str, mut params: Value) -> Got {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {},
        });
        let name = params["name"].as_str().map(|name| {
            let name = mcp_gateway_core::protocol::header::encode(name);
            name.to_str().unwrap().to_owned()
        });
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let mut headers = vec![
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", method),
        ];
        headers.extend(name.as_deref().map(|name| ("mcp-name", name)));
        self.send(&headers, body.to_string())
    }

    /// Asks within a session.
    pub(crate) fn legacy(&self, method: &str, params: Value) -> Got {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        self.send(&[("mcp-session-id", &self.session)], body.to_string())
    }
}

fn request(headers: &[(&str, &str)]) -> http::request::Builder {
    let mut request = Request::post("http://localhost/mcp")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request
}

/// A server that is a function.
#[derive(Debug)]
struct Scripted(Arc<Mutex<Script>>);

#[async_trait]
impl RuntimeBackend for Scripted {
    async fn connect(&self, _: &Instance) -> Result<Transport, UpstreamError> {
        let client = Arc::new(Self(Arc::clone(&self.0)));
        let uri = Uri::from_static("http://server/mcp");
        Ok(Transport::Http(HttpTransport::new(uri, client)))
    }
}

#[async_trait]
impl HttpClient for Scripted {
    async fn request(&self, request: Request<Bytes>) -> Result<Response<HttpBody>, UpstreamError> {
        let message: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let script = self.0.lock().unwrap().clone();
        Ok(script.answer(&message))
    }
}

impl Script {
    fn pieces(&self, id: &Value) -> Vec<Bytes> {
        const ID: &[u8] = b"\"id\":1";
        let mut body = self.body.to_vec();
        let found = body.windows(ID.len()).position(|window| window == ID);
        if let Some(at) = found.filter(|_| !self.modern) {
            let id = id.to_string().into_bytes();
            body.splice(at + ID.len() - 1..at + ID.len(), id);
        }
        body.chunks(self.piece)
            .map(Bytes::copy_from_slice)
            .collect()
    }

    fn answer(&self, message: &Value) -> Response<HttpBody> {
        let id = &message["id"];
        let result = |result: &str| {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#);
            response(StatusCode::OK, "application/json", vec![text.into()])
        };
        match (message["method"].as_str().unwrap_or_default(), self.modern) {
            ("server/discover", true) => result(
                r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{}}}"#,
            ),
            ("initialize", false) => result(
                r#"{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s","version":"1"}}"#,
            ),
            ("tools/list", _) => result(&self.list),
            ("tools/call", _) => response(self.status, self.kind, self.pieces(id)),
            (method, _) if method.starts_with("notifications/") => {
                response(StatusCode::ACCEPTED, "text/plain", Vec::new())
            }
            _ => response(StatusCode::METHOD_NOT_ALLOWED, "text/plain", Vec::new()),
        }
    }
}

fn response(status: StatusCode, kind: &'static str, pieces: Vec<Bytes>) -> Response<HttpBody> {
    let frames = pieces
        .into_iter()
        .map(|piece| Ok::<_, Infallible>(http_body::Frame::data(piece)));
    let body = HttpBody::new(StreamBody::new(futures_util::stream::iter(frames)));
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}
