//! Streams whose callers lose access.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use http::header::{ACCEPT, AUTHORIZATION};
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use mcp_gateway_core::auth::{AuthError, AuthVerifier, Principal, Revocation};
use mcp_gateway_core::era::ParkedCalls;
use mcp_gateway_core::upstream::SessionPolicy;
use mcp_gateway_tests::fixture::{Era, Options, PATH, serve_http};
use mcp_gateway_tests::gateway::{Backends, remote};
use mcp_gateway_tests::raw::Raw;
use mcp_gateway_tests::wire::Wire;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::harness::{Harness, SOON, initialize, request};

/// Accepts tokens such as `alice.1800000000000`, which expire at that time in milliseconds, until
/// all of alice's are revoked.
#[derive(Debug)]
struct Expiring(watch::Sender<bool>);

#[async_trait]
impl AuthVerifier for Expiring {
    async fn verify(&self, request: &Parts) -> Result<Principal, AuthError> {
        let header = request.headers.get(AUTHORIZATION);
        let header = header.ok_or(AuthError::MissingToken)?.to_str().unwrap();
        let (subject, expires) = header["Bearer ".len()..].split_once('.').unwrap();
        let at = UNIX_EPOCH + Duration::from_millis(expires.parse().unwrap());
        let is_revoked = *self.0.borrow() && subject == "alice";
        match at > SystemTime::now() && !is_revoked {
            true => Ok(Principal::new(subject.to_owned()).with_expiry(at)),
            false => Err(AuthError::InvalidToken),
        }
    }

    fn revocation(&self, _: &Parts, principal: &Principal) -> Option<Revocation> {
        let mut revoked = self.0.subscribe();
        let concerns = principal.subject() == "alice";
        Some(Box::pin(async move {
            let _ = revoked.wait_for(|revoked| *revoked && concerns).await;
        }))
    }
}

/// A token that expires so many seconds from now.
fn token(subject: &str, seconds: u64) -> String {
    let at = SystemTime::now() + Duration::from_secs(seconds);
    let at = at.duration_since(UNIX_EPOCH).unwrap().as_millis();
    format!("{subject}.{at}")
}

async fn harness() -> (Harness, Arc<Expiring>) {
    let verifier = Arc::new(Expiring(watch::Sender::new(false)));
    let harness = Harness::verified_by(Arc::clone(&verifier) as _).await;
    (harness, verifier)
}

/// Opens an event stream with a token.
async fn open(harness: &Harness, token: &str, session: Option<&str>) -> Raw {
    let mut raw = harness.raw().await;
    let session = session.map_or_else(String::new, |id| format!("Mcp-Session-Id: {id}\r\n"));
    let head = format!(
        "GET /mcp HTTP/1.1\r\nHost: {}\r\n{AUTHORIZATION}: Bearer {token}\r\n\
         {ACCEPT}: text/event-stream\r\n{session}\r\n",
        raw.host()
    );
    raw.write(head).await.unwrap();
    assert_eq!(raw.head().await.unwrap().0, StatusCode::OK);
    raw
}

/// Reads an event stream to its end; fails if it does not end.
async fn ended(raw: &mut Raw) -> String {
    let mut seen = String::new();
    let reading = async {
        loop {
            match raw.line().await.unwrap() {
                last if last == "0" => return,
                line => seen += &format!("{line}\n"),
            }
        }
    };
    timeout(SOON, reading).await.unwrap();
    seen
}

fn wire(harness: &Harness, token: &str) -> Wire {
    let token = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    Wire::new(&harness.gateway.url).with_header(AUTHORIZATION, token)
}

async fn begin(harness: &Harness, token: &str) -> String {
    let reply = wire(harness, token)
        .post(initialize("2025-11-25"), &[])
        .await;
    let reply = reply.unwrap();
    reply.headers["mcp-session-id"].to_str().unwrap().to_owned()
}

