//! Servers that answer the probe of their era in an unexpected way, programs that start slowly, and
//! sessions that are lost.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mcp_gateway_core::runtime;
use mcp_gateway_core::upstream::{UpstreamProtocol, UpstreamServer};
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::script::{
    EVENTS, ReceivedRequest, Scripted, Step, Steps, document, events, legacy, modern, response,
    status,
};
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::harness::{Harness, patient};

/// A program with the habits of `starter.py`.
struct Program {
    folder: TempDir,
    server: Arc<UpstreamServer>,
}

impl Program {
    fn new(habits: &str) -> Self {
        Self::fixed(habits, None)
    }

    fn fixed(habits: &str, protocol: Option<UpstreamProtocol>) -> Self {
        Self::limited(habits, protocol, Duration::from_secs(60))
    }

    fn limited(habits: &str, protocol: Option<UpstreamProtocol>, limit: Duration) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/upstream/starter.py");
        let process = runtime::Process::new("late", "python3")
            .with_args([script.into(), PathBuf::from(habits)])
            .with_args([folder.path().join("starts")]);
        let mut builder = UpstreamServer::builder("late", process).with_connect_timeout(limit);
        if let Some(protocol) = protocol {
            builder = builder.with_protocol(protocol);
        }
        let server = builder.build();
        Self { folder, server }
    }

    /// The number of times that the program was started.
    fn starts(&self) -> usize {
        let starts = std::fs::read_to_string(self.folder.path().join("starts"));
        starts.unwrap_or_default().lines().count()
    }

    /// A gateway over the program and an honest server.
    async fn gateway(&self) -> (TestGateway, Scripted) {
        let honest = Scripted::modern(|_| Vec::new()).await.unwrap();
        let gateway = Backends::new()
            .with("late", "late", Arc::clone(&self.server) as _)
            .with("honest", "honest", remote("honest", &honest.url).build())
            .start()
            .await;
        (gateway, honest)
    }
}

fn wire(gateway: &TestGateway) -> Wire {
    let token = http::HeaderValue::from_static("Bearer alice");
    Wire::new(&gateway.url).with_header(http::header::AUTHORIZATION, token)
}

/// The text of the tool's result.
async fn call(gateway: &TestGateway, tool: &str) -> Value {
    let reply = wire(gateway).call(tool, json!({})).await.unwrap();
    let answer = reply.answer();
    let text = &answer["result"]["content"][0]["text"];
    if text.is_null() { answer } else { text.clone() }
}

