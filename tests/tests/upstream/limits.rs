//! Bounds on what a server may cost, and what it may not cost others.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mcp_gateway_tests::fixture::Era;
use mcp_gateway_tests::gateway::{Backends, remote};
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::script::{Step, document, status};
use mcp_gateway_tests::wire::Wire;
use serde_json::json;
use tokio::process::Command;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::harness::{ERAS, Harness, SOON, patient, reason, until};

#[tokio::test]
async fn the_breaker_opens_and_closes_again() {
    let pause = Duration::from_millis(300);
    for modern in ERAS {
        let (well, calls) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicUsize::new(0)),
        );
        let (is_well, counted) = (Arc::clone(&well), Arc::clone(&calls));
        let limits = patient().with_breaker(3, pause);
        let harness = Harness::limited(modern, limits, move |asked| {
            // The `ping` after a failure asks for the session.
            let is_call = asked.method() == "tools/call";
            counted.fetch_add(usize::from(is_call), Ordering::Relaxed);
            match is_well.load(Ordering::Relaxed) {
                true => document(&asked.says("well")),
                false => status("500 Internal Server Error"),
            }
        })
        .await;
        for _ in 0..2 {
            assert_eq!(harness.reason().await, "upstream_status");
        }
        // The pause begins with the next failure, before the answer that tells of it.
        let opened = Instant::now();
        assert_eq!(harness.reason().await, "upstream_status");
        let reply = harness.call("liar__lie").await;
        assert_eq!(reason(&reply), "unavailable");
        let wait = reply.answer()["error"]["data"]["retryAfterMs"]
            .as_u64()
            .unwrap();
        assert!(wait <= 300, "{wait}");
        assert!(
            reply.headers.contains_key("retry-after"),
            "{:?}",
            reply.headers
        );
        assert_eq!(calls.load(Ordering::Relaxed), 3, "it was left alone");
        let other = harness.call("honest__truth").await.answer();
        assert!(other["result"].is_object(), "{other}");

        well.store(true, Ordering::Relaxed);
        until("the server is called again", async || {
            harness.call("liar__lie").await.answer()["result"].is_object()
        })
        .await;
        assert!(opened.elapsed() >= pause, "{:?}", opened.elapsed());
        harness.goes_on("its recovery").await;
    }
}

#[tokio::test]
async fn one_call_more_than_the_limit_is_told_when_to_come_back() {
    for modern in ERAS {
        let gate = Arc::new(Semaphore::new(0));
        let limits = patient().with_concurrency(2, 1);
        let step = Step::Wait(Arc::clone(&gate));
        let harness = Harness::limited(modern, limits, move |asked| {
            let mut steps = vec![step.clone()];
            steps.extend(document(&asked.says("done")));
            steps
        })
        .await;
        // Whatever has to be found out about the server is found out before.
        gate.add_permits(1);
        harness.call("liar__lie").await;
        let mut calls = JoinSet::new();
        for _ in 0..3 {
            let wire = harness.wire();
            calls.spawn(async move { wire.call("liar__lie", json!({})).await.unwrap() });
        }
        until("two calls have reached the server", async || {
            harness.liar.count("tools/call") == 3
        })
        .await;
        let mut refused = harness.call("liar__lie").await;
        until("the third call waits", async || {
            refused = harness.call("liar__lie").await;
            refused.status.as_u16() == 429
        })
        .await;
        assert_eq!(reason(&refused), "overloaded");
        assert_eq!(refused.headers["retry-after"], "1");
        let other = harness.call("honest__truth").await.answer();
        assert!(other["result"].is_object(), "{other}");
        gate.add_permits(100);
        for reply in calls.join_all().await {
            assert!(reply.answer()["result"].is_object(), "{}", reply.body);
        }
        gate.add_permits(100);
        let again = harness.call("liar__lie").await;
        assert!(again.answer()["result"].is_object(), "{}", again.body);
    }
}

/// A caller that goes away gives its place to the next one.
#[tokio::test]
async fn a_caller_that_went_away_does_not_hold_a_place() {
    for modern in ERAS {
        let limits = patient().with_concurrency(1, 0);
        let harness = Harness::limited(modern, limits, |_| vec![Step::Hang]).await;
        harness.goes_on("the beginning").await;
        for round in 1..=3 {
            let wire = harness.wire();
            let mut call = JoinSet::new();
            call.spawn(async move { wire.call("liar__lie", json!({})).await });
            until("the call has reached the server", async || {
                let asked = harness.liar.asked();
                asked.iter().filter(|asked| asked.tool() == "lie").count() == round
            })
            .await;
            drop(call);
            until("its place is free", async || {
                let reply = harness.call("liar__truth").await;
                reply.answer()["result"].is_object()
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_server_that_is_killed_under_load_fails_its_calls_at_once_and_comes_back() {
    for era in [Era::Modern, Era::Legacy] {
        let (mut server, url) = fixture("127.0.0.1:0", era).await;
        let gateway = Backends::new()
            .with_limits("liar", "liar", remote("liar", &url).build(), patient())
            .start()
            .await;
        let wire = Wire::new(&gateway.url).with_header(
            http::header::AUTHORIZATION,
            http::HeaderValue::from_static("Bearer alice"),
        );
        let mut calls = JoinSet::new();
        for _ in 0..32 {
            let wire = wire.clone();
            calls.spawn(async move {
                let arguments = json!({ "seconds": 600, "steps": 1 });
                let reply = wire.call("liar__slow", arguments).await.unwrap();
                (Instant::now(), reply)
            });
        }
        until("all calls are on their way", async || {
            let counts = wire.call("liar__slow_counts", json!({})).await.unwrap();
            counts.answer()["result"]["structuredContent"]["started"] == 32
        })
        .await;
        server.kill();
        let killed = Instant::now();
        for (when, reply) in calls.join_all().await {
            let reason = reason(&reply);
            assert!(
                ["upstream_closed", "upstream_connect"].contains(&&*reason),
                "{era:?}: {reason}"
            );
            let took = when.saturating_duration_since(killed);
            assert!(took < Duration::from_secs(1), "{era:?}: {took:?}");
        }
        server.finish(SOON).await.unwrap();
        let address = url.trim_start_matches("http://").trim_end_matches("/mcp");
        let _again = fixture(address, era).await;
        let arguments = json!({ "message": "back" });
        let answer = wire.call("liar__echo", arguments).await.unwrap().answer();
        assert!(answer["result"].is_object(), "{era:?}: {answer}");
    }
}

async fn fixture(address: &str, era: Era) -> (Process, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fixture-server"));
    command.args(["--http", address, "--era", &era.to_string()]);
    let mut fixture = Process::start(command).unwrap();
    let url = fixture.url(SOON).await.unwrap();
    (fixture, url)
}
