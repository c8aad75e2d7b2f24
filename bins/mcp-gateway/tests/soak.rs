//! The program for a while under everything at once, and what is left of it afterwards.
//!
//! `SOAK_SECONDS` says for how long; a minute by default.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

#[path = "cli/harness.rs"]
#[expect(dead_code, reason = "the other tests of the program need more of it")]
mod harness;

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mcp_gateway_tests::fixture::{Options, PATH, serve_http};
use mcp_gateway_tests::raw::Raw;
use mcp_gateway_tests::wire::{Reply, Wire};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use self::harness::{Folder, Gateway, PROGRAM, eventually};

/// Maximum time for which unused resources are kept.
const REST: Duration = Duration::from_secs(20);

/// Number of clients of each kind.
const CLIENTS: usize = 4;

/// Between two deaths of a program.
const LIFE: Duration = Duration::from_millis(700);

/// Maximum growth of the memory after the first load, in KiB. A leak with
/// each call or session would be many times that.
const GROWTH: u64 = 16 * 1024;

/// Outcomes of calls.
#[derive(Debug, Default)]
struct Counts {
    well: AtomicUsize,
    lost: AtomicUsize,
    sessions: AtomicUsize,
    streams: AtomicUsize,
    cancelled: AtomicUsize,
    kills: AtomicUsize,
    reloads: AtomicUsize,
}

impl Counts {
    fn add(count: &AtomicUsize) {
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer: only calls of programs, which are killed, may be lost.
    fn answered(&self, tool: &str, reply: &Reply) {
        let answer = reply.answer();
        if answer["result"].is_object() {
            return Self::add(&self.well);
        }
        let reason = &answer["error"]["data"]["reason"];
        let expected = ["upstream_closed", "unavailable", "upstream_connect"];
        let is_expected = reason
            .as_str()
            .is_some_and(|reason| expected.contains(&reason));
        assert!(
            tool.starts_with("child") && is_expected,
            "{tool}: {}",
            reply.body
        );
        Self::add(&self.lost);
    }
}

/// Resources of a process.
#[derive(Debug)]
struct Held {
    descriptors: usize,
    threads: u64,
    memory: u64,
}

impl Held {
    fn by(process: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
        let number = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
            number.unwrap()
        };
        Self {
            descriptors: fs::read_dir(format!("/proc/{process}/fd")).unwrap().count(),
            threads: number("Threads:"),
            memory: number("VmRSS:"),
        }
    }
}

fn config(remote: &str) -> String {
    let child = |name: &str, sessions: &str| {
        format!(
            "- name: {name}\n  process: {{ command: {PROGRAM}, args: [demo], grace: 200ms }}\n  \
             sessions: {sessions}\n  idle: 2s\n  limits: {{ breaker: {{ failures: 1000, pause: 100ms }} }}\n"
        )
    };
    format!(
        "servers:\n{}{}- {{ name: demo, builtin: demo, idle: 2s }}\n\
         - {{ name: far, remote: {{ url: \"{remote}\" }}, idle: 2s }}\n\
         limits: {{ sessions: {{ idle: 2s }} }}\n",
        child("child1", "shared"),
        child("child2", "principal"),
    )
}

/// A client of the modern era that calls, and now and then gives up.
async fn modern(wire: Wire, counts: Arc<Counts>, until: Instant) {
    let tools = [
        ("demo__echo", json!({ "text": "x" })),
        ("child1__echo", json!({ "text": "x" })),
        ("far__echo", json!({ "message": "x" })),
        ("child2__echo", json!({ "text": "x" })),
        ("far__big", json!({ "bytes": 200_000 })),
    ];
    for (tool, arguments) in tools.iter().cycle() {
        if Instant::now() > until {
            return;
        }
        let reply = wire.call(tool, arguments.clone()).await.unwrap();
        counts.answered(tool, &reply);
    }
}

async fn cancelling(wire: Wire, counts: Arc<Counts>, until: Instant) {
    let calls = [
        ("far__slow", json!({ "seconds": 600, "steps": 1 })),
        ("demo__wait", json!({ "seconds": 60 })),
        ("child1__wait", json!({ "seconds": 60 })),
    ];
    for (tool, arguments) in calls.iter().cycle() {
        if Instant::now() > until {
            return;
        }
        let call = wire.call(tool, arguments.clone());
        match timeout(Duration::from_millis(30), call).await {
            Ok(reply) => counts.answered(tool, &reply.unwrap()),
            Err(_) => Counts::add(&counts.cancelled),
        }
    }
}

