//! A thousand calls over connections that are slow at random, on a busy machine, from a cold start.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_tests::fixture::{Era, Options, serve_http};
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::client::Legacy;

/// Calls in each combination of eras.
const CALLS: usize = 250;

/// Clients in each combination of eras, each of which makes its calls one after the other.
const CLIENTS: usize = 125;

/// Maximum delay of each piece of data.
const MAX_DELAY: u64 = 500;

/// Time for all calls.
const LIMIT: Duration = Duration::from_secs(60);

/// A proxy that delays each piece of data in both directions, for up to [`MAX_DELAY`].
#[derive(Debug)]
struct Delays {
    url: String,
    _connections: JoinSet<()>,
}

impl Delays {
    /// Starts a proxy in front of `url`.
    async fn start(url: &str) -> Self {
        let target = url.trim_start_matches("http://").trim_end_matches("/mcp");
        let target: Arc<str> = target.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let random = Arc::new(AtomicU64::new(1));
        let mut connections = JoinSet::new();
        connections.spawn(async move {
            let mut served = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                while served.try_join_next().is_some() {}
                let (target, random) = (Arc::clone(&target), Arc::clone(&random));
                served.spawn(async move {
                    let server = TcpStream::connect(&*target).await.unwrap();
                    for side in [&client, &server] {
                        side.set_nodelay(true).unwrap();
                    }
                    let (from_client, to_client) = client.into_split();
                    let (from_server, to_server) = server.into_split();
                    tokio::join!(
                        carry(from_client, to_server, &random),
                        carry(from_server, to_client, &random),
                    );
                });
            }
        });
        Self {
            url,
            _connections: connections,
        }
    }
}

/// Copies data, each piece after a delay.
async fn carry(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    random: &AtomicU64,
) {
    let mut piece = vec![0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut piece).await {
        // The generator of Knuth's MMIX.
        let next = |seed: u64| {
            seed.wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407)
        };
        let seed = random.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |seed| {
            Some(next(seed))
        });
        sleep(Duration::from_millis((seed.unwrap() >> 33) % MAX_DELAY)).await;
        if to.write_all(&piece[..length]).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
}

/// A gateway over a server of one era, with delays on all of its connections.
struct Cell {
    /// Address at which clients reach the gateway.
    url: String,
    _gateway: TestGateway,
    _delays: [Delays; 2],
    _server: JoinSet<()>,
}

impl Cell {
    async fn start(era: Era) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut options = Options::default();
            options.era = era;
            serve_http(listener, options).await.unwrap();
        });
        let upstream = Delays::start(&url).await;
        let backend = remote("only", &upstream.url).build();
        let gateway = Backends::new().with("only", "", backend).start().await;
        let downstream = Delays::start(&gateway.url).await;
        Self {
            url: downstream.url.clone(),
            _gateway: gateway,
            _delays: [upstream, downstream],
            _server: server,
        }
    }

    /// Makes all calls; returns the number of questions that were answered.
    async fn run(&self, modern: bool) -> usize {
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            let url = self.url.clone();
            clients.spawn(async move {
                match modern {
                    true => modern_client(&url, client).await,
                    false => legacy_client(&url, client).await,
                }
            });
        }
        clients.join_all().await.into_iter().sum()
    }
}

/// The calls of a client: every second one asks a question.
fn calls(client: usize) -> impl Iterator<Item = (bool, String)> {
    let calls = 0..CALLS / CLIENTS;
    calls.map(move |call| (call % 2 == 0, format!("{client}/{call}")))
}

fn params(asks: bool, text: &str) -> Value {
    match asks {
        true => json!({ "name": "test_elicitation", "arguments": { "message": text } }),
        false => json!({ "name": "echo", "arguments": { "text": text } }),
    }
}

/// Answer of the user to a question: the question.
fn answer_to(question: &Value) -> Value {
    let message = &question["params"]["message"];
    let content = json!({ "username": message, "email": "a@example.com" });
    json!({ "action": "accept", "content": content })
}

#[track_caller]
fn check(asks: bool, text: &str, message: &Value) {
    let result = message["result"]["content"][0]["text"].as_str();
    let result = result.unwrap_or_else(|| panic!("{text}: {message}"));
    assert!(result.contains(text), "{text}: {message}");
    assert!(!asks || result.contains("action=accept"), "{message}");
}

async fn legacy_client(url: &str, client: usize) -> usize {
    let name = format!("client{client}");
    let session = Legacy::begin(url, &name, json!({ "elicitation": {} })).await;
    let mut answered = 0;
    for (number, (asks, text)) in calls(client).enumerate() {
        let id = json!(number + 1);
        let mut stream = session
            .request(&id, "tools/call", &params(asks, &text))
            .await;
        loop {
            let message = stream.next().await;
            let message = message.unwrap_or_else(|| panic!("{text} has no end"));
            match message["method"].as_str() {
                Some("elicitation/create") => {
                    let answer = answer_to(&message);
                    let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "result": answer });
                    assert_eq!(session.tell(&answer).await, 202);
                    answered += 1;
                }
                Some(_) => {}
                None => {
                    check(asks, &text, &message);
                    break;
                }
            }
        }
    }
    answered
}

async fn modern_client(url: &str, client: usize) -> usize {
    let token = HeaderValue::from_str(&format!("Bearer client{client}")).unwrap();
    let wire = Wire::new(url).with_header(AUTHORIZATION, token);
    let mut answered = 0;
    for (asks, text) in calls(client) {
        let mut params = params(asks, &text);
        params["_meta"] = json!({
            "io.modelcontextprotocol/clientCapabilities": { "elicitation": { "form": {} } },
        });
        let message = loop {
            let reply = wire.request("tools/call", params.clone()).await.unwrap();
            let message = reply.answer();
            let result = &message["result"];
            if result["resultType"] != "input_required" {
                break message;
            }
            let questions = result["inputRequests"].as_object().unwrap();
            answered += questions.len();
            let answers = questions.iter();
            let answers = answers.map(|(key, question)| (key.clone(), answer_to(question)));
            params["inputResponses"] = answers.collect::<serde_json::Map<_, _>>().into();
            if let Some(state) = result.get("requestState") {
                params["requestState"] = state.clone();
            }
        };
        check(asks, &text, &message);
    }
    answered
}

/// A thread that is always busy, until the value is dropped.
struct Busy(Arc<AtomicBool>);

impl Busy {
    fn start() -> Self {
        let ends = Arc::new(AtomicBool::new(false));
        let ending = Arc::clone(&ends);
        std::thread::spawn(move || while !ending.load(Ordering::Relaxed) {});
        Self(ends)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_call_hangs_and_no_question_is_lost_over_slow_connections() {
    let _busy = Busy::start();
    let cells = [Era::Legacy, Era::Modern].map(|server| {
        [false, true].map(|modern| async move {
            let cell = Cell::start(server).await;
            let answered = timeout(LIMIT, cell.run(modern)).await;
            let answered = answered.unwrap_or_else(|_| panic!("{server:?}, modern {modern}"));
            // The rounds of a question may be repeated, but none is left out.
            let questions = CLIENTS * (CALLS / CLIENTS).div_ceil(2);
            assert_eq!(answered, questions, "{server:?}, modern {modern}");
        })
    });
    futures_util::future::join_all(cells.into_iter().flatten()).await;
}
