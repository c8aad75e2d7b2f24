//! Servers that are programs, and bad ones.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_core::limit::Limits;
use mcp_gateway_core::runtime;
use mcp_gateway_core::upstream::UpstreamServer;
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::script::Scripted;
use mcp_gateway_tests::wire::{Reply, Wire};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::harness::{SILENCE, SOON, impatient, patient, reason, until};

/// Timeout of a program that is told to end.
const GRACE: Duration = Duration::from_millis(200);

/// A gateway over a program and an honest server.
#[derive(Debug)]
struct Harness {
    gateway: TestGateway,
    wire: Wire,
    server: Arc<UpstreamServer>,
    folder: TempDir,
    _honest: Scripted,
}

impl Harness {
    async fn new(how: &str) -> Self {
        Self::limited(how, patient()).await
    }

    async fn limited(how: &str, limits: Limits) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/upstream/child.py");
        let numbers = folder.path().join("numbers");
        let process = runtime::Process::new("liar", "python3")
            .with_args([script.into(), PathBuf::from(how), numbers])
            .with_grace(GRACE);
        let server = UpstreamServer::builder("liar", process)
            .with_connect_timeout(Duration::from_secs(5))
            .with_max_message(1 << 20)
            .build();
        let honest = Scripted::modern(|_| Vec::new()).await.unwrap();
        let gateway = Backends::new()
            .with_limits("liar", "liar", Arc::clone(&server) as _, limits)
            .with("honest", "honest", remote("honest", &honest.url).build())
            .start()
            .await;
        let token = HeaderValue::from_static("Bearer alice");
        Self {
            wire: Wire::new(&gateway.url).with_header(AUTHORIZATION, token),
            gateway,
            server,
            folder,
            _honest: honest,
        }
    }

    async fn call(&self, tool: &str) -> Reply {
        self.wire.call(tool, json!({})).await.unwrap()
    }

    async fn goes_on(&self, what: &str) {
        for tool in ["honest__truth", "liar__truth"] {
            let answer = self.call(tool).await.answer();
            let text = &answer["result"]["content"][0]["text"];
            assert_eq!(text, "true", "{tool} after {what}: {answer}");
        }
    }

    /// The processes that were started, and what those have started.
    fn processes(&self) -> Vec<Pid> {
        let numbers = fs::read_to_string(self.folder.path().join("numbers"));
        let numbers = numbers.unwrap_or_default();
        let number = |line: &str| Pid::from_raw(line.parse().ok()?);
        numbers.lines().filter_map(number).collect()
    }

    /// Ends the gateway, and fails if it leaves anything running.
    async fn end(self, what: &str) {
        let processes = self.processes();
        assert!(!processes.is_empty(), "{what}: none was started");
        let start = Instant::now();
        self.gateway.stop().await;
        assert!(
            start.elapsed() < GRACE * 2 + SOON / 2,
            "{what}: {:?}",
            start.elapsed()
        );
        for process in processes {
            until(what, async || test_kill_process(process).is_err()).await;
        }
    }
}

fn text(reply: &Reply) -> Value {
    reply.answer()["result"]["content"][0]["text"].clone()
}

#[tokio::test]
async fn what_a_program_writes_that_is_no_message_is_passed_over() {
    for how in ["garbage", "two answers", "noisy"] {
        let harness = Harness::new(how).await;
        for _ in 0..3 {
            let reply = harness.call("liar__lie").await;
            assert_eq!(text(&reply), "lied", "{how}: {}", reply.body);
            harness.goes_on(how).await;
        }
        assert_eq!(harness.processes().len(), 1, "{how}: it was started again");
        harness.end(how).await;
    }
}

/// supergateway: a client hangs for a minute when a child has crashed.
#[tokio::test]
async fn a_program_that_ends_fails_its_calls_at_once_and_is_started_again() {
    for how in ["crash", "killed"] {
        let harness = Harness::new(how).await;
        for round in 1..=3 {
            harness.goes_on(how).await;
            assert_eq!(harness.processes().len(), round);
            let start = Instant::now();
            assert_eq!(
                reason(&harness.call("liar__lie").await),
                "upstream_closed",
                "{how}"
            );
            assert!(
                start.elapsed() < Duration::from_secs(1),
                "{how}: {:?}",
                start.elapsed()
            );
        }
        harness.end(how).await;
    }
}

