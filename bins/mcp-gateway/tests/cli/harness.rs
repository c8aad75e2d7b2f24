//! The program, started for a test.

use std::fs;
use std::process::{ExitStatus, Output, Stdio};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, LOCATION};
use http::{HeaderValue, Request};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::wire::{InFlight, Wire};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// Default directory of the state of gateways.
const DATA: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/state");

/// Path of the program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-gateway");

/// Timeout of steps that take no time on an idle machine.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// A gateway that runs.
#[derive(Debug)]
pub(crate) struct Gateway {
    process: Process,
    /// URL without a path.
    pub(crate) url: String,
    pub(crate) token: String,
    /// The first lines of what it said when it was ready.
    pub(crate) banner: String,
}

impl Gateway {
    /// Starts the program with `args`.
    pub(crate) async fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[]).await
    }

    /// Serves what the file says.
    pub(crate) async fn serve(config: &str) -> Self {
        Self::serve_with(config, &[]).await
    }

    /// Serves what the file says, with variables of the environment.
    pub(crate) async fn serve_with(config: &str, env: &[(&str, &str)]) -> Self {
        let args = ["serve", "--listen", "127.0.0.1:0", "--config", config];
        Self::start_with(&args, env).await
    }

    /// Starts the program with `args` and variables of the environment.
    pub(crate) async fn start_with(args: &[&str], env: &[(&str, &str)]) -> Self {
        let mut command = command(args);
        command.envs(env.iter().copied());
        let token = env.iter().find(|(name, _)| *name == "MCP_GATEWAY_TOKEN");
        let token = token.map(|(_, token)| *token);
        let mut process = Process::start(command).unwrap();
        let mut lines = Vec::new();
        let last = if token.is_some() {
            "servers "
        } else {
            "token "
        };
        while !lines
            .last()
            .is_some_and(|line: &String| line.contains(last))
        {
            lines.push(process.line(SOON).await.unwrap());
        }
        let after = |word: &str| {
            let line = lines.iter().find_map(|line| line.trim().strip_prefix(word));
            line.unwrap_or_default().trim().to_owned()
        };
        let endpoint = after("endpoint");
        Self {
            url: endpoint.trim_end_matches("/mcp").to_owned(),
            token: token.map_or_else(|| after("token"), str::to_owned),
            banner: lines.join("\n"),
            process,
        }
    }

    /// Returns what it says when it is ready, up to the line with `last`.
    pub(crate) async fn rest_of_banner(&mut self, last: &str) -> String {
        while !self.banner.contains(last) {
            self.banner.push('\n');
            self.banner += &self.process.line(SOON).await.unwrap();
        }
        self.banner.clone()
    }

    /// Messages to the default gateway.
    pub(crate) fn wire(&self) -> Wire {
        self.wire_at("/mcp")
    }

    /// Messages to what is at `path`.
    pub(crate) fn wire_at(&self, path: &str) -> Wire {
        let token = HeaderValue::from_str(&format!("Bearer {}", self.token)).unwrap();
        Wire::new(format!("{}{path}", self.url)).with_header(AUTHORIZATION, token)
    }

    /// Messages to the default gateway with another token.
    pub(crate) fn wire_with(&self, token: Option<&str>) -> Wire {
        self.wire_of("/mcp", token)
    }

    /// Messages to what is at `path` with another token.
    pub(crate) fn wire_of(&self, path: &str, token: Option<&str>) -> Wire {
        let wire = Wire::new(format!("{}{path}", self.url));
        match token {
            Some(token) => {
                let token = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
                wire.with_header(AUTHORIZATION, token)
            }
            None => wire,
        }
    }

    /// The answer to a call of a tool.
    pub(crate) async fn call(&self, tool: &str, arguments: Value) -> Value {
        self.wire().call(tool, arguments).await.unwrap().answer()
    }

    /// A call of a tool that has reported progress.
    pub(crate) async fn begin(&self, tool: &str, arguments: Value) -> InFlight {
        self.wire().begin(tool, arguments).await.unwrap()
    }

    /// The names of the tools.
    pub(crate) async fn tools(&self) -> Vec<String> {
        names(
            &self
                .wire()
                .request("tools/list", json!({}))
                .await
                .unwrap()
                .answer(),
        )
    }

    /// Begins a session of the legacy era; returns its identifier.
    pub(crate) async fn initialize(&self) -> String {
        self.initialize_at("/mcp").await
    }

    /// Begins a session of the legacy era at `path`; returns its identifier.
    pub(crate) async fn initialize_at(&self, path: &str) -> String {
        let request = json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": {
                "protocolVersion": "2025-11-25",
                "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" },
            },
        });
        let wire = self.wire_at(path);
        let reply = wire.post(request.to_string(), &[]).await.unwrap();
        reply.headers["mcp-session-id"].to_str().unwrap().to_owned()
    }

    /// The names of the tools, as they are in a session.
    pub(crate) async fn tools_in(&self, session: &str) -> Vec<String> {
        let request = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
        let headers = [
            ("mcp-session-id", session),
            ("mcp-protocol-version", "2025-11-25"),
        ];
        names(
            &self
                .wire()
                .post(request.to_string(), &headers)
                .await
                .unwrap()
                .answer(),
        )
    }

    /// The status and the text of what is at `path`.
    pub(crate) async fn get(&self, path: &str) -> (u16, String) {
        let response = self.open(path, "*/*").await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    /// Returns the status, the redirect and the text of what a browser sees at `path`.
    pub(crate) async fn page(&self, path: &str) -> (u16, Option<String>, String) {
        let (parts, body) = self.open(path, "text/html,*/*;q=0.8").await.into_parts();
        let location = parts.headers.get(LOCATION);
        let location = location.map(|value| value.to_str().unwrap().to_owned());
        let body = body.collect().await.unwrap().to_bytes();
        let text = String::from_utf8_lossy(&body).into_owned();
        (parts.status.as_u16(), location, text)
    }

    /// Returns the status and the text of what is at `path` for `token`.
    pub(crate) async fn get_with(&self, path: &str, token: &str) -> (u16, String) {
        let request = Request::get(format!("{}{path}", self.url))
            .header(AUTHORIZATION, format!("Bearer {token}"));
        let response = self.send(request).await;
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8_lossy(&body).into_owned())
    }

    /// The first event of the stream that is at `path`.
    pub(crate) async fn first_event(&self, path: &str) -> String {
        let mut body = self.open(path, "text/event-stream").await.into_body();
        let frame = timeout(SOON, body.frame()).await.unwrap().unwrap().unwrap();
        String::from_utf8_lossy(&frame.into_data().unwrap()).into_owned()
    }

    /// Waits until the stream of `session` has brought `text`.
    pub(crate) async fn hears(&self, session: &str, text: &str, then: impl Future<Output = ()>) {
        self.hears_at("/mcp", session, text, then).await;
    }

    /// Waits until the stream of `session` at `path` has brought `text`.
    pub(crate) async fn hears_at(
        &self,
        path: &str,
        session: &str,
        text: &str,
        then: impl Future<Output = ()>,
    ) {
        let request = self.request(path, "text/event-stream");
        let request = request.header("mcp-session-id", session);
        let mut body = self.send(request).await.into_body();
        then.await;
        let mut seen = String::new();
        let hearing = async {
            while !seen.contains(text) {
                let frame = body.frame().await.unwrap().unwrap();
                seen.push_str(&String::from_utf8_lossy(&frame.into_data().unwrap()));
            }
        };
        let heard = timeout(SOON, hearing).await;
        assert!(
            heard.is_ok(),
            "{text} is not in {seen:?}\n{}",
            self.stderr()
        );
    }

    /// Opens the stream at `path`, of `session` or of HTTP+SSE; the task reads it to its end.
    pub(crate) async fn read(
        &self,
        path: &str,
        token: &str,
        session: Option<&str>,
    ) -> JoinHandle<String> {
        let mut request = Request::get(format!("{}{path}", self.url))
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .header(ACCEPT, "text/event-stream");
        if let Some(session) = session {
            request = request.header("mcp-session-id", session);
        }
        let response = self.send(request).await;
        assert_eq!(response.status(), 200);
        in_background(async move {
            let body = response.into_body().collect().await;
            let body = body.map(|body| body.to_bytes()).unwrap_or_default();
            String::from_utf8_lossy(&body).into_owned()
        })
    }

    async fn open(&self, path: &str, accept: &str) -> http::Response<hyper::body::Incoming> {
        self.send(self.request(path, accept)).await
    }

    fn request(&self, path: &str, accept: &str) -> http::request::Builder {
        Request::get(format!("{}{path}", self.url))
            .header(AUTHORIZATION, format!("Bearer {}", self.token))
            .header(ACCEPT, accept)
    }

    async fn send(&self, request: http::request::Builder) -> http::Response<hyper::body::Incoming> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let request = request.body(Empty::<Bytes>::new()).unwrap();
        timeout(SOON, client.request(request))
            .await
            .unwrap()
            .unwrap()
    }

    /// The programs that it has started.
    pub(crate) fn children(&self) -> Vec<Child> {
        children(self.id())
    }

    /// The number of its process.
    pub(crate) fn id(&self) -> u32 {
        self.process.id().unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = self
            .process
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().ok()?));
        kill_process(id.unwrap(), signal).unwrap();
    }

    /// Waits for the end of the program.
    pub(crate) async fn finish(&mut self) -> ExitStatus {
        self.process.finish(SOON).await.unwrap()
    }

    pub(crate) fn stderr(&self) -> String {
        self.process.stderr()
    }
}