/// The names of the tools.
async fn tools(gateway: &TestGateway) -> Vec<String> {
    let reply = wire(gateway)
        .request("tools/list", json!({}))
        .await
        .unwrap();
    let answer = reply.answer();
    let tools = answer["result"]["tools"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let name = |tool: &Value| tool["name"].as_str().map(ToOwned::to_owned);
    tools.iter().filter_map(name).collect()
}

/// A response of JSON-RPC with an error.
fn error(asked: &ReceivedRequest, status: &str, code: i64) -> Steps {
    let error = json!({ "code": code, "message": "no" });
    let body = json!({ "jsonrpc": "2.0", "id": asked.message["id"], "error": error });
    response(
        status,
        "Content-Type: application/json\r\n",
        &body.to_string(),
    )
}

/// Answers to `server/discover` of servers that are legacy ones nevertheless.
fn discover_answers(asked: &ReceivedRequest) -> Vec<(&'static str, Steps)> {
    let html = |status| response(status, "Content-Type: text/html\r\n", "<html>no</html>");
    let json = |status, body| response(status, "Content-Type: application/json\r\n", body);
    let result = |result| document(&asked.result(&result));
    let mut answers = vec![
        ("200 html", html("200 OK")),
        ("200 nothing", status("200 OK")),
        ("202", status("202 Accepted")),
        ("200 no JSON", json("200 OK", "{")),
        ("200 other JSON", json("200 OK", r#"{"ok":false}"#)),
        (
            "400 no JSON-RPC",
            json("400 Bad Request", r#"{"detail":"no"}"#),
        ),
        ("400 error", error(asked, "400 Bad Request", -32000)),
        ("401", status("401 Unauthorized")),
        ("403", html("403 Forbidden")),
        ("404", html("404 Not Found")),
        ("404 error", error(asked, "404 Not Found", -32001)),
        ("429", status("429 Too Many Requests")),
        ("500", html("500 Internal Server Error")),
        (
            "500 error",
            error(asked, "500 Internal Server Error", -32603),
        ),
        ("503", status("503 Service Unavailable")),
        ("200 error", error(asked, "200 OK", -32601)),
        ("200 invalid params", error(asked, "200 OK", -32602)),
        ("empty stream", events("")),
        (
            "stream without a response",
            events(": hello\n\nevent: x\ndata: y\n\n"),
        ),
        ("cut stream", events("data: {\"jsonrpc\":")),
        ("closed", vec![Step::Close]),
        ("reset", vec![Step::Reset]),
        ("null", result(Value::Null)),
        ("empty result", result(json!({}))),
        (
            "no versions",
            result(json!({ "capabilities": { "tools": {} } })),
        ),
        (
            "legacy versions",
            result(json!({
                "supportedVersions": ["2025-11-25", "2025-06-18"],
                "capabilities": { "tools": {} },
            })),
        ),
    ];
    answers.push(("silent", vec![Step::Hang]));
    answers.push(("silent stream", vec![Step::Send(EVENTS.into()), Step::Hang]));
    answers
}

#[tokio::test]
async fn a_legacy_server_is_used_whatever_it_answers_to_the_probe() {
    let names = discover_answers(&ReceivedRequest::default());
    let cases = names
        .into_iter()
        .enumerate()
        .map(|(at, (name, _))| async move {
            let script = move |asked: &ReceivedRequest| match asked.method() {
                "server/discover" => discover_answers(asked).swap_remove(at).1,
                _ => legacy(asked).unwrap_or_default(),
            };
            let server = Scripted::start(script).await.unwrap();
            let gateway = Backends::only(&server.url).start().await;
            assert_eq!(call(&gateway, "truth").await, "true", "{name}");
            assert_eq!(call(&gateway, "truth").await, "true", "{name}");
            assert_eq!(server.count("server/discover"), 1, "{name}");
            assert_eq!(server.count("initialize"), 1, "{name}");
        });
    join_all(cases).await;
}

#[tokio::test]
async fn a_session_is_used_whatever_the_answer_to_its_notification() {
    for answer in [
        status("400 Bad Request"),
        status("404 Not Found"),
        status("500 Internal Server Error"),
        vec![Step::Close],
    ] {
        let script = move |asked: &ReceivedRequest| match asked.method() {
            "notifications/initialized" => answer.clone(),
            _ => legacy(asked).unwrap_or_default(),
        };
        let server = Scripted::start(script).await.unwrap();
        let gateway = Backends::only(&server.url).start().await;
        assert_eq!(call(&gateway, "truth").await, "true");
        assert_eq!(server.count("initialize"), 1);
    }
}

#[tokio::test]
async fn the_failure_of_a_handshake_says_what_the_server_answered() {
    let script = |asked: &ReceivedRequest| match asked.method() {
        "" => status("405 Method Not Allowed"),
        _ => response("500 Oops", "Content-Type: text/plain\r\n", "out of cheese"),
    };
    let server = Scripted::start(script).await.unwrap();
    let upstream = remote("only", &server.url).build();
    let gateway = Backends::new()
        .with("only", "", Arc::clone(&upstream) as _)
        .start()
        .await;
    let answer = call(&gateway, "truth").await;
    assert!(answer["error"].is_object(), "{answer}");
    let details = upstream.last_failure_details().unwrap();
    assert!(
        details.starts_with(
            "server/discover: status 500, text/plain, \"out of cheese\"; \
             initialize: status 500, text/plain, \"out of cheese\"; \
             HTTP+SSE event stream: "
        ),
        "{details}"
    );
}

#[tokio::test]
async fn a_program_is_used_whatever_it_does_with_the_probe() {
    for (habits, starts) in [("strict", 2), ("noisy", 1), ("old", 2), ("strict old", 2)] {
        let program = Program::new(habits);
        let (gateway, _honest) = program.gateway().await;
        assert_eq!(call(&gateway, "late__ready").await, "yes", "{habits}");
        assert_eq!(program.starts(), starts, "{habits}");
        assert!(
            tools(&gateway).await.contains(&"late__ready".to_owned()),
            "{habits}"
        );
        assert_eq!(program.starts(), starts, "{habits}");
    }
}

#[tokio::test]
async fn a_configured_protocol_spares_a_program_the_probe() {
    let program = Program::fixed("strict", Some(UpstreamProtocol::Legacy));
    let (gateway, _honest) = program.gateway().await;
    assert_eq!(call(&gateway, "late__ready").await, "yes");
    assert_eq!(program.starts(), 1);
}

#[tokio::test]
async fn a_slow_program_is_listed_when_it_is_ready_and_delays_nobody() {
    for habits in ["slow", "mute", "slow mute strict"] {
        let program = Program::new(habits);
        let (gateway, _honest) = program.gateway().await;
        let began = Instant::now();
        assert_eq!(
            tools(&gateway).await,
            ["honest__truth", "honest__lie"],
            "{habits}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(4),
            "{:?}",
            began.elapsed()
        );
        // Its start goes on, although the caller that wanted it has gone.
        let ready = async {
            while !tools(&gateway).await.contains(&"late__ready".to_owned()) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(40), ready)
            .await
            .unwrap();
        let expected = if habits.contains("strict") { 2 } else { 1 };
        assert_eq!(program.starts(), expected, "{habits}");
    }
}

/// Such a program gives no sign but that it reads its input.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_program_that_ignores_a_client_is_reached_within_one_limit() {
    let limit = Duration::from_secs(12);
    let program = Program::limited("modern deaf", None, limit);
    let (gateway, _honest) = program.gateway().await;
    assert_eq!(call_in_session(&gateway, "late__ready").await, "yes");
    assert_eq!(program.starts(), 2);
    // The result is remembered for clients of both eras.
    let began = Instant::now();
    assert_eq!(call_in_session(&gateway, "late__ready").await, "yes");
    assert_eq!(call(&gateway, "late__ready").await, "yes");
    assert_eq!(program.starts(), 2);
    assert!(began.elapsed() < limit / 3, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_program_that_crashes_is_started_with_growing_delays() {
    let program = Program::new("crash");
    let (gateway, _honest) = program.gateway().await;
    for _ in 0..20 {
        let answer = call(&gateway, "late__ready").await;
        assert!(answer["error"].is_object(), "{answer}");
    }
    // Without and with the probe.
    assert_eq!(program.starts(), 2);
    let details = program.server.last_failure_details().unwrap();
    assert!(
        details.contains("initialize: connection closed"),
        "{details}"
    );
    assert!(details.contains("exit status: 3"), "{details}");
    assert!(
        details.ends_with("\"the setting KEY is missing\""),
        "{details}"
    );
}

#[tokio::test]
async fn a_lost_session_is_replaced_however_the_server_says_it() {
    let text = |status| response(status, "Content-Type: text/plain\r\n", "gone");
    for name in [
        "400",
        "401",
        "403",
        "404",
        "404 error",
        "410",
        "500",
        "200 error",
    ] {
        let lost = Arc::new(AtomicBool::new(false));
        let is_lost = Arc::clone(&lost);
        let script = move |asked: &ReceivedRequest| {
            if asked.method() == "initialize" {
                is_lost.store(false, Ordering::Relaxed);
            } else if is_lost.load(Ordering::Relaxed) && asked.method() != "server/discover" {
                return match name {
                    "400" => text("400 Bad Request"),
                    "401" => text("401 Unauthorized"),
                    "403" => text("403 Forbidden"),
                    "404" => text("404 Not Found"),
                    "404 error" => error(asked, "404 Not Found", -32600),
                    "410" => text("410 Gone"),
                    "500" => text("500 Internal Server Error"),
                    _ => error(asked, "200 OK", -32001),
                };
            }
            legacy(asked).unwrap_or_default()
        };
        let harness = Harness::over(Scripted::start(script).await.unwrap(), patient()).await;
        assert!(
            harness.tools().await.contains(&"liar__truth".to_owned()),
            "{name}"
        );
        // A list is read again in a new session, with a status that says that nothing was done.
        lost.store(true, Ordering::Relaxed);
        let listed = harness.tools().await.contains(&"liar__truth".to_owned());
        assert!(listed || ["401", "500"].contains(&name), "{name}");
        lost.store(true, Ordering::Relaxed);
        let mut answer = Value::Null;
        for _ in 0..2 {
            answer = call(&harness.gateway, "liar__truth").await;
        }
        assert_eq!(answer, "true", "{name}");
    }
}

#[tokio::test]
async fn a_failed_call_does_not_cost_the_session() {
    let harness = Harness::new(false, |asked| match asked.method() {
        "tools/call" => response("500 Oops", "Content-Type: text/plain\r\n", "oops"),
        "ping" => document(&asked.result(&json!({}))),
        _ => Vec::new(),
    })
    .await;
    for _ in 0..3 {
        let answer = call(&harness.gateway, "liar__lie").await;
        assert!(answer["error"].is_object(), "{answer}");
    }
    assert_eq!(harness.liar.count("initialize"), 1);
}

/// Calls a tool as a legacy client, in a session of its own.
async fn call_in_session(gateway: &TestGateway, tool: &str) -> Value {
    let request = |method: &str, params: Value| {
        json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string()
    };
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "c", "version": "1" },
    });
    let wire = wire(gateway);
    let opened = wire.post(request("initialize", params), &[]).await.unwrap();
    let session = opened.headers["mcp-session-id"]
        .to_str()
        .unwrap()
        .to_owned();
    let headers = [("mcp-session-id", &*session)];
    let call = request("tools/call", json!({ "name": tool }));
    let answer = wire.post(call, &headers).await.unwrap().answer();
    let text = &answer["result"]["content"][0]["text"];
    if text.is_null() { answer } else { text.clone() }
}

#[tokio::test]
async fn a_client_meets_its_own_era_over_http() {
    let script = |asked: &ReceivedRequest| match (asked.method(), asked.tool()) {
        ("server/discover", _) => modern(asked).unwrap_or_default(),
        ("tools/call", _) => {
            let in_session = asked.head.to_lowercase().contains("mcp-session-id");
            let text = if in_session {
                "in a session"
            } else {
                "in a request"
            };
            document(&asked.says(text))
        }
        _ => legacy(asked).unwrap_or_default(),
    };
    for legacy_first in [true, false] {
        let server = Scripted::start(script).await.unwrap();
        let gateway = Backends::only(&server.url).start().await;
        for legacy in [legacy_first, !legacy_first, legacy_first] {
            let (text, expected) = match legacy {
                true => (call_in_session(&gateway, "truth").await, "in a session"),
                false => (call(&gateway, "truth").await, "in a request"),
            };
            assert_eq!(text, expected, "{legacy_first}");
        }
        assert_eq!(server.count("server/discover"), 1, "{legacy_first}");
        assert_eq!(server.count("initialize"), 1, "{legacy_first}");
    }
}

#[tokio::test]
async fn a_client_meets_its_own_era_in_a_program() {
    for legacy_first in [true, false] {
        let program = Program::new("dual");
        let (gateway, _honest) = program.gateway().await;
        for legacy in [legacy_first, !legacy_first, legacy_first] {
            let (text, expected) = match legacy {
                true => (
                    call_in_session(&gateway, "late__ready").await,
                    "in a session",
                ),
                false => (call(&gateway, "late__ready").await, "in a request"),
            };
            assert_eq!(text, expected, "{legacy_first}");
        }
        assert_eq!(program.starts(), 2, "one for each era");
    }
}

#[tokio::test]
async fn clients_of_both_eras_share_a_modern_program() {
    for legacy_first in [true, false] {
        let program = Program::new("modern");
        let (gateway, _honest) = program.gateway().await;
        for legacy in [legacy_first, !legacy_first] {
            let text = match legacy {
                true => call_in_session(&gateway, "late__ready").await,
                false => call(&gateway, "late__ready").await,
            };
            assert_eq!(text, "yes", "{legacy_first}");
        }
        let started = if legacy_first { 1 } else { 2 };
        assert!(program.starts() <= started, "{}", program.starts());
    }
}