#[tokio::test]
async fn a_malformed_response_fails_its_call_at_once() {
    for how in ["deep", "fields missing"] {
        let harness = Harness::new(how).await;
        for _ in 0..2 {
            harness.goes_on(how).await;
            let start = Instant::now();
            let reply = harness.call("liar__lie").await;
            assert_eq!(reason(&reply), "upstream_invalid", "{how}");
            assert!(start.elapsed() < SOON / 2, "{how}: {:?}", start.elapsed());
        }
        assert_eq!(harness.processes().len(), 1, "{how}: it was started again");
        harness.end(how).await;
    }
}

#[tokio::test]
async fn the_exit_of_a_program_during_a_call_is_told_to_the_operator() {
    let harness = Harness::new("crash").await;
    harness.goes_on("the start").await;
    assert_eq!(harness.server.last_failure_details(), None);
    let reply = harness.call("liar__lie").await;
    assert!(!reply.body.contains("crashed"), "{}", reply.body);
    let details = harness.server.last_failure_details();
    let expected = "exit status: 3; stderr: \"I have crashed\"";
    assert_eq!(details.as_deref(), Some(expected));
    harness.goes_on("its exit").await;
    assert_eq!(harness.server.last_failure_details(), None);
    harness.end("crash").await;
}

/// A program whose handshake succeeds, so that no start fails.
#[tokio::test]
async fn a_program_that_crashes_after_each_handshake_is_left_alone() {
    let limits = Limits::default().with_breaker(3, Duration::from_secs(60));
    let harness = Harness::limited("loop", limits).await;
    for _ in 0..20 {
        let answer = harness.call("liar__lie").await.answer();
        assert!(answer["error"].is_object(), "{answer}");
    }
    let starts = harness.processes().len();
    assert!(starts <= 6, "{starts} starts");
    let details = harness.server.last_failure_details();
    assert_eq!(details.as_deref(), Some("exit status: 4"));
    harness.end("loop").await;
}

#[tokio::test]
async fn a_program_that_is_killed_under_load_fails_its_calls_at_once() {
    let harness = Harness::new("mute").await;
    harness.goes_on("the beginning").await;
    let mut calls = JoinSet::new();
    for _ in 0..32 {
        let wire = harness.wire.clone();
        calls.spawn(async move {
            let reply = wire.call("liar__lie", json!({})).await.unwrap();
            (Instant::now(), reply)
        });
    }
    // It answers in the order in which it reads, so all of them are on their way then.
    for _ in 0..32 {
        tokio::task::yield_now().await;
        harness.goes_on("some calls").await;
    }
    let process = harness.processes()[0];
    kill_process(process, Signal::KILL).unwrap();
    let killed = Instant::now();
    for (when, reply) in calls.join_all().await {
        assert_eq!(reason(&reply), "upstream_closed");
        let took = when.saturating_duration_since(killed);
        assert!(took < Duration::from_secs(1), "{took:?}");
    }
    harness.goes_on("its death").await;
    assert_eq!(harness.processes().len(), 2);
    harness.end("killed under load").await;
}

#[tokio::test]
async fn a_program_that_says_nothing_fails_its_calls_at_their_deadline() {
    let harness = Harness::limited("mute", impatient()).await;
    // It is known after the first call, however long it took to start.
    until("it has started", async || {
        harness.call("liar__truth").await.answer()["result"].is_object()
    })
    .await;
    let start = Instant::now();
    assert_eq!(reason(&harness.call("liar__lie").await), "timeout");
    assert!(start.elapsed() < SILENCE * 10, "{:?}", start.elapsed());
    harness.goes_on("silence").await;
    harness.end("mute").await;
}

#[tokio::test]
async fn a_program_that_closes_its_output_is_ended_and_started_again() {
    for how in ["hang up", "endless line"] {
        let harness = Harness::new(how).await;
        harness.goes_on("the beginning").await;
        let found = reason(&harness.call("liar__lie").await);
        assert!(
            ["upstream_closed", "upstream_too_large"].contains(&&*found),
            "{how}: {found}"
        );
        harness.goes_on(how).await;
        let first = harness.processes()[0];
        until("the first process is gone", async || {
            test_kill_process(first).is_err()
        })
        .await;
        harness.end(how).await;
    }
}

