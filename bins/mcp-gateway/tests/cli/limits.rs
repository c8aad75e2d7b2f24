//! Limits on calls, at the program.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mcp_gateway_tests::postgres::Postgres;
use mcp_gateway_tests::script::{ReceivedRequest, Scripted, document, modern, status};
use mcp_gateway_tests::wire::Reply;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::harness::{Folder, Gateway, eventually, run, run_with_env};

const OLGA: &str = "the-token-of-olga-is-this";
const BOB: &str = "the-token-of-bob-is-this";

/// Returns a configuration with `limits`, which are a list in YAML.
fn config(limits: &str) -> String {
    format!(
        "
servers: [{{ name: demo, builtin: demo }}]
gateways: [{{ name: all, exposure: search, visibleTools: [demo__echo, demo__wait] }}]
auth:
  tokens:
    - {{ name: olga, token: {{ env: MCP_GATEWAY_TOKEN }} }}
    - {{ name: bob, token: {{ env: BOB }} }}
store: memory
limits:
  calls: {limits}
"
    )
}

async fn start(folder: &Folder, limits: &str) -> Gateway {
    let file = folder.write("gateway.yaml", &config(limits));
    Gateway::serve_with(&file, &[("MCP_GATEWAY_TOKEN", OLGA), ("BOB", BOB)]).await
}

async fn echo(gateway: &Gateway, token: &str) -> Reply {
    let arguments = json!({ "message": "a" });
    let wire = gateway.wire_with(Some(token));
    wire.call("demo__echo", arguments).await.unwrap()
}

/// Checks the rejection of a call by the limit `name`.
fn assert_limited(reply: &Reply, name: &str) {
    let answer = reply.answer();
    assert_eq!(reply.status, 429, "{answer}");
    let seconds: u64 = reply.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    let data = &answer["error"]["data"];
    assert_eq!(
        (&data["reason"], &data["limit"]),
        (&json!("rate_limited"), &json!(name))
    );
    let millis = data["retryAfterMs"].as_u64().unwrap();
    assert_eq!(seconds, millis.div_ceil(1000).max(1));
    let message = answer["error"]["message"].as_str().unwrap();
    assert!(message.contains(&format!("{name:?}")), "{message}");
    assert!(!message.contains("olga"), "{message}");
}