fn names(answer: &Value) -> Vec<String> {
    let tools = answer["result"]["tools"].as_array().unwrap();
    let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
    tools.iter().map(name).collect()
}

/// Outcome of a command that ends by itself.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs the program with `args` to its end.
pub(crate) async fn run<S: AsRef<str>>(args: &[S]) -> Done {
    run_with_input(args, "").await
}

/// Runs the program with `args` to its end, and writes `input` to it.
pub(crate) async fn run_with_input<S: AsRef<str>>(args: &[S], input: &str) -> Done {
    let args: Vec<_> = args.iter().map(AsRef::as_ref).collect();
    finish(command(&args), input).await
}

/// Runs the program with `args` and variables of the environment to its end.
pub(crate) async fn run_with_env(args: &[&str], env: &[(&str, &str)]) -> Done {
    let mut command = command(args);
    command.envs(env.iter().copied());
    finish(command, "").await
}

/// Runs `command` to its end, and writes `input` to it.
async fn finish(mut command: Command, input: &str) -> Done {
    command
        .kill_on_drop(true)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Most commands read nothing, and have ended by now.
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = timeout(SOON, child.wait_with_output()).await;
    let Output {
        status,
        stdout,
        stderr,
    } = output.unwrap().unwrap();
    Done {
        code: status.code(),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(args)
        .env("MCP_GATEWAY_DATA", DATA)
        .env_remove("MCP_GATEWAY_TOKEN")
        .env_remove("MCP_GATEWAY_LOG");
    command
}

/// A process that another one has started.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Child(pub(crate) Pid);

impl Child {
    /// Returns `true` if the process runs.
    pub(crate) fn lives(&self) -> bool {
        test_kill_process(self.0).is_ok()
    }
}

/// The processes that the process of the number has started.
pub(crate) fn children(parent: u32) -> Vec<Child> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let child = |entry: fs::DirEntry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name of the program may hold anything, so what counts is what comes after it.
        let (_, rest) = stat.rsplit_once(") ")?;
        let mut fields = rest.split(' ');
        let (state, its_parent) = (fields.next()?, fields.next()?);
        let runs = state != "Z" && its_parent.parse() == Ok(parent);
        Some(Child(Pid::from_raw(id).filter(|_| runs)?))
    };
    processes.filter_map(child).collect()
}

/// Reads a stream while the test goes on.
#[expect(
    clippy::disallowed_methods,
    reason = "the returned handle owns the task"
)]
pub(crate) fn in_background(
    reading: impl Future<Output = String> + Send + 'static,
) -> JoinHandle<String> {
    tokio::spawn(reading)
}

/// Waits until something is so.
pub(crate) async fn eventually(is_so: impl AsyncFnMut() -> bool) {
    within(SOON, is_so).await;
}

/// Waits until something is so, for a limited time.
pub(crate) async fn within(limit: Duration, mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(limit, waiting).await.unwrap();
}

/// A folder that is gone after the test.
#[derive(Debug)]
pub(crate) struct Folder(TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// Returns the path of the file `name`, which may not exist yet.
    pub(crate) fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    /// Writes a file; returns its path.
    pub(crate) fn write(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }
}
