//! Programs whose calls are sent one at a time.

use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::harness::{Folder, Gateway};

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/overlap.py");

/// Tokens of two callers.
const TOKENS: [(&str, &str); 2] = [
    ("ALICE", "alice-0123456789abcdef0123456789"),
    ("BOB", "bob-0123456789abcdef0123456789ab"),
];

/// A gateway over the script, with `settings` of the server.
async fn gateway(folder: &Folder, settings: &str) -> Gateway {
    let config = format!(
        "servers:\n- name: a\n  process: {{ command: python3, args: ['{SCRIPT}'], oneAtATime: true }}\n{settings}\
         auth: {{ tokens: [{{ name: alice, token: {{ env: ALICE }} }}, {{ name: bob, token: {{ env: BOB }} }}] }}\n"
    );
    let config = folder.write("gateway.yaml", &config);
    let env = [TOKENS[0], TOKENS[1], ("MCP_GATEWAY_TOKEN", TOKENS[0].1)];
    Gateway::serve_with(&config, &env).await
}

/// Makes `count` calls at once for each caller; returns the numbers of calls that overlapped.
async fn overlaps(gateway: &Gateway, count: usize) -> Vec<String> {
    let mut calls = JoinSet::new();
    for (_, token) in TOKENS {
        for _ in 0..count {
            let wire = gateway.wire_with(Some(token));
            calls.spawn(async move {
                let reply = wire.call("a__work", json!({ "seconds": 0.2 })).await;
                let text = reply.unwrap().answer()["result"]["content"][0]["text"].take();
                text.as_str().unwrap_or_default().to_owned()
            });
        }
    }
    calls.join_all().await
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_one_caller_do_not_overlap() {
    let folder = Folder::new();
    let gateway = gateway(&folder, "").await;
    overlaps(&gateway, 1).await;
    let begun = Instant::now();
    assert_eq!(overlaps(&gateway, 10).await, vec!["1"; 20]);
    // The two callers have a process each, and do not wait for each other.
    assert!(
        begun.elapsed() < Duration::from_millis(3900),
        "{:?}",
        begun.elapsed()
    );
    assert_eq!(gateway.children().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_of_all_callers_of_a_process_do_not_overlap() {
    let folder = Folder::new();
    let gateway = gateway(&folder, "  sessions: shared\n").await;
    assert_eq!(overlaps(&gateway, 10).await, vec!["1"; 20]);
    assert_eq!(gateway.children().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_call_keeps_its_turn_until_the_program_has_responded() {
    let folder = Folder::new();
    let gateway = gateway(&folder, "").await;
    overlaps(&gateway, 1).await;
    let begun = Instant::now();
    let wire = gateway.wire();
    let abandoned = wire.call("a__work", json!({ "seconds": 4 }));
    assert!(
        timeout(Duration::from_millis(300), abandoned)
            .await
            .is_err()
    );
    // A list does not wait.
    assert_eq!(gateway.tools().await, ["a__work"]);
    assert!(
        begun.elapsed() < Duration::from_millis(3900),
        "{:?}",
        begun.elapsed()
    );
    let answer = gateway.call("a__work", json!({ "seconds": 0 })).await;
    assert_eq!(answer["result"]["content"][0]["text"], "1", "{answer}");
    assert!(
        begun.elapsed() >= Duration::from_secs(4),
        "{:?}",
        begun.elapsed()
    );
}
