//! Calls that an apply overtakes.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::routing::post;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use mcp_gateway_core::upstream::UpstreamProtocol;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::*;
use crate::spec::{Remote, Secret, Token, Visibility};

/// Server that is called with a secret of its own, at an address of its own.
struct Server {
    /// Name, which is the text of its results and the suffix of its secret and of its team.
    name: &'static str,
    url: String,
    seen: Arc<Seen>,
    _serving: JoinSet<std::io::Result<()>>,
}

/// Calls that a server has received.
#[derive(Default)]
struct Seen {
    secret: String,
    calls: AtomicUsize,
    with_other_secrets: AtomicUsize,
}

impl Server {
    async fn start(name: &'static str) -> Self {
        let seen = Arc::new(Seen {
            secret: format!("secret-{name}"),
            ..Seen::default()
        });
        let answer = move |State(seen): State<Arc<Seen>>, headers: HeaderMap, body: Json<Value>| async move {
            if headers
                .get("x-secret")
                .is_none_or(|secret| *secret != *seen.secret)
            {
                seen.with_other_secrets.fetch_add(1, Ordering::Relaxed);
            }
            let result = match body["method"].as_str() {
                Some("tools/call") => {
                    seen.calls.fetch_add(1, Ordering::Relaxed);
                    json!({ "content": [{ "type": "text", "text": name }] })
                }
                Some("tools/list") => json!({ "tools": [
                    { "name": "where", "description": name, "inputSchema": { "type": "object" } },
                ] }),
                _ => {
                    json!({ "supportedVersions": ["2026-07-28"], "capabilities": { "tools": {} } })
                }
            };
            Json(json!({ "jsonrpc": "2.0", "id": body["id"], "result": result }))
        };
        let router = Router::new().route("/", post(answer));
        let router = router.with_state(Arc::clone(&seen));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await });
        Self {
            name,
            url,
            seen,
            _serving: serving,
        }
    }

    /// Returns a spec in which this is the server, and its team has the gateway.
    fn spec(&self) -> DynamicSpec {
        let mut remote = Remote::new(self.url.parse().unwrap());
        remote.protocol = Some(UpstreamProtocol::Modern);
        let secret = self.seen.secret.parse().unwrap();
        let name = http::HeaderName::from_static("x-secret");
        remote.headers.push((name, secret));
        let mut server = ServerSpec::new("s", ServerRuntime::Remote(remote));
        server.prefix = "".into();
        let mut spec = DynamicSpec::default();
        spec.add_servers([server]);
        spec.gateways[0].visibility = Visibility::Teams(vec![self.name.into()]);
        for (name, team) in [("alice", "one"), ("bob", "two")] {
            let mut token = Token::new(name, Secret::new(format!("token-of-{name}-is-this")));
            token.teams = vec![team.into()];
            spec.auth.tokens.push(token);
        }
        spec
    }

    fn calls(&self) -> usize {
        self.seen.calls.load(Ordering::Relaxed)
    }

    fn calls_with_other_secrets(&self) -> usize {
        self.seen.with_other_secrets.load(Ordering::Relaxed)
    }
}

/// Returns the head and the body of a request of `caller`.
fn request(caller: &str, method: &str) -> (http::request::Builder, Bytes) {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let params = match method {
        "tools/call" => json!({ "name": "where", "_meta": meta }),
        _ => json!({ "_meta": meta }),
    };
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let head = Request::post("/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream")
        .header("authorization", format!("Bearer token-of-{caller}-is-this"))
        .header("mcp-protocol-version", "2026-07-28")
        .header("mcp-method", method);
    let head = match method {
        "tools/call" => head.header("mcp-name", "where"),
        _ => head,
    };
    (head, message.to_string().into())
}

