//! Servers that answer as a test says, byte for byte.
//!
//! An honest server is made of an SDK; one that lies, breaks off or is silent is written here: a
//! function from what is asked to the [`Step`]s that answer it.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// A server that follows a script, until it is dropped.
#[derive(Debug)]
pub struct Scripted {
    /// The address of its endpoint.
    pub url: String,
    asked: Arc<Mutex<Vec<ReceivedRequest>>>,
    accepted: Arc<AtomicUsize>,
    _connections: JoinSet<()>,
}

/// A request that a server got.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct ReceivedRequest {
    /// The method of HTTP.
    pub verb: String,
    /// The path with its query.
    pub path: String,
    /// The lines of the head after the first one.
    pub head: String,
    /// The message; null if there is none.
    pub message: Value,
    /// The text of the message.
    pub text: String,
}

/// A part of what a server does.
#[derive(Clone)]
#[non_exhaustive]
pub enum Step {
    /// Closes the connection.
    Close,
    /// Runs a function of the test.
    Do(Arc<dyn Fn() + Send + Sync>),
    /// Does nothing more until the client closes the connection.
    Hang,
    /// Waits.
    Pause(Duration),
    /// Closes the connection in the way of a program that was killed.
    Reset,
    /// Writes the bytes again and again, until the client closes the connection.
    Repeat(Bytes),
    /// Writes the bytes.
    Send(Bytes),
    /// Writes each byte by itself.
    Trickle(Bytes),
    /// Waits until there is a permit, and takes it.
    Wait(Arc<Semaphore>),
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Step")
    }
}

/// Response to a request.
pub type Steps = Vec<Step>;

impl ReceivedRequest {
    /// The method of JSON-RPC; empty if there is none.
    #[must_use]
    pub fn method(&self) -> &str {
        self.message["method"].as_str().unwrap_or_default()
    }

    /// The name of the tool that is called.
    #[must_use]
    pub fn tool(&self) -> &str {
        self.message["params"]["name"].as_str().unwrap_or_default()
    }

    /// The response of JSON-RPC with a result.
    #[must_use]
    pub fn result(&self, result: &Value) -> Value {
        json!({ "jsonrpc": "2.0", "id": self.message["id"], "result": result })
    }

    /// The response of a tool that answers with text.
    #[must_use]
    pub fn says(&self, text: &str) -> Value {
        self.result(&json!({
            "resultType": "complete",
            "content": [{ "type": "text", "text": text }],
        }))
    }
}

impl Scripted {
    /// Answers each request with what `script` says.
    ///
    /// # Errors
    ///
    /// Fails if there is no free port.
    pub async fn start(
        script: impl Fn(&ReceivedRequest) -> Steps + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start_at("127.0.0.1:0", script).await
    }

    /// The same, at an address that another one had before.
    ///
    /// # Errors
    ///
    /// Fails if the port is in use.
    pub async fn start_at(
        address: &str,
        script: impl Fn(&ReceivedRequest) -> Steps + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let url = format!("http://{}/mcp", listener.local_addr()?);
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (script, log) = (Arc::new(script), Arc::clone(&asked));
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut served = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                while served.try_join_next().is_some() {}
                let (script, log) = (Arc::clone(&script), Arc::clone(&log));
                served.spawn(async move {
                    // The client may close the connection at any time.
                    let _ = serve(stream, &*script, &log).await;
                });
            }
        });
        Ok(Self {
            url,
            asked,
            accepted,
            _connections: connections,
        })
    }

    /// A server of the modern era whose tool `truth` is honest, and the others do as `script` says.
    ///
    /// # Errors
    ///
    /// Fails if there is no free port.
    pub async fn modern(
        script: impl Fn(&ReceivedRequest) -> Steps + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start(move |asked| modern(asked).unwrap_or_else(|| script(asked))).await
    }

    /// The same for the legacy era.
    ///
    /// # Errors
    ///
    /// Fails if there is no free port.
    pub async fn legacy(
        script: impl Fn(&ReceivedRequest) -> Steps + Send + Sync + 'static,
    ) -> io::Result<Self> {
        Self::start(move |asked| legacy(asked).unwrap_or_else(|| script(asked))).await
    }

    /// The requests that came.
    #[must_use]
    pub fn asked(&self) -> Vec<ReceivedRequest> {
        self.log().clone()
    }

    /// Returns the number of requests with the method.
    #[must_use]
    pub fn count(&self, method: &str) -> usize {
        let is_it = |asked: &&ReceivedRequest| asked.method() == method;
        self.log().iter().filter(is_it).count()
    }

    /// Returns the number of connections that clients have opened.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    fn log(&self) -> std::sync::MutexGuard<'_, Vec<ReceivedRequest>> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the response of an honest server of the modern era; none for a tool other than `truth`.
#[must_use]
pub fn modern(asked: &ReceivedRequest) -> Option<Steps> {
    let discovered = || discovered(&json!({ "tools": {} }));
    match asked.method() {
        "server/discover" => Some(document(&asked.result(&discovered()))),
        "initialize" => Some(status("400 Bad Request")),
        _ => common(asked),
    }
}

/// Returns the response of an honest server of the legacy era; none for a tool other than `truth`.
#[must_use]
pub fn legacy(asked: &ReceivedRequest) -> Option<Steps> {
    match (&*asked.verb, asked.method()) {
        ("GET", _) => Some(status("405 Method Not Allowed")),
        ("DELETE", _) => Some(status("204 No Content")),
        (_, "initialize") => Some(begun(asked, &json!({ "tools": {} }))),
        (_, method) if method.starts_with("notifications/") => Some(status("202 Accepted")),
        (_, "server/discover") => Some(status("400 Bad Request")),
        _ => common(asked),
    }
}

