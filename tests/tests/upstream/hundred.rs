//! A hundred servers behind one gateway, some of them dead, slow, looping or lying.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use mcp_gateway_core::runtime::Process;
use mcp_gateway_core::upstream::UpstreamServer;
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::script::{self, EVENTS, ReceivedRequest, Scripted, Step, Steps};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::listener::{Listener, initialize, wire};

/// Number of servers that are well.
const WELL: usize = 89;

/// Time for a list, whatever any server does.
const LIMIT: Duration = Duration::from_secs(2);

/// Time that the slow server takes for its list.
const SLOW: Duration = Duration::from_millis(3_500);

/// The servers, which live as long as this value.
struct Servers {
    backends: Backends,
    running: Vec<Scripted>,
    silent: TcpListener,
}

impl Servers {
    async fn start() -> Self {
        let mut servers = Self {
            backends: Backends::new(),
            running: Vec::new(),
            silent: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        };
        for number in 0..WELL {
            let name = format!("well{number}");
            match number % 2 {
                0 => servers.add(&name, Scripted::modern(|_| Vec::new()).await.unwrap()),
                _ => servers.add(&name, Scripted::legacy(|_| Vec::new()).await.unwrap()),
            }
        }
        servers.add_the_others().await;
        servers
    }

    fn add(&mut self, name: &str, server: Scripted) {
        self.reach(name, &server.url);
        self.running.push(server);
    }

    fn reach(&mut self, name: &str, url: &str) {
        let backends = std::mem::take(&mut self.backends);
        self.backends = backends.with(name, name, remote(name, url).build());
    }

    /// Adds one server of each bad kind, and a slow one.
    async fn add_the_others(&mut self) {
        let free = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let refused = format!("http://{}/mcp", free.local_addr().unwrap());
        drop(free);
        self.reach("refused", &refused);
        let silent = format!("http://{}/mcp", self.silent.local_addr().unwrap());
        self.reach("silent", &silent);
        let html = |_: &ReceivedRequest| {
            script::response("200 OK", "Content-Type: text/html\r\n", "<p>Hello</p>")
        };
        self.add("html", Scripted::start(html).await.unwrap());
        let broken = |_: &ReceivedRequest| script::status("500 Internal Server Error");
        self.add("broken", Scripted::start(broken).await.unwrap());
        self.add("paging", Scripted::start(paging).await.unwrap());
        self.add("endless", Scripted::start(endless).await.unwrap());
        self.add("stranger", Scripted::start(stranger).await.unwrap());
        self.add("half", Scripted::start(half).await.unwrap());
        self.add("restless", Scripted::start(restless()).await.unwrap());
        self.add("slow", Scripted::start(slow).await.unwrap());
        let crashing =
            UpstreamServer::builder("crashing", Process::new("crashing", "false")).build();
        let backends = std::mem::take(&mut self.backends);
        self.backends = backends.with("crashing", "crashing", crashing);
    }
}