#[tokio::test]
async fn a_program_that_cannot_start_is_a_clear_error() {
    for how in ["at once", "deaf"] {
        let limits = patient().with_timeout(Duration::from_secs(3));
        let harness = Harness::limited(how, limits).await;
        let start = Instant::now();
        let found = reason(&harness.call("liar__truth").await);
        assert!(
            ["upstream_closed", "timeout"].contains(&&*found),
            "{how}: {found}"
        );
        assert!(start.elapsed() < SOON, "{how}: {:?}", start.elapsed());
        let other = harness.call("honest__truth").await;
        assert_eq!(text(&other), "true", "{how}");
        harness.end(how).await;
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_a_clear_error() {
    let process = runtime::Process::new("liar", "/nowhere/at/all");
    let server = UpstreamServer::builder("liar", process).build();
    let gateway = Backends::new().with("liar", "liar", server).start().await;
    let token = HeaderValue::from_static("Bearer alice");
    let wire = Wire::new(&gateway.url).with_header(AUTHORIZATION, token);
    let reply = wire.call("liar__truth", json!({})).await.unwrap();
    assert_eq!(reason(&reply), "upstream_connect", "{}", reply.body);
    assert!(
        !reply.body.contains("/nowhere"),
        "the path is nobody's business: {}",
        reply.body
    );
}

/// Callers of several classes share a program of the modern era, and one class may be idle.
#[tokio::test]
async fn a_program_goes_on_while_anybody_uses_it() {
    let program = env!("CARGO_BIN_EXE_fixture-server");
    let process = runtime::Process::new("liar", program).with_args(["--stdio", "--era", "modern"]);
    let idle = Duration::from_millis(300);
    let server = UpstreamServer::builder("liar", process)
        .with_idle(idle)
        .build();
    let gateway = Backends::new().with("liar", "liar", server).start().await;
    let token = HeaderValue::from_static("Bearer alice");
    let wire = Wire::new(&gateway.url).with_header(AUTHORIZATION, token);
    let call = async |tool: &str, arguments: Value, capabilities: Value| {
        let params = json!({ "name": tool, "arguments": arguments, "_meta": {
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        } });
        wire.request("tools/call", params).await.unwrap()
    };
    let echo = json!({ "message": "x" });
    for capabilities in [json!({}), json!({ "sampling": {} })] {
        let reply = call("liar__echo", echo.clone(), capabilities).await;
        assert!(reply.answer()["result"].is_object(), "{}", reply.body);
    }
    let slow = json!({ "seconds": 1.5, "steps": 1 });
    let reply = call("liar__slow", slow, json!({ "sampling": {} })).await;
    assert!(reply.answer()["result"].is_object(), "{}", reply.body);
}

/// MetaMCP left 2,018 processes behind.
#[tokio::test]
async fn nothing_that_a_program_has_started_outlives_it() {
    for how in ["stubborn", "parent"] {
        let harness = Harness::new(how).await;
        harness.goes_on(how).await;
        assert_eq!(harness.processes().len(), 2, "{how}");
        harness.end(how).await;
    }
}

#[tokio::test]
async fn a_child_that_dies_takes_its_own_children_along() {
    let harness = Harness::new("parent").await;
    harness.goes_on("the beginning").await;
    let processes = harness.processes();
    kill_process(processes[0], Signal::KILL).unwrap();
    for process in processes {
        until("it is gone", async || test_kill_process(process).is_err()).await;
    }
    harness.goes_on("its death").await;
    harness.end("death").await;
}

/// A gateway that is dropped has no time to be polite.
#[tokio::test]
async fn a_gateway_that_is_dropped_leaves_no_process() {
    let harness = Harness::new("stubborn").await;
    harness.goes_on("the beginning").await;
    let processes = harness.processes();
    drop(harness);
    for process in processes {
        until("it is gone", async || test_kill_process(process).is_err()).await;
    }
}
