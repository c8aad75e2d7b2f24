//! Programs of the legacy era, whose calls wait for clients of the modern era.

use std::fs;
use std::time::Duration;

use http::{HeaderValue, header};
use mcp_gateway_core::runtime;
use mcp_gateway_core::upstream::UpstreamServer;
use mcp_gateway_tests::gateway::{Backends, TestGateway};
use mcp_gateway_tests::wire::Wire;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// A gateway over a program that calls itself `name`.
async fn harness(name: &str) -> (TestGateway, Wire) {
    let process = runtime::Process::new("only", env!("CARGO_BIN_EXE_fixture-server"))
        .with_args(["--stdio", "--era", "legacy", "--name", name]);
    let server = UpstreamServer::builder("only", process).build();
    let gateway = Backends::new().with("only", "", server).start().await;
    let token = HeaderValue::from_static("Bearer alice");
    let wire = Wire::new(&gateway.url).with_header(header::AUTHORIZATION, token);
    (gateway, wire)
}

/// The processes that call themselves `name`.
fn processes(name: &str) -> Vec<Pid> {
    let running = fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let number = entry.ok()?.file_name().to_str()?.parse().ok()?;
        let line = fs::read(format!("/proc/{number}/cmdline")).ok()?;
        let mut words = line.split(|byte| *byte == 0);
        words.any(|word| word == name.as_bytes()).then_some(number)
    });
    running.filter_map(Pid::from_raw).collect()
}

async fn call(wire: &Wire, retry: Option<&Value>) -> Value {
    let mut params = json!({
        "name": "test_elicitation",
        "arguments": { "message": "Who are you?" },
        "_meta": { "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} } },
    });
    if let Some(asked) = retry {
        let asked = &asked["result"];
        let answer = json!({ "action": "accept", "content": { "username": "u", "email": "e" } });
        let keys = asked["inputRequests"].as_object().unwrap().keys();
        params["inputResponses"] = keys.map(|key| (key.clone(), answer.clone())).collect();
        params["requestState"] = asked["requestState"].clone();
    }
    wire.request("tools/call", params).await.unwrap().answer()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_wait_for_a_program_that_is_killed_fail_when_they_are_taken_up() {
    let name = "killed-while-calls-wait";
    let (gateway, wire) = harness(name).await;
    let mut parked = Vec::new();
    for _ in 0..4 {
        let asked = call(&wire, None).await;
        assert_eq!(asked["result"]["resultType"], "input_required", "{asked}");
        parked.push(asked);
    }
    let programs = processes(name);
    assert!(programs.len() >= parked.len(), "one for each call");
    for program in programs {
        kill_process(program, Signal::KILL).unwrap();
    }
    let killed = Instant::now();
    for asked in &parked {
        let failed = call(&wire, Some(asked)).await;
        assert_eq!(
            failed["error"]["data"]["reason"], "upstream_closed",
            "{failed}"
        );
    }
    assert!(
        killed.elapsed() < Duration::from_secs(1),
        "{:?}",
        killed.elapsed()
    );
    let asked = call(&wire, None).await;
    let done = call(&wire, Some(&asked)).await;
    assert!(
        done["result"].to_string().contains("action=accept"),
        "{done}"
    );
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_is_an_end_to_the_programs_that_calls_wait_for() {
    let name = "many-calls-wait";
    let (gateway, wire) = harness(name).await;
    let mut parked = Vec::new();
    let refused = loop {
        let asked = call(&wire, None).await;
        match asked["result"]["resultType"] == "input_required" {
            true => parked.push(asked),
            false => break asked,
        }
        assert!(parked.len() < 100, "there is no end");
    };
    assert_eq!(
        refused["error"]["data"]["reason"], "overloaded",
        "{refused}"
    );
    assert_eq!(parked.len(), 32);
    assert!(processes(name).len() <= parked.len() + 1);
    let done = call(&wire, Some(&parked[0])).await;
    assert!(
        done["result"].to_string().contains("action=accept"),
        "{done}"
    );
    let again = call(&wire, None).await;
    assert_eq!(again["result"]["resultType"], "input_required", "{again}");
    gateway.stop().await;
    let end = Instant::now() + Duration::from_secs(20);
    while !processes(name).is_empty() {
        assert!(Instant::now() < end, "a program outlives its gateway");
        sleep(Duration::from_millis(20)).await;
    }
}
