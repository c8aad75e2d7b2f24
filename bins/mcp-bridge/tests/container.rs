//! The bridge as the only program of a container.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may panic"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Request};
use http_body_util::Empty;
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::wire::Wire;
use rustix::process::{Pid, Signal, geteuid, kill_process};
use serde_json::{Value, json};
use tokio::process::Command;
use tokio::time::{sleep, timeout};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-bridge");
const SERVER: [&str; 2] = [
    "python3",
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server.py"),
];

/// Timeout of steps that take no time on an idle machine.
const SOON: Duration = Duration::from_secs(30);

/// A running bridge.
struct Running {
    process: Process,
    url: String,
}

impl Running {
    /// Starts a bridge to the small server with `runner`, a command that runs another.
    async fn start(runner: &[&str], options: &[&str], env: &[(&str, &str)]) -> Self {
        let stdio = [PROGRAM, "stdio", "--listen", "127.0.0.1:0"];
        let args = [runner, &stdio, options, &["--"], &SERVER].concat();
        let mut command = Command::new(args[0]);
        command.args(&args[1..]).env_remove("MCP_BRIDGE_TOKEN");
        command.envs(env.iter().copied());
        let mut process = Process::start(command).unwrap();
        let url = process.url(SOON).await.unwrap();
        Self { process, url }
    }

    /// Text of a tool.
    async fn call(&self, tool: &str, arguments: Value) -> String {
        let answer = Wire::new(&self.url).call(tool, arguments).await;
        let answer = answer.unwrap().answer();
        let text = answer["result"]["content"][0]["text"].as_str();
        text.unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Status of a probe.
    async fn probe(&self, path: &str) -> u16 {
        let wire = Wire::new(self.url.replace("/mcp", path));
        let answer = wire.request("probe", json!({})).await.unwrap();
        answer.status.as_u16()
    }

    /// Status of a call with `token`.
    async fn status(&self, token: &str) -> u16 {
        let token = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
        let wire = Wire::new(&self.url).with_header(AUTHORIZATION, token);
        let answer = wire.request("tools/list", json!({})).await.unwrap();
        answer.status.as_u16()
    }

    async fn finish(&mut self) -> ExitStatus {
        self.process.finish(SOON).await.unwrap()
    }
}

async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, waiting).await.unwrap();
}

/// A bridge that is PID 1 of a namespace of its own.
async fn first(options: &[&str], env: &[(&str, &str)]) -> Running {
    let mut runner = vec!["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"];
    if !geteuid().is_root() {
        runner.extend(["--user", "--map-root-user"]);
    }
    Running::start(&runner, &[&["--anonymous"], options].concat(), env).await
}

/// The only child of a process, whichever of its threads has started it.
fn child_of(process: u32) -> Pid {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let children = threads.map(|thread| thread.unwrap().path().join("children"));
    let children: String = children
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    Pid::from_raw(children.trim().parse().unwrap()).unwrap()
}

#[tokio::test]
async fn the_first_process_collects_the_children_of_others() {
    let bridge = first(&[], &[]).await;
    assert_ne!(bridge.call("process", json!({})).await, "1");
    let orphan = bridge.call("orphan", json!({})).await;
    // A process that has exited is there until its status is collected.
    eventually(async || bridge.call("alive", json!({ "process": orphan })).await == "False").await;
}

#[tokio::test]
async fn a_termination_reaches_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("record");
    let env = [("RECORD_TERMINATION", record.to_str().unwrap())];
    let mut bridge = first(&["--grace", "6", "--eager"], &env).await;
    eventually(async || bridge.probe("/readyz").await == 200).await;
    let init = child_of(bridge.process.id().unwrap());
    let began = Instant::now();
    kill_process(init, Signal::TERM).unwrap();
    assert_eq!(bridge.finish().await.code(), Some(0));
    assert_eq!(fs::read_to_string(record).unwrap(), "terminated");
    assert!(began.elapsed() < Duration::from_secs(6), "{began:?}");
}

#[tokio::test]
async fn calls_in_flight_end_before_the_server_does() {
    let options = ["--anonymous", "--grace", "30"];
    let mut bridge = Running::start(&[], &options, &[]).await;
    let folder = tempfile::tempdir().unwrap();
    let begun = folder.path().join("begun");
    let calling = bridge.call("sleep", json!({ "seconds": 1, "begun": begun }));
    let terminating = async {
        eventually(async || begun.exists()).await;
        bridge.process.terminate();
    };
    let (text, ()) = tokio::join!(calling, terminating);
    assert!(text.parse::<u32>().is_ok(), "{text}");
    assert!(bridge.finish().await.success());
}

#[tokio::test]
async fn the_exit_code_of_the_server_is_passed_on() {
    for (code, signal) in [(3, None), (137, Some(Signal::KILL))] {
        let options = ["--sessions", "shared", "--exit-with-server", "--eager"];
        let mut bridge = first(&options, &[]).await;
        eventually(async || bridge.probe("/readyz").await == 200).await;
        if signal.is_some() {
            let first = child_of(bridge.process.id().unwrap());
            let inner = child_of(first.as_raw_nonzero().get().try_into().unwrap());
            let server = child_of(inner.as_raw_nonzero().get().try_into().unwrap());
            kill_process(server, Signal::KILL).unwrap();
        } else {
            let arguments = json!({ "code": code });
            let answer = Wire::new(&bridge.url).call("exit", arguments).await;
            assert!(answer.unwrap().answer()["error"].is_object());
        }
        assert_eq!(bridge.finish().await.code(), Some(code));
    }
}

