//! The program as users and clients run it.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may panic"
)]

use std::time::Duration;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::fixture::{Era, Options, PATH, serve_http};
use mcp_gateway_tests::guide::{Desk, Example, examples};
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::script::{self, Scripted};
use mcp_gateway_tests::wire::{Wire, modern_request};
use rustix::process::{Pid, test_kill_process};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-bridge");
const SERVER: [&str; 2] = [
    "python3",
    concat!(env!("CARGO_MANIFEST_DIR"), "/tests/server.py"),
];

/// Timeout of steps that take no time on an idle machine.
const SOON: Duration = Duration::from_secs(30);

fn start(args: &[&str], env: &[(&str, &str)]) -> Process {
    let mut command = Command::new(PROGRAM);
    command
        .args(args)
        .env_remove("MCP_BRIDGE_TOKEN")
        .env_remove("MCP_BRIDGE_LOG");
    command.envs(env.iter().copied());
    Process::start(command).unwrap()
}

/// A bridge to the small server, and where it is.
async fn stdio(options: &[&str], env: &[(&str, &str)]) -> (Process, String) {
    let args = [
        &["stdio", "--listen", "127.0.0.1:0"],
        options,
        &["--"],
        &SERVER,
    ]
    .concat();
    let mut process = start(&args, env);
    let url = process.url(SOON).await.unwrap();
    (process, url)
}

fn wire(url: &str, token: &str) -> Wire {
    let token = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    Wire::new(url).with_header(AUTHORIZATION, token)
}

/// Text of a tool of the small server.
async fn call(wire: &Wire, tool: &str, arguments: Value) -> String {
    let answer = wire.call(tool, arguments).await.unwrap().answer();
    let text = answer["result"]["content"][0]["text"].as_str();
    text.unwrap_or_else(|| panic!("{answer}")).to_owned()
}

/// Begins a session; returns its identifier and what the server said.
async fn initialize(wire: &Wire) -> (String, Value) {
    let reply = wire.post(initialize_request(), &[]).await.unwrap();
    let session = reply.headers["mcp-session-id"].to_str().unwrap().to_owned();
    (session, reply.answer())
}

fn initialize_request() -> String {
    let params = json!({
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params }).to_string()
}

async fn eventually(mut is_so: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !is_so().await {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(SOON, waiting).await.unwrap();
}

fn lives(process: &str) -> bool {
    let id = process.parse().ok().and_then(Pid::from_raw);
    test_kill_process(id.unwrap()).is_ok()
}

#[tokio::test]
async fn a_program_is_reached_over_http_by_clients_of_both_eras() {
    let (mut process, url) = stdio(&[], &[]).await;
    let line = process.line(SOON).await.unwrap();
    let token = line.trim_start_matches("token").trim();
    let wire = wire(&url, token);
    assert_eq!(
        call(&wire, "echo", json!({ "text": "hello" })).await,
        "hello"
    );

    let (session, initialized) = initialize(&wire).await;
    assert_eq!(initialized["result"]["serverInfo"]["name"], "small");
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" });
    let headers = [
        ("mcp-session-id", &*session),
        ("mcp-protocol-version", "2025-06-18"),
    ];
    let listed = wire
        .post(list.to_string(), &headers)
        .await
        .unwrap()
        .answer();
    assert_eq!(listed["result"]["tools"][0]["name"], "echo", "{listed}");

    let refused = Wire::new(&url)
        .request("tools/list", json!({}))
        .await
        .unwrap();
    assert_eq!(refused.status, 401);
    let lost = wire_at(&url, "/elsewhere")
        .request("tools/list", json!({}))
        .await
        .unwrap();
    assert_eq!(lost.status, 404);
}

fn wire_at(url: &str, path: &str) -> Wire {
    Wire::new(url.replace("/mcp", path))
}

#[tokio::test]
async fn no_program_is_left_behind() {
    let (mut process, url) = stdio(&["--anonymous"], &[]).await;
    let child = call(&Wire::new(&url), "process", json!({})).await;
    assert!(lives(&child));
    process.terminate();
    assert!(process.finish(SOON).await.unwrap().success());
    eventually(async || !lives(&child)).await;
}

#[tokio::test]
async fn sessions_may_have_programs_of_their_own() {
    let (_process, url) = stdio(&["--anonymous", "--sessions", "session"], &[]).await;
    let wire = Wire::new(&url);
    let mut programs = Vec::new();
    for _ in 0..2 {
        let (session, _) = initialize(&wire).await;
        let params = json!({ "name": "process", "arguments": {} });
        let request =
            json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params });
        let headers = [("mcp-session-id", &*session)];
        let answer = wire
            .post(request.to_string(), &headers)
            .await
            .unwrap()
            .answer();
        programs.push(answer["result"]["content"][0]["text"].to_string());
    }
    assert_ne!(programs[0], programs[1]);
}

#[tokio::test]
async fn a_token_is_for_callers_alone() {
    let token = "token-of-somebody-1234";
    let options = ["--token-env", "MY_TOKEN"];
    let (_process, url) = stdio(&options, &[("MY_TOKEN", token)]).await;
    let seen = call(
        &wire(&url, token),
        "environment",
        json!({ "name": "MY_TOKEN" }),
    )
    .await;
    assert_eq!(seen, "unset");
}

#[tokio::test]
async fn a_bridge_is_not_opened_to_all_by_accident() {
    let args = [
        "stdio",
        "--listen",
        "0.0.0.0:0",
        "--anonymous",
        "--",
        "true",
    ];
    let mut process = start(&args, &[]);
    assert!(!process.finish(SOON).await.unwrap().success());
    assert!(
        process.stderr().contains("--insecure-anonymous"),
        "{}",
        process.stderr()
    );
}