fn tools(asked: &ReceivedRequest, more: &Value) -> Steps {
    let mut result = json!({
        "resultType": "complete",
        "tools": [{ "name": "truth", "inputSchema": { "type": "object" } }],
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        result[key] = value.clone();
    }
    script::document(&asked.result(&result))
}

/// The same page again and again.
fn paging(asked: &ReceivedRequest) -> Steps {
    match asked.method() {
        "tools/list" => tools(asked, &json!({ "nextCursor": "more" })),
        _ => script::modern(asked).unwrap_or_default(),
    }
}

/// An event stream that never answers.
fn endless(_: &ReceivedRequest) -> Steps {
    let event = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\"}\n\n";
    let mut steps = vec![Step::Send(EVENTS.into())];
    for _ in 0..10_000 {
        steps.extend([
            Step::Send(event.into()),
            Step::Pause(Duration::from_millis(5)),
        ]);
    }
    steps
}

/// Answers with the ID of another request.
fn stranger(asked: &ReceivedRequest) -> Steps {
    let mut asked = asked.clone();
    let is_handshake = asked.method() == "server/discover";
    if !is_handshake {
        asked.message["id"] = json!("another");
    }
    script::modern(&asked).unwrap_or_default()
}

/// Half of an answer, and then nothing.
fn half(asked: &ReceivedRequest) -> Steps {
    let text = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n";
    match asked.method() {
        "tools/list" => vec![
            Step::Send(text.into()),
            Step::Send("{\"jsonrpc\":\"2.0\",".into()),
            Step::Hang,
        ],
        _ => script::modern(asked).unwrap_or_default(),
    }
}

/// Announces another list all the time.
fn restless() -> impl Fn(&ReceivedRequest) -> Steps + Send + Sync + 'static {
    let changes = Arc::new(AtomicUsize::new(0));
    move |asked| match asked.method() {
        "server/discover" => script::document(&asked.result(&json!({
            "resultType": "complete",
            "supportedVersions": ["2026-07-28"],
            "capabilities": { "tools": { "listChanged": true } },
            "ttlMs": 0,
            "cacheScope": "private",
        }))),
        "tools/list" => {
            let number = changes.fetch_add(1, Ordering::Relaxed);
            tools(
                asked,
                &json!({ "tools": [
                { "name": format!("tool{number}"), "inputSchema": { "type": "object" } }
            ] }),
            )
        }
        "subscriptions/listen" => {
            let event = |message: Value| Step::Send(format!("data: {message}\n\n").into());
            let mut steps = vec![
                Step::Send(EVENTS.into()),
                event(json!({
                    "jsonrpc": "2.0",
                    "method": "notifications/subscriptions/acknowledged",
                    "params": { "notifications": { "toolsListChanged": true } },
                })),
            ];
            for _ in 0..10_000 {
                steps.push(event(json!({
                    "jsonrpc": "2.0",
                    "method": "notifications/tools/list_changed",
                })));
                steps.push(Step::Pause(Duration::from_millis(3)));
            }
            steps
        }
        _ => script::modern(asked).unwrap_or_default(),
    }
}

/// Lists its tools after a while, and says nothing about how long they last.
fn slow(asked: &ReceivedRequest) -> Steps {
    match asked.method() {
        "tools/list" => {
            let mut steps = vec![Step::Pause(SLOW)];
            steps.extend(script::legacy(asked).unwrap_or_default());
            steps
        }
        _ => script::legacy(asked).unwrap_or_default(),
    }
}

/// Lists the tools; returns their names, and the time that it took.
async fn list(gateway: &TestGateway, session: Option<&str>) -> (Vec<String>, Duration) {
    let began = Instant::now();
    let reply = match session {
        None => wire(gateway).request("tools/list", json!({})).await,
        Some(session) => {
            let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
            let headers = [("mcp-session-id", session)];
            wire(gateway).post(body.to_string(), &headers).await
        }
    };
    let took = began.elapsed();
    let answer = reply.unwrap().answer();
    let tools = answer["result"]["tools"].as_array().unwrap();
    let name = |tool: &Value| tool["name"].as_str().unwrap().to_owned();
    (tools.iter().map(name).collect(), took)
}

/// Fails unless all servers that are well are listed in time.
#[track_caller]
fn check(what: &str, (names, took): &(Vec<String>, Duration)) {
    assert!(*took < LIMIT, "{what}: {took:?}");
    let well = names.iter().filter(|name| name.starts_with("well"));
    assert_eq!(well.count(), 2 * WELL, "{what}: {names:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_servers_are_listed_in_time_whatever_ten_of_them_do() {
    let servers = Servers::start().await;
    let gateway = servers.backends.start().await;
    // Everything is cold.
    let began = Instant::now();
    let first = list(&gateway, None).await;
    check("cold, modern", &first);
    assert!(!first.0.iter().any(|name| name.starts_with("slow")));
    let session = initialize(&gateway).await;
    check("initialize", &(first.0.clone(), began.elapsed() - first.1));
    check("cold, legacy", &list(&gateway, Some(&session)).await);

    let mut modern = Listener::modern(&gateway).await;
    let mut legacy = Listener::legacy(&gateway, &session, None).await;
    let time = Duration::from_secs(7);
    tokio::join!(modern.listen(time), legacy.listen(time));
    modern.is_paced("modern");
    legacy.is_paced("legacy");
    assert!(!modern.told.is_empty() && !legacy.told.is_empty());

    for session in [None, Some(&*session)] {
        // Nobody waits for a server that is known to be slow.
        let (names, took) = list(&gateway, session).await;
        assert!(names.iter().any(|name| name == "slow__truth"), "{names:?}");
        check("warm", &(names, took));
    }
    let times: Vec<_> = [list(&gateway, None).await.1, list(&gateway, None).await.1].into();
    let least = times.iter().min().unwrap();
    assert!(*least < Duration::from_millis(1_000), "{times:?}");
}