#[tokio::test]
async fn calls_beyond_a_rate_are_rejected_in_both_eras() {
    let folder = Folder::new();
    let limits = "[{ name: two, rate: 2 per hour, per: [user] }]";
    let gateway = start(&folder, limits).await;
    // Lists and the answers of the gateway itself do not count.
    for _ in 0..5 {
        assert_eq!(gateway.tools().await.len(), 4);
        let arguments = json!({ "query": "add" });
        let found = gateway.call("search_tools", arguments).await;
        assert!(found["result"].is_object(), "{found}");
    }
    assert_eq!(echo(&gateway, OLGA).await.status, 200);
    // The target of `run_tool` counts.
    let arguments = json!({ "tool_name": "demo__add", "tool_args": { "a": 1, "b": 2 } });
    let sum = gateway.call("run_tool", arguments.clone()).await;
    assert_eq!(sum["result"]["structuredContent"]["sum"], 3.0, "{sum}");
    assert_limited(&echo(&gateway, OLGA).await, "two");
    let run = gateway.wire().call("run_tool", arguments).await.unwrap();
    assert_limited(&run, "two");
    let session = gateway.initialize().await;
    let request = json!({
        "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "name": "demo__echo", "arguments": { "message": "a" } },
    });
    let headers = [
        ("mcp-session-id", session.as_str()),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let wire = gateway.wire();
    let legacy = wire.post(request.to_string(), &headers).await.unwrap();
    assert_limited(&legacy, "two");
    assert_eq!(echo(&gateway, BOB).await.status, 200);
    let (_, metrics) = gateway.get_with("/metrics", OLGA).await;
    let line = "mcp_limit_rejections_total{limit=\"two\"} 3";
    assert!(metrics.contains(line), "{metrics}");
}

#[tokio::test]
async fn limits_follow_the_configuration_and_keep_their_counts() {
    let folder = Folder::new();
    let limit = |amount: u32| format!("[{{ name: daily, quota: {amount} per day }}]");
    let gateway = start(&folder, &limit(2)).await;
    for status in [200, 200, 429] {
        assert_eq!(echo(&gateway, OLGA).await.status, status);
    }
    folder.write("gateway.yaml", &config(&limit(4)));
    eventually(async || echo(&gateway, OLGA).await.status == 200).await;
    assert_eq!(echo(&gateway, BOB).await.status, 200);
    assert_limited(&echo(&gateway, BOB).await, "daily");
    folder.write("gateway.yaml", &config("[]"));
    eventually(async || echo(&gateway, OLGA).await.status == 200).await;
}

#[tokio::test]
async fn a_call_is_in_flight_until_it_is_cancelled() {
    let folder = Folder::new();
    let gateway = start(&folder, "[{ name: one, inFlight: 1, per: [user] }]").await;
    let waiting = gateway.begin("demo__wait", json!({ "seconds": 60 })).await;
    assert_limited(&echo(&gateway, OLGA).await, "one");
    assert_eq!(echo(&gateway, BOB).await.status, 200);
    drop(waiting);
    eventually(async || echo(&gateway, OLGA).await.status == 200).await;
}

/// Starts a replica that counts in `database`.
async fn replica(folder: &Folder, database: &str, amount: u32) -> Gateway {
    let text = config(&format!("[{{ name: monthly, quota: {amount} per month }}]"));
    let text = text.replace("store: memory", "store: { postgres: { env: DATABASE } }");
    let key = "sessionKey: { env: KEY }";
    let file = folder.write("gateway.yaml", &format!("{text}{key}\n"));
    let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let env = [
        ("MCP_GATEWAY_TOKEN", OLGA),
        ("BOB", BOB),
        ("DATABASE", database),
        ("KEY", key),
    ];
    Gateway::serve_with(&file, &env).await
}

/// Calls from `callers` callers at once, `each` times, and returns the number of calls that were
/// permitted.
async fn storm(gateways: &[Gateway], callers: usize, each: usize) -> usize {
    let mut tasks = JoinSet::new();
    for number in 0..callers {
        let wire = gateways[number % gateways.len()].wire_with(Some(OLGA));
        tasks.spawn(async move {
            let mut permitted = 0;
            for _ in 0..each {
                let reply = wire
                    .call("demo__echo", json!({ "message": "a" }))
                    .await
                    .unwrap();
                match reply.status.as_u16() {
                    200 => permitted += 1,
                    429 => {}
                    status => panic!("{status}: {}", reply.body),
                }
            }
            permitted
        });
    }
    tasks.join_all().await.into_iter().sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_of_two_replicas_is_never_exceeded() {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let folders = [Folder::new(), Folder::new()];
    let mut replicas = Vec::new();
    for folder in &folders {
        replicas.push(replica(folder, &database, 1000).await);
    }
    let permitted = storm(&replicas, 200, 8).await;
    println!("permitted: {permitted} of 1600 calls");
    assert!((1000 - 64..=1000).contains(&permitted), "{permitted}");

    // A replica that ends in order returns its share, and the next one makes the rest of the calls.
    for replica in &mut replicas {
        replica.signal(Signal::TERM);
        assert!(replica.finish().await.success());
    }
    let folder = Folder::new();
    let last = [replica(&folder, &database, 1000).await];
    let rest = storm(&last, 1, 100).await;
    assert_eq!(permitted + rest, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_replica_loses_one_share() {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let folder = Folder::new();
    let mut killed = [replica(&folder, &database, 2000).await];
    let before = storm(&killed, 10, 30).await;
    assert_eq!(before, 300);
    killed[0].signal(Signal::KILL);
    killed[0].finish().await;
    let next = [replica(&folder, &database, 2000).await];
    let after = storm(&next, 10, 180).await;
    println!("lost: {} calls", 2000 - before - after);
    assert!((2000 - 64..=2000).contains(&(before + after)), "{after}");
}

/// Returns the use of quotas: name, key and number of calls.
async fn usage(gateway: &Gateway, query: &str) -> Vec<(String, Value, u64)> {
    let (status, page) = gateway
        .get_with(&format!("/api/v1/usage{query}"), OLGA)
        .await;
    assert_eq!(status, 200, "{page}");
    let page: Value = serde_json::from_str(&page).unwrap();
    let entry = |entry: &Value| {
        let name = entry["quota"].as_str().unwrap().to_owned();
        (name, entry["key"].clone(), entry["used"].as_u64().unwrap())
    };
    page["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(entry)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn administrators_see_the_use_of_quotas() {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let folder = Folder::new();
    let limits = "
    - { name: monthly, quota: 100 per month, per: [user] }
    - { name: all, quota: 5 per year }";
    let text = config(limits).replace("store: memory", "store: { postgres: { env: DATABASE } }");
    let text = text.replace("name: olga,", "name: olga, admin: true,");
    let text = format!("{text}sessionKey: {{ env: KEY }}\n");
    let file = folder.write("gateway.yaml", &text);
    let key = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    let env = [
        ("MCP_GATEWAY_TOKEN", OLGA),
        ("BOB", BOB),
        ("DATABASE", &*database),
        ("KEY", key),
    ];
    let mut gateway = Gateway::serve_with(&file, &env).await;
    assert!(usage(&gateway, "").await.is_empty());
    for token in [OLGA, OLGA, BOB] {
        assert_eq!(echo(&gateway, token).await.status, 200);
    }
    let all = ("all".to_owned(), json!({}), 3);
    let of = |user: &str, used| ("monthly".to_owned(), json!({ "user": user }), used);
    let found = usage(&gateway, "").await;
    assert_eq!(found.len(), 3);
    assert_eq!(found[0], all);
    assert!(found.contains(&of("olga", 2)) && found.contains(&of("bob", 1)));
    assert_eq!(
        usage(&gateway, "?quota=all").await,
        std::slice::from_ref(&all)
    );
    let (_, page) = gateway.get_with("/api/v1/usage?limit=2", OLGA).await;
    let page: Value = serde_json::from_str(&page).unwrap();
    let next = page["next"].as_str().unwrap().replace('/', "%2F");
    assert_eq!(usage(&gateway, &format!("?after={next}")).await, found[2..]);
    // Others learn nothing.
    assert_eq!(gateway.get_with("/api/v1/usage", BOB).await.0, 403);

    let url = gateway.url.clone();
    let shown = run_with_env(&["usage", "all", "--url", &url], &env).await;
    assert_eq!(shown.code, Some(0), "{shown:?}");
    assert!(shown.stdout.contains("3 of 5"), "{shown:?}");
    let shown = run_with_env(&["usage", "--json", "--url", &url], &env).await;
    let shown: Value = serde_json::from_str(&shown.stdout).unwrap();
    assert_eq!(shown.as_array().unwrap().len(), 3);

    // The counts are those of all replicas, and survive a restart.
    gateway.signal(Signal::TERM);
    assert!(gateway.finish().await.success());
    let gateway = Gateway::serve_with(&file, &env).await;
    assert_eq!(usage(&gateway, "?quota=all").await, [all]);
}

/// Starts a server with the tools `read`, which is read-only, and `write`. It fails with the status
/// 503 while `failures` are left.
async fn failing(failures: &Arc<AtomicUsize>) -> Scripted {
    let failures = Arc::clone(failures);
    let answer = move |asked: &ReceivedRequest| {
        let fails = || {
            let left = failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
                left.checked_sub(1)
            });
            left.is_ok()
        };
        match asked.method() {
            "tools/list" => document(&asked.result(&json!({
                "resultType": "complete",
                "tools": [
                    {
                        "name": "read",
                        "inputSchema": { "type": "object" },
                        "annotations": { "readOnlyHint": true },
                    },
                    { "name": "write", "inputSchema": { "type": "object" } },
                ],
            }))),
            "tools/call" if fails() => status("503 Service Unavailable"),
            "tools/call" => document(&asked.says("done")),
            _ => modern(asked).unwrap_or_default(),
        }
    };
    Scripted::start(answer).await.unwrap()
}

/// Starts a gateway that sends calls of the server at `url` again.
async fn repeating(folder: &Folder, url: &str) -> Gateway {
    let config = json!({
        "servers": [{ "name": "far", "remote": { "url": url } }],
        "auth": { "tokens": [
            { "name": "olga", "token": { "env": "MCP_GATEWAY_TOKEN" }, "admin": true },
        ] },
        "audit": {},
        "store": "memory",
        "limits": {
            "calls": [{ "name": "three", "quota": "3 per year", "per": ["user"] }],
            "retries": [{ "name": "reading", "attempts": 3, "servers": ["far"] }],
        },
    });
    let file = folder.write("gateway.yaml", &config.to_string());
    Gateway::serve_with(&file, &[("MCP_GATEWAY_TOKEN", OLGA)]).await
}

/// Returns the records of the calls of `tool`.
async fn records(gateway: &Gateway, tool: &str) -> Vec<Value> {
    let path = format!("/api/v1/audit?target={tool}");
    let (_, page) = gateway.get_with(&path, OLGA).await;
    let page: Value = serde_json::from_str(&page).unwrap();
    page["items"].as_array().unwrap().clone()
}

#[tokio::test]
async fn a_harmless_call_is_sent_again_and_counts_once() {
    let folder = Folder::new();
    let failures = Arc::default();
    let server = failing(&failures).await;
    let gateway = repeating(&folder, &server.url).await;
    assert_eq!(gateway.tools().await.len(), 2);

    failures.store(2, Ordering::SeqCst);
    let read = gateway.call("far__read", json!({})).await;
    assert_eq!(read["result"]["content"][0]["text"], "done", "{read}");
    assert_eq!(server.count("tools/call"), 3);
    failures.store(1, Ordering::SeqCst);
    let write = gateway.call("far__write", json!({})).await;
    assert_eq!(write["error"]["data"]["reason"], "upstream_status");
    assert_eq!(server.count("tools/call"), 4);

    // The attempts are one call of the quota.
    let last = gateway.wire().call("far__read", json!({})).await.unwrap();
    assert_eq!(last.status, 200, "{}", last.answer());
    let rejected = gateway.wire().call("far__read", json!({})).await.unwrap();
    assert_limited(&rejected, "three");
    let (_, metrics) = gateway.get_with("/metrics", OLGA).await;
    for line in [
        "mcp_call_retries_total{mcp_server_name=\"far\"} 2",
        "mcp_tool_calls_total{gateway=\"default\",mcp_server_name=\"far\",tool_name=\"read\",status=\"success\"} 2",
    ] {
        assert!(metrics.contains(line), "{metrics}");
    }
    eventually(async || records(&gateway, "read").await.len() == 3).await;
    let retries = records(&gateway, "read").await;
    let retries: Vec<_> = retries
        .iter()
        .filter_map(|r| r["retries"].as_u64())
        .collect();
    assert_eq!(retries, [2]);
    assert!(records(&gateway, "write").await[0]["retries"].is_null());
}

#[tokio::test]
async fn mistakes_in_limits_are_found() {
    let folder = Folder::new();
    let limits = "
    - { name: a, rate: 10 per day }
    - { name: a, quota: 5 per 5 months, burst: 3 }
    - { name: b, inFlight: 0, per: [users] }
    - { name: c, rate: 1 per second, quota: 1 per day }
    - { name: d }
    - { name: e, quota: 1 per day, gateways: [typo] }";
    let file = folder.write("gateway.yaml", &config(limits));
    let done = run(&["check", &file]).await;
    assert_eq!(done.code, Some(1));
    for mistake in [
        "longer ones are quotas",
        "duplicate limit \"a\"",
        "must divide a year",
        "only a limit with a rate has a burst",
        "must be at least 1",
        "unknown value \"users\"; did you mean \"user\"?",
        "only one of these is allowed: rate, quota, inFlight",
        "missing one of: rate, quota, inFlight",
    ] {
        assert!(done.stdout.contains(mistake), "{mistake}\n{}", done.stdout);
    }
    let retries = "
  retries:
    - { name: a, attempts: 1 }
    - { name: a, attempts: 3, tools: [x], burst: 2 }
    - { attempts: 4 }";
    let file = folder.write("gateway.yaml", &config(&format!("[]{retries}")));
    let done = run(&["check", &file]).await;
    assert_eq!(done.code, Some(1));
    for mistake in [
        "must be 2 to 3",
        "duplicate retry \"a\"",
        "unknown key \"burst\"",
        "limits.retries[2]",
    ] {
        assert!(done.stdout.contains(mistake), "{mistake}\n{}", done.stdout);
    }
    let file = folder.write(
        "gateway.yaml",
        &config("[{ name: e, quota: 1 per day, gateways: [typo] }]"),
    );
    let done = run(&["check", &file]).await;
    let output = format!("{}{}", done.stdout, done.stderr);
    for warning in [
        "no gateway of this file is named \"typo\"",
        "begins again when the gateway restarts",
    ] {
        assert!(output.contains(warning), "{warning}\n{output}");
    }
}