/// Says `request` to a server on standard input and output, and returns its answer.
async fn ask(process: &mut Process, request: &str) -> Value {
    process.say(request).await.unwrap();
    serde_json::from_str(&process.line(SOON).await.unwrap()).unwrap()
}

#[tokio::test]
async fn an_http_server_is_reached_by_lines_in_both_eras() {
    for era in [Era::Legacy, Era::Modern] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}{PATH}", listener.local_addr().unwrap());
        let mut options = Options::default();
        options.era = era;
        options.bearer = Some("s3cret".to_owned());
        let mut serving = JoinSet::new();
        serving.spawn(serve_http(listener, options));

        let args = ["http", &url, "--token-env", "MY_TOKEN"];
        let mut bridge = start(&args, &[("MY_TOKEN", "s3cret")]);
        let arguments = json!({ "name": "echo", "arguments": { "message": "hello" } });
        let request = modern_request("tools/call", arguments.clone());
        let answer = ask(&mut bridge, &request).await;
        assert!(answer["result"]["content"].is_array(), "{era:?} {answer}");

        let answer = ask(&mut bridge, &initialize_request()).await;
        assert_eq!(
            answer["result"]["protocolVersion"], "2025-06-18",
            "{era:?} {answer}"
        );
        bridge
            .say(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#)
            .await
            .unwrap();
        let call =
            json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": arguments });
        let answer = ask(&mut bridge, &call.to_string()).await;
        assert!(answer["result"]["content"].is_array(), "{era:?} {answer}");

        bridge.hang_up();
        assert!(bridge.finish(SOON).await.unwrap().success(), "{era:?}");
    }
}

#[tokio::test]
async fn a_notification_of_a_vendor_passes_in_the_modern_era() {
    let server = Scripted::modern(|_| script::status("202 Accepted")).await;
    let server = server.unwrap();
    let mut bridge = start(&["http", &server.url], &[]);
    let request = modern_request("vendor/mood", json!({ "mood": "good" }));
    let mut notification: Value = serde_json::from_str(&request).unwrap();
    notification.as_object_mut().unwrap().remove("id");
    bridge.say(&notification.to_string()).await.unwrap();
    let passed = async {
        while server.count("vendor/mood") == 0 {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, passed).await.unwrap();
    assert_eq!(server.asked().last().unwrap().message, notification);
    bridge.hang_up();
    assert!(bridge.finish(SOON).await.unwrap().success());
}

#[tokio::test]
async fn there_and_back_again() {
    let (_process, url) = stdio(&["--anonymous"], &[]).await;
    let mut back = start(&["http", &url], &[]);
    let answer = ask(&mut back, &initialize_request()).await;
    assert_eq!(answer["result"]["serverInfo"]["name"], "small", "{answer}");
    let params = json!({ "name": "echo", "arguments": { "text": "hello" } });
    let call = json!({ "jsonrpc": "2.0", "id": "x", "method": "tools/call", "params": params });
    let answer = ask(&mut back, &call.to_string()).await;
    assert_eq!(answer["result"]["content"][0]["text"], "hello", "{answer}");
    assert_eq!(answer["id"], "x");
    back.terminate();
    assert!(back.finish(SOON).await.unwrap().success());
}

#[tokio::test]
async fn a_server_that_is_down_is_an_error_and_not_the_end() {
    let mut bridge = start(&["http", "http://127.0.0.1:1/mcp"], &[]);
    let answer = ask(&mut bridge, &modern_request("tools/list", json!({}))).await;
    assert!(answer["error"]["message"].is_string(), "{answer}");
    bridge.hang_up();
    assert!(bridge.finish(SOON).await.unwrap().success());
}

#[tokio::test]
async fn the_commands_of_the_documentation_work() {
    let mut desk = Desk::new(&Environment::installed().await.unwrap()).unwrap();
    let bridge = format!(
        "case $1 in\n\
         stdio) shift; exec '{PROGRAM}' stdio --listen 127.0.0.1:0 \"$@\" ;;\n\
         *) exec '{PROGRAM}' \"$@\" ;;\n\
         esac\n"
    );
    desk.install("mcp-bridge", &bridge).unwrap();
    desk.export("export MCP_TOKEN=a-token MCP_BRIDGE_TOKEN=a-secret");
    let examples = examples("bins/mcp-bridge/README.md").unwrap();
    let commands: Vec<_> = examples.iter().flat_map(Example::commands).collect();
    assert_eq!(commands.len(), 2);
    for command in commands {
        let mut process = Process::start(desk.shell(&command)).unwrap();
        if command.starts_with("mcp-bridge stdio") {
            let url = process.url(SOON).await.unwrap();
            let list = wire(&url, "a-secret")
                .request("tools/list", json!({}))
                .await;
            let list = list.unwrap().answer();
            assert_eq!(
                list["result"]["tools"][0]["name"], "create_entities",
                "{list}"
            );
            process.interrupt().unwrap();
        }
        process.hang_up();
        let status = process.finish(SOON).await.unwrap();
        assert!(status.success(), "{command}\n{}", process.stderr());
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_missed_at_once() {
    for program in ["no-such-program", "./no-such-program", "/etc"] {
        let args = ["stdio", "--listen", "127.0.0.1:0", "--", program];
        let ended = Command::new(PROGRAM).args(args).output();
        let ended = timeout(SOON, ended).await.unwrap().unwrap();
        let errors = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(1), "{errors}");
        assert!(
            errors.contains(&format!("program not found: {program}")),
            "{errors}"
        );
    }
}