/// A client of the legacy era that begins sessions, listens, and leaves in one way or another.
async fn legacy(wire: Wire, url: String, token: String, counts: Arc<Counts>, until: Instant) {
    let message = |method: &str, params: Value| {
        json!({ "jsonrpc": "2.0", "id": 2, "method": method, "params": params }).to_string()
    };
    let initialize = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "soak", "version": "1" },
    });
    for round in 0.. {
        if Instant::now() > until {
            return;
        }
        let reply = wire
            .post(message("initialize", initialize.clone()), &[])
            .await
            .unwrap();
        let session = reply.headers["mcp-session-id"].to_str().unwrap().to_owned();
        Counts::add(&counts.sessions);
        let head = |verb: &str| {
            format!(
                "{verb} /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\
                 Accept: text/event-stream\r\nMcp-Session-Id: {session}\r\n\r\n",
                url.trim_start_matches("http://"),
            )
        };
        let mut stream = Raw::connect(&url).await.unwrap();
        stream.write(head("GET")).await.unwrap();
        assert_eq!(stream.head().await.unwrap().0.as_u16(), 200);
        Counts::add(&counts.streams);
        for (tool, arguments) in [
            ("demo__echo", json!({ "text": "x" })),
            ("child2__echo", json!({ "text": "x" })),
            ("far__slow", json!({ "seconds": 0.02, "steps": 2 })),
        ] {
            let params = json!({
                "name": tool, "arguments": arguments, "_meta": { "progressToken": round },
            });
            let headers = [("mcp-session-id", &*session)];
            let reply = wire
                .post(message("tools/call", params), &headers)
                .await
                .unwrap();
            counts.answered(tool, &reply);
        }
        // Some sessions are ended, others are forgotten by their clients.
        if round % 2 == 0 {
            let mut raw = Raw::connect(&url).await.unwrap();
            raw.write(head("DELETE")).await.unwrap();
            assert_eq!(raw.head().await.unwrap().0.as_u16(), 204);
        }
    }
}

/// Kills a program every now and then.
async fn killing(gateway: u32, counts: Arc<Counts>, until: Instant) {
    while Instant::now() < until {
        sleep(LIFE).await;
        if let Some(child) = harness::children(gateway).first() {
            // It may have ended by itself.
            let _ = kill_process(child.0, Signal::KILL);
            Counts::add(&counts.kills);
        }
    }
}

/// Adds a server to the configuration and takes it out again, while calls are made.
async fn reloading(folder: Arc<Folder>, remote: String, counts: Arc<Counts>, until: Instant) {
    let with = |more: &str| config(&remote).replacen("servers:\n", &format!("servers:\n{more}"), 1);
    let more = with("- { name: more, builtin: demo }\n");
    for text in [more, with("")].iter().cycle() {
        if Instant::now() > until {
            folder.write("gateway.yaml", &with(""));
            return;
        }
        folder.write("gateway.yaml", text);
        Counts::add(&counts.reloads);
        sleep(LIFE).await;
    }
}

async fn load(
    gateway: &Gateway,
    folder: &Arc<Folder>,
    remote: &str,
    time: Duration,
) -> Arc<Counts> {
    let counts = Arc::new(Counts::default());
    let until = Instant::now() + time;
    let mut clients = JoinSet::new();
    for _ in 0..CLIENTS {
        clients.spawn(modern(gateway.wire(), Arc::clone(&counts), until));
        clients.spawn(cancelling(gateway.wire(), Arc::clone(&counts), until));
        let (url, token) = (gateway.url.clone(), gateway.token.clone());
        clients.spawn(legacy(
            gateway.wire(),
            url,
            token,
            Arc::clone(&counts),
            until,
        ));
    }
    clients.spawn(killing(gateway.id(), Arc::clone(&counts), until));
    let (folder, remote) = (Arc::clone(folder), remote.to_owned());
    clients.spawn(reloading(folder, remote, Arc::clone(&counts), until));
    while let Some(ended) = clients.join_next().await {
        assert!(ended.is_ok(), "{ended:?}\n{}", gateway.stderr());
    }
    counts
}

/// Waits until nothing is left of the clients, and says what the gateway holds.
async fn rest(gateway: &Gateway) -> Held {
    let start = Instant::now();
    while !gateway.children().is_empty() {
        sleep(Duration::from_millis(200)).await;
        assert!(
            start.elapsed() < REST,
            "{:?} run\n{}",
            gateway.children(),
            gateway.stderr()
        );
    }
    // What a client or server left has gone when nothing changes any more.
    let mut held = Held::by(gateway.id());
    eventually(async || {
        sleep(Duration::from_secs(1)).await;
        let before = std::mem::replace(&mut held, Held::by(gateway.id()));
        held.descriptors == before.descriptors
    })
    .await;
    held
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn nothing_is_left_of_what_has_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{PATH}", listener.local_addr().unwrap());
    let mut far = JoinSet::new();
    far.spawn(async move { drop(serve_http(listener, Options::default()).await) });
    let folder = Arc::new(Folder::new());
    let gateway = Gateway::serve(&folder.write("gateway.yaml", &config(&url))).await;

    let seconds = std::env::var("SOAK_SECONDS").map_or(60, |text| text.parse().unwrap());
    load(&gateway, &folder, &url, Duration::from_secs(seconds / 4)).await;
    let before = rest(&gateway).await;
    let counts = load(&gateway, &folder, &url, Duration::from_secs(seconds)).await;
    let after = rest(&gateway).await;
    let report = format!("{counts:?}\nbefore {before:?}\nafter {after:?}");
    for (count, least) in [
        (&counts.well, 1000),
        (&counts.sessions, 20),
        (&counts.cancelled, 100),
        (&counts.kills, 5),
        (&counts.reloads, 5),
    ] {
        assert!(
            count.load(Ordering::Relaxed) >= least,
            "too little was done: {report}"
        );
    }
    assert!(after.descriptors <= before.descriptors + 4, "{report}");
    assert!(after.threads <= before.threads + 2, "{report}");
    assert!(after.memory <= before.memory + GROWTH, "{report}");
    let answer = gateway.call("child1__echo", json!({ "text": "x" })).await;
    assert!(answer["result"].is_object(), "{answer}");
}