/// Returns the response of an honest server with these `capabilities`, of the modern or of the legacy
/// era; none for tools but `truth`, or other features than tools.
#[must_use]
pub fn declaring(asked: &ReceivedRequest, modern: bool, capabilities: &Value) -> Steps {
    match (asked.method(), modern) {
        ("server/discover", true) => document(&asked.result(&discovered(capabilities))),
        ("initialize", false) => document(&asked.result(&initialized(capabilities))),
        (_, true) => self::modern(asked).unwrap_or_default(),
        (_, false) => legacy(asked).unwrap_or_default(),
    }
}

/// Returns the response to `initialize` with `capabilities`, which begins the session `scripted`.
#[must_use]
pub fn begun(asked: &ReceivedRequest, capabilities: &Value) -> Steps {
    let headers = "Content-Type: application/json\r\nMcp-Session-Id: scripted\r\n";
    let body = asked.result(&initialized(capabilities)).to_string();
    response("200 OK", headers, &body)
}

/// Returns the result of `initialize`.
fn initialized(capabilities: &Value) -> Value {
    json!({
        "protocolVersion": "2025-11-25",
        "capabilities": capabilities,
        "serverInfo": { "name": "scripted", "version": "1" },
    })
}

/// Returns the result of `server/discover`.
fn discovered(capabilities: &Value) -> Value {
    json!({
        "resultType": "complete",
        "supportedVersions": ["2026-07-28"],
        "capabilities": capabilities,
        "ttlMs": 0,
        "cacheScope": "private",
    })
}

fn common(asked: &ReceivedRequest) -> Option<Steps> {
    match (asked.method(), asked.tool()) {
        ("tools/list", _) => {
            let tool = |name: &str| json!({ "name": name, "inputSchema": { "type": "object" } });
            let tools = json!({ "resultType": "complete", "tools": [tool("truth"), tool("lie")] });
            Some(document(&asked.result(&tools)))
        }
        ("tools/call", "truth") => Some(document(&asked.says("true"))),
        _ => None,
    }
}

/// A whole response.
#[must_use]
pub fn response(status: &str, headers: &str, body: &str) -> Steps {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
    vec![Step::Send(text.into())]
}

/// A response without a body.
#[must_use]
pub fn status(status: &str) -> Steps {
    response(status, "", "")
}

/// A response that is a JSON document.
#[must_use]
pub fn document(body: &Value) -> Steps {
    response(
        "200 OK",
        "Content-Type: application/json\r\n",
        &body.to_string(),
    )
}

/// A response that is a stream of events, which ends with the connection.
#[must_use]
pub fn events(text: impl AsRef<[u8]>) -> Steps {
    vec![
        Step::Send(EVENTS.into()),
        Step::Send(Bytes::copy_from_slice(text.as_ref())),
        Step::Close,
    ]
}

/// The head of a stream of events that ends with the connection.
pub const EVENTS: &str =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

async fn serve(
    stream: TcpStream,
    script: &(impl Fn(&ReceivedRequest) -> Steps + Sync),
    log: &Mutex<Vec<ReceivedRequest>>,
) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    while let Some(asked) = read(&mut stream).await? {
        let steps = script(&asked);
        log.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(asked);
        for step in steps {
            if !take(step, &mut stream).await? {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Takes a step; whether the connection goes on.
async fn take(step: Step, stream: &mut BufReader<TcpStream>) -> io::Result<bool> {
    match step {
        Step::Close => return Ok(false),
        Step::Do(act) => act(),
        Step::Hang => {
            let mut rest = Vec::new();
            stream.read_to_end(&mut rest).await?;
            return Ok(false);
        }
        Step::Pause(time) => sleep(time).await,
        Step::Reset => {
            stream.get_ref().set_zero_linger()?;
            return Ok(false);
        }
        Step::Repeat(bytes) => loop {
            stream.get_mut().write_all(&bytes).await?;
        },
        Step::Send(bytes) => stream.get_mut().write_all(&bytes).await?,
        Step::Trickle(bytes) => {
            for byte in bytes {
                stream.get_mut().write_all(&[byte]).await?;
                stream.get_mut().flush().await?;
                tokio::task::yield_now().await;
            }
        }
        Step::Wait(semaphore) => {
            if let Ok(permit) = semaphore.acquire().await {
                permit.forget();
            }
        }
    }
    Ok(true)
}

async fn read(stream: &mut BufReader<TcpStream>) -> io::Result<Option<ReceivedRequest>> {
    let mut first = String::new();
    if stream.read_line(&mut first).await? == 0 {
        return Ok(None);
    }
    let mut head = String::new();
    loop {
        let start = head.len();
        if stream.read_line(&mut head).await? == 0 || head[start..] == *"\r\n" {
            break;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_it = name.eq_ignore_ascii_case("content-length");
        is_it.then(|| value.trim().parse().ok()).flatten()
    });
    let mut body = vec![0; length.unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    let mut words = first.split_whitespace().map(str::to_owned);
    Ok(Some(ReceivedRequest {
        verb: words.next().unwrap_or_default(),
        path: words.next().unwrap_or_default(),
        message: serde_json::from_slice(&body).unwrap_or_default(),
        text: String::from_utf8_lossy(&body).into_owned(),
        head,
    }))
}