async fn send<B>(front: HttpRouter, request: Request<B>) -> (StatusCode, String)
where
    B: http_body::Body<Data = Bytes, Error = Infallible> + Send + 'static,
{
    let response = front.oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// Calls a tool as `caller`, whose body is sent after `change`. The caller is authenticated before.
async fn overtaken(
    controller: &mut Controller,
    caller: &str,
    change: impl FnOnce(&mut Controller),
) -> (StatusCode, String) {
    let (head, body) = request(caller, "tools/call");
    let (authenticated, is_authenticated) = oneshot::channel();
    let (changed, is_changed) = oneshot::channel::<()>();
    let body = StreamBody::new(stream::once(async move {
        authenticated.send(()).unwrap();
        is_changed.await.unwrap();
        Ok::<_, Infallible>(Frame::data(body))
    }));
    let body = body.boxed_unsync();
    let mut call = JoinSet::new();
    call.spawn(send(controller.front(), head.body(body).unwrap()));
    is_authenticated.await.unwrap();
    change(controller);
    changed.send(()).unwrap();
    call.join_next().await.unwrap().unwrap()
}

#[tokio::test]
async fn category_overtaken_calls_do_not_reach_new_servers() {
    let (one, two) = (Server::start("one").await, Server::start("two").await);
    let mut controller = controller(&one.spec());
    let (status, text) = overtaken(&mut controller, "alice", |controller| {
        controller.apply(&two.spec()).unwrap();
    })
    .await;
    assert_eq!(two.calls(), 0, "{status} {text}");
    assert!(text.contains("server_replaced"), "{status} {text}");
    // Those to whom the new state is open are not disturbed by the change of address and secret.
    let mut moved = one.spec();
    moved.gateways[0].visibility = Visibility::Teams(vec!["two".into()]);
    let (_, text) = overtaken(&mut controller, "bob", |controller| {
        controller.apply(&moved).unwrap();
    })
    .await;
    assert!(text.contains(r#""text":"one""#), "{text}");
    assert_eq!((one.calls(), two.calls()), (1, 0));
    assert_eq!(one.calls_with_other_secrets(), 0);
}

#[tokio::test]
async fn category_overtaken_calls_with_a_removed_token_are_rejected() {
    let (one, two) = (Server::start("one").await, Server::start("two").await);
    let mut controller = controller(&one.spec());
    let mut without_alice = two.spec();
    without_alice.gateways[0].visibility = Visibility::Organization;
    without_alice.auth.tokens.remove(0);
    let (_, text) = overtaken(&mut controller, "alice", |controller| {
        controller.apply(&without_alice).unwrap();
    })
    .await;
    assert_eq!((one.calls(), two.calls()), (0, 0), "{text}");
}

#[tokio::test]
async fn a_hidden_tool_stays_hidden_from_the_call_that_an_apply_overtakes() {
    let one = Server::start("one").await;
    let mut controller = controller(&one.spec());
    let mut hidden = one.spec();
    hidden.servers[0].tools = spec::ToolFilter::default().with_denied(["where".into()]);
    let (_, text) = overtaken(&mut controller, "alice", |controller| {
        controller.apply(&hidden).unwrap();
    })
    .await;
    assert_eq!(one.calls(), 0, "{text}");
}

#[tokio::test]
async fn an_apply_that_does_not_concern_a_call_does_not_disturb_it() {
    let one = Server::start("one").await;
    let mut controller = controller(&one.spec());
    let mut other = one.spec();
    other.gateways.push(spec::GatewaySpec::new("other"));
    let (status, text) = overtaken(&mut controller, "alice", |controller| {
        controller.apply(&other).unwrap();
    })
    .await;
    assert_eq!((status, one.calls()), (StatusCode::OK, 1), "{text}");
}

#[tokio::test]
async fn an_open_channel_calls_the_servers_of_the_last_apply() {
    let (one, two) = (Server::start("one").await, Server::start("two").await);
    let mut controller = controller(&one.spec());
    let front = controller.front();
    let head = |request: http::request::Builder| {
        let request = request.header("host", "localhost");
        request.header("authorization", "Bearer token-of-alice-is-this")
    };
    let open = head(Request::get("/mcp")).header("accept", "text/event-stream");
    let open = open.body(http_body_util::Empty::new()).unwrap();
    let mut stream = front.clone().oneshot(open).await.unwrap().into_body();
    let mut received = String::new();
    let mut read_until = async |expected: &str| {
        while !received.contains(expected) {
            let frame = stream.frame().await.unwrap().unwrap();
            received += std::str::from_utf8(&frame.into_data().unwrap()).unwrap();
        }
        received.clone()
    };
    let first = read_until("sessionId=").await;
    let path = first.split("data: ").nth(1).unwrap().trim().to_owned();
    let post = async |message: Value| {
        let request = head(Request::post(&path)).header("content-type", "application/json");
        let body = http_body_util::Full::new(Bytes::from(message.to_string()));
        let (status, text) = send(front.clone(), request.body(body).unwrap()).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{text}");
    };
    let params = json!({
        "protocolVersion": "2024-11-05",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    post(json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params })).await;
    read_until("serverInfo").await;
    // The next server is at another address, and has another secret.
    let mut next = two.spec();
    next.gateways[0].visibility = Visibility::Teams(vec!["one".into()]);
    controller.apply(&next).unwrap();
    let params = json!({ "name": "where", "arguments": {} });
    post(json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params })).await;
    read_until(r#""text":"two""#).await;
    assert_eq!((one.calls(), two.calls()), (0, 1));
    assert_eq!(two.calls_with_other_secrets(), 0);
}

/// Caller who sends requests all the time.
struct Presser {
    caller: &'static str,
    /// Name of the only server that may answer.
    own: &'static str,
    answered: AtomicUsize,
}

impl Presser {
    fn answered(&self) -> usize {
        self.answered.load(Ordering::Relaxed)
    }

    /// Sends requests until `ends`, and counts those that the own server has answered. An answer of
    /// another server is an error.
    async fn press(self: Arc<Self>, front: HttpRouter, ends: Arc<AtomicBool>) {
        let Self { caller, own, .. } = *self;
        while !ends.load(Ordering::Relaxed) {
            // A rejected request may never wait, and would keep the runtime from its timers.
            tokio::task::yield_now().await;
            for method in ["tools/call", "tools/list"] {
                let (head, body) = request(caller, method);
                let body = http_body_util::Full::new(body);
                let (_, text) = send(front.clone(), head.body(body).unwrap()).await;
                for name in ["one", "two"] {
                    let member = match method {
                        "tools/call" => "text",
                        _ => "description",
                    };
                    if text.contains(&format!(r#""{member}":"{name}""#)) {
                        assert_eq!(name, own, "{caller}: {text}");
                        self.answered.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
        }
    }
}

/// Waits until each of `pressers` has received one more answer.
async fn until_answered<'a>(pressers: impl Iterator<Item = &'a Arc<Presser>>) {
    let deadline = Instant::now() + Duration::from_secs(120);
    for presser in pressers {
        let before = presser.answered();
        while presser.answered() == before {
            assert!(Instant::now() < deadline, "{}: no answers", presser.caller);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn category_overtaken_secrets_and_teams_are_never_mixed() {
    let (one, two) = (Server::start("one").await, Server::start("two").await);
    let mut controller = controller(&one.spec());
    let ends = Arc::new(AtomicBool::new(false));
    let presser = |(caller, own)| {
        let answered = AtomicUsize::default();
        Arc::new(Presser {
            caller,
            own,
            answered,
        })
    };
    let pressers = [
        ("alice", "one"),
        ("bob", "two"),
        ("alice", "one"),
        ("bob", "two"),
    ]
    .map(presser);
    let pressing = pressers
        .iter()
        .map(|presser| Arc::clone(presser).press(controller.front(), Arc::clone(&ends)));
    let pressing: JoinSet<_> = pressing.collect();
    for applies in 0..300 {
        let server = [&two, &one][applies % 2];
        controller.apply(&server.spec()).unwrap();
        // Most states are overtaken at once, and some last until their callers are answered.
        match applies % 20 {
            18.. => {
                let own = |presser: &&Arc<Presser>| presser.own == server.name;
                until_answered(pressers.iter().filter(own)).await;
            }
            _ => tokio::time::sleep(Duration::from_millis(2)).await,
        }
    }
    ends.store(true, Ordering::Relaxed);
    pressing.join_all().await;
    for server in [&one, &two] {
        assert!(server.calls() > 0, "{}", server.name);
        assert_eq!(server.calls_with_other_secrets(), 0);
    }
}