async fn ping(harness: &Harness, token: &str, session: &str) -> StatusCode {
    let headers = [
        ("mcp-session-id", session),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let ping = request("ping", &json!({}));
    wire(harness, token)
        .post(ping, &headers)
        .await
        .unwrap()
        .status
}

#[tokio::test]
async fn j31_streams_end_when_the_token_expires_and_calls_do_not() {
    let (harness, _) = harness().await;
    let short = token("alice", 3);
    let session = begin(&harness, &short).await;
    let mut standalone = open(&harness, &short, Some(&session)).await;
    let mut channel = open(&harness, &short, None).await;
    let listening = wire(&harness, &short);
    let params = json!({ "notifications": { "toolsListChanged": true } });
    let calling = wire(&harness, &short);
    let arguments = json!({ "seconds": 4 });
    let (listened, called, ..) = tokio::join!(
        listening.request("subscriptions/listen", params),
        calling.call("slow_compute", arguments),
        ended(&mut standalone),
        ended(&mut channel),
    );
    let listened = listened.unwrap().answer();
    assert_eq!(listened["result"]["resultType"], "complete", "{listened}");
    let called = called.unwrap().answer();
    assert!(called["result"].is_object(), "{called}");
    assert_eq!(
        ping(&harness, &short, &session).await,
        StatusCode::UNAUTHORIZED
    );
    // The session goes on with another token.
    let next = token("alice", 60);
    assert_eq!(ping(&harness, &next, &session).await, StatusCode::OK);
    open(&harness, &next, Some(&session)).await;
}

#[tokio::test]
async fn a_client_that_refreshes_its_token_keeps_its_streams() {
    let (harness, verifier) = harness().await;
    let short = token("alice", 3);
    let session = begin(&harness, &short).await;
    let mut standalone = open(&harness, &short, Some(&session)).await;
    let mut channel = open(&harness, &short, None).await;
    let endpoint = loop {
        let line = channel.line().await.unwrap();
        if let Some((_, query)) = line.split_once('?') {
            break format!("{}?{query}", harness.gateway.url);
        }
    };
    let next = token("alice", 60);
    assert_eq!(ping(&harness, &next, &session).await, StatusCode::OK);
    let bearer = HeaderValue::from_str(&format!("Bearer {next}")).unwrap();
    let posting = Wire::new(endpoint).with_header(AUTHORIZATION, bearer);
    let posted = posting.post(initialize("2024-11-05"), &[]).await.unwrap();
    assert_eq!(posted.status, StatusCode::ACCEPTED);
    sleep(Duration::from_secs(4)).await;
    let pings = posting
        .post(request("ping", &json!({})), &[])
        .await
        .unwrap();
    assert_eq!(pings.status, StatusCode::ACCEPTED, "the channel is open");
    let lasts = timeout(Duration::from_millis(100), ended(&mut standalone));
    assert!(lasts.await.is_err(), "the stream has ended");
    // Both are bound to the later token now.
    verifier.0.send_replace(true);
    ended(&mut standalone).await;
    ended(&mut channel).await;
    assert_eq!(harness.gateway.sessions.count(), 0);
}

/// Asks a tool that needs input from its client; the call is parked.
async fn park(wire: &Wire) {
    let params = json!({
        "name": "test_elicitation",
        "arguments": { "message": "Who are you?" },
        "_meta": { "io.modelcontextprotocol/clientCapabilities": { "elicitation": {} } },
    });
    let asked = wire.request("tools/call", params).await.unwrap();
    let result = &asked.answer()["result"];
    assert_eq!(result["resultType"], "input_required", "{asked:?}");
}

#[tokio::test]
async fn j31_parked_calls_and_servers_of_a_principal_end_with_its_credential() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}{PATH}", listener.local_addr().unwrap());
    let mut fixture = JoinSet::new();
    let mut legacy = Options::default();
    legacy.era = Era::Legacy;
    fixture.spawn(async move {
        let _ = serve_http(listener, legacy).await;
    });
    let parked = ParkedCalls::ephemeral().unwrap();
    let server = remote("only", &url)
        .with_session_policy(SessionPolicy::PerPrincipal)
        .with_parked_calls(parked.clone())
        .build();
    let verifier = Arc::new(Expiring(watch::Sender::new(false)));
    let gateway = Backends::new()
        .with("only", "", Arc::clone(&server) as _)
        .with_verifier(Arc::clone(&verifier) as _)
        .start()
        .await;
    for who in ["alice", "bob"] {
        let bearer = HeaderValue::from_str(&format!("Bearer {}", token(who, 600))).unwrap();
        let wire = Wire::new(&gateway.url).with_header(AUTHORIZATION, bearer);
        wire.call("echo", json!({ "message": "a" })).await.unwrap();
        park(&wire).await;
    }
    let open = server.connections();
    assert!(open >= 2 && parked.count() == 2, "{open} {parked:?}");
    sleep(Duration::from_millis(300)).await;
    assert_eq!((server.connections(), parked.count()), (open, 2));
    verifier.0.send_replace(true);
    let ended = async {
        while server.connections() != open / 2 || parked.count() != 1 {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(SOON, ended).await.unwrap();
    sleep(Duration::from_millis(300)).await;
    assert_eq!(
        (server.connections(), parked.count()),
        (open / 2, 1),
        "bob's stay"
    );
}