#[tokio::test]
async fn a_server_that_was_asked_to_exit_is_no_reason_to_exit() {
    let options = [
        "--anonymous",
        "--eager",
        "--exit-with-server",
        "--sessions",
        "session",
    ];
    let bridge = Running::start(&[], &options, &[]).await;
    let wire = Wire::new(&bridge.url);
    let params = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let reply = wire.post(request.to_string(), &[]).await.unwrap();
    let session = reply.headers["mcp-session-id"].to_str().unwrap().to_owned();
    let headers = [("mcp-session-id", &*session)];
    let params = json!({ "name": "process", "arguments": {} });
    let request = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params });
    let answer = wire.post(request.to_string(), &headers).await.unwrap();
    let process = answer.answer()["result"]["content"][0]["text"].clone();
    let process = process.as_str().unwrap().to_owned();

    let delete = Request::delete(&bridge.url).header("mcp-session-id", &session);
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<Bytes>>();
    let deleted = client.request(delete.body(Empty::new()).unwrap()).await;
    assert!(deleted.unwrap().status().is_success());
    eventually(async || !Path::new("/proc").join(&process).exists()).await;
    assert_eq!(
        bridge.call("echo", json!({ "text": "still here" })).await,
        "still here"
    );
}

#[tokio::test]
async fn a_bridge_without_its_server_restarts_it() {
    let options = ["--anonymous", "--eager", "--sessions", "shared"];
    let bridge = Running::start(&[], &options, &[]).await;
    eventually(async || bridge.probe("/readyz").await == 200).await;
    let first = bridge.call("process", json!({})).await;
    let answer = Wire::new(&bridge.url)
        .call("exit", json!({ "code": 3 }))
        .await;
    assert!(answer.unwrap().answer()["error"].is_object());
    // It is started although nobody calls.
    eventually(async || bridge.probe("/readyz").await == 200).await;
    assert_ne!(bridge.call("process", json!({})).await, first);
}

#[tokio::test]
async fn probes_need_no_token() {
    let bridge = Running::start(&[], &[], &[("MCP_BRIDGE_TOKEN", "a-token-1234")]).await;
    for path in ["/healthz", "/livez", "/readyz"] {
        assert_eq!(bridge.probe(path).await, 200, "{path}");
    }
    assert_eq!(bridge.status("a-token-1234").await, 200);
    assert_eq!(bridge.status("another").await, 401);
}

#[tokio::test]
async fn a_server_that_cannot_start_is_not_ready() {
    let args = [
        "stdio",
        "--listen",
        "127.0.0.1:0",
        "--anonymous",
        "--eager",
        "--",
        "false",
    ];
    let mut command = Command::new(PROGRAM);
    command.args(args);
    let mut process = Process::start(command).unwrap();
    let url = process.url(SOON).await.unwrap();
    let bridge = Running { process, url };
    eventually(async || bridge.process.stderr().contains("server exited")).await;
    assert_eq!(bridge.probe("/readyz").await, 503);
    assert_eq!(bridge.probe("/healthz").await, 200);
}

#[tokio::test]
async fn tokens_in_a_file_are_replaced_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("token");
    fs::write(&path, "first-token-1\n").unwrap();
    let options = ["--token-file", path.to_str().unwrap()];
    let bridge = Running::start(&[], &options, &[]).await;
    assert_eq!(bridge.status("first-token-1").await, 200);
    assert_eq!(bridge.status("second-token-2").await, 401);

    // Callers move from one to the other.
    fs::write(&path, "second-token-2\nfirst-token-1\n").unwrap();
    eventually(async || bridge.status("second-token-2").await == 200).await;
    assert_eq!(bridge.status("first-token-1").await, 200);
    fs::write(&path, "second-token-2").unwrap();
    eventually(async || bridge.status("first-token-1").await == 401).await;

    // A file without tokens locks nobody out, and lets nobody in.
    fs::write(&path, "\n").unwrap();
    eventually(async || bridge.process.stderr().contains("contains no token")).await;
    assert_eq!(bridge.status("second-token-2").await, 200);
    assert_eq!(bridge.status("").await, 401);
    let stderr = bridge.process.stderr();
    assert!(!stderr.contains("second-token-2"), "{stderr}");
}

#[tokio::test]
async fn results_are_not_logged() {
    let options = ["--anonymous", "--log-level", "info"];
    let bridge = Running::start(&[], &options, &[]).await;
    let text = "c0nfidential";
    assert_eq!(bridge.call("echo", json!({ "text": text })).await, text);
    let stderr = bridge.process.stderr();
    assert!(!stderr.contains(text), "{stderr}");
}

#[test]
fn an_installed_bridge_is_whole_and_executable() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mcp-bridge");
    for _ in 0..2 {
        let mut install = std::process::Command::new(PROGRAM);
        assert!(
            install
                .arg("install")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
    }
    assert_eq!(fs::read(&path).unwrap(), fs::read(PROGRAM).unwrap());
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let refused = std::process::Command::new(PROGRAM)
        .arg("install")
        .arg("/no-such-folder/mcp-bridge")
        .output();
    let refused = refused.unwrap();
    assert!(!refused.status.success());
    let message = String::from_utf8(refused.stderr).unwrap();
    assert!(message.contains("/no-such-folder/mcp-bridge"), "{message}");
}
