//! Many who present the same thing at two gateways at once.

use std::collections::BTreeSet;
use std::time::{Duration, Instant, SystemTime};

use http::{Method, StatusCode};
use mcp_gateway_auth::jose::{Algorithm, JwkSet, SigningKey};
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::browser_user::{BrowserUser, CALLBACK, VERIFIER, redemption, register};
use crate::harness::{CLIENT_SECRET, Endpoint, Harness, ISSUER, Kind, Replica, Reply, SOON};
use crate::idp::Idp;

/// Number of concurrent requests with the same credential.
const MANY: usize = 100;

/// Maximum time for which revoked tokens remain usable.
const BOUND: Duration = Duration::from_secs(5);

/// Two gateways, and somebody who has logged in at the first.
struct Pair {
    harness: Harness,
    _processes: [Replica; 2],
    endpoints: [Endpoint; 2],
    user: BrowserUser,
    idp: Idp,
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap().as_secs()
}

impl Pair {
    async fn start(kind: Kind) -> Self {
        let idp = Idp::start(now()).await;
        let servers = ["demo", "other"].map(|name| json!({ "name": name, "builtin": "demo" }));
        let harness = Harness::new(kind).await.with_provider(&idp.issuer);
        let harness = harness.with_servers(json!(servers));
        // Both at once, on an empty database.
        let (one, two) = tokio::join!(harness.start(), harness.start());
        let endpoints = [one.endpoint(), two.endpoint()];
        let password = one.password.clone().or_else(|| two.password.clone());
        let user = BrowserUser::log_in(&endpoints[0], "admin", &password.unwrap()).await;
        Self {
            harness,
            _processes: [one, two],
            endpoints,
            user,
            idp,
        }
    }

    async fn client(&self, more: &Value) -> String {
        let reply = register(&self.endpoints[0], more).await.unwrap();
        reply.text("client_id")
    }

    /// The answers to all forms, which are sent at once, to one gateway and the other in turns.
    async fn all(
        &self,
        forms: Vec<Vec<(&'static str, String)>>,
        basic: Option<&'static str>,
    ) -> Vec<Reply> {
        let mut sending = JoinSet::new();
        for (at, form) in forms.into_iter().enumerate() {
            let endpoint = self.endpoints[at % 2].clone();
            sending.spawn(async move {
                let form: Vec<_> = form.iter().map(|(name, text)| (*name, &**text)).collect();
                let basic = basic.map(|id| (id, CLIENT_SECRET));
                endpoint.form("/token", &form, basic).await.unwrap()
            });
        }
        sending.join_all().await
    }

    /// Tokens for a new client.
    async fn tokens(&mut self) -> (String, Reply) {
        let client = self.client(&json!({})).await;
        let (code, _) = self.user.code(&client).await.unwrap();
        let form = redemption(&client, &code);
        let reply = self.endpoints[0].token(&form).await.unwrap();
        assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
        (client, reply)
    }

    /// Waits until the other gateway refuses `token`; returns how long it took from `since`.
    async fn until_refused(&self, token: &str, since: Instant) -> Duration {
        while self.endpoints[1].status(token).await != StatusCode::UNAUTHORIZED {
            assert!(since.elapsed() < SOON, "it is good after {SOON:?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        since.elapsed()
    }
}

fn owned(form: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    form.iter()
        .map(|(name, text)| (*name, (*text).to_owned()))
        .collect()
}

fn successes(replies: &[Reply]) -> usize {
    let good = replies
        .iter()
        .filter(|reply| reply.status == StatusCode::OK);
    let good = good.count();
    // Nobody has lost the race by a failure of the gateway.
    for reply in replies {
        let refused = [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED];
        assert!(
            reply.status == StatusCode::OK || refused.contains(&reply.status),
            "{reply:?}"
        );
    }
    good
}

async fn one_code_is_good_once(pair: &mut Pair) {
    let client = pair.client(&json!({})).await;
    let (code, _) = pair.user.code(&client).await.unwrap();
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", &*client),
        ("code", &*code),
        ("code_verifier", VERIFIER),
        ("redirect_uri", CALLBACK),
    ];
    let replies = pair.all(vec![owned(&form); MANY], None).await;
    assert_eq!(successes(&replies), 1);
    // Whoever has the code besides the client is not to be told apart from it.
    let won = replies.iter().find(|reply| reply.status == StatusCode::OK);
    let token = won.unwrap().text("refresh_token");
    let after = pair.endpoints[1].refresh(&client, &token).await.unwrap();
    assert_eq!(after.text("error"), "invalid_grant");
}

async fn one_refresh_token_has_one_successor(pair: &mut Pair) {
    let (client, tokens) = pair.tokens().await;
    let first = tokens.text("refresh_token");
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", &*client),
        ("refresh_token", &*first),
    ];
    let replies = pair.all(vec![owned(&form); MANY], None).await;
    assert_eq!(successes(&replies), MANY, "they share the token");
    let next: BTreeSet<_> = replies
        .iter()
        .map(|reply| reply.text("refresh_token"))
        .collect();
    assert_eq!(next.len(), 1, "one family");
    let second = next.into_iter().next().unwrap();
    let access = replies[0].text("access_token");

    // The successor of the successor is one again, and then the first one is a theft.
    let form = [form[0], form[1], ("refresh_token", &*second)];
    let replies = pair.all(vec![owned(&form); MANY], None).await;
    assert_eq!(successes(&replies), MANY);
    let third = replies[0].text("refresh_token");
    assert_ne!(third, second);
    let since = Instant::now();
    let stolen = pair.endpoints[0].refresh(&client, &first).await.unwrap();
    assert_eq!(stolen.text("error"), "invalid_grant");
    for endpoint in &pair.endpoints {
        let reply = endpoint.refresh(&client, &third).await.unwrap();
        assert_eq!(reply.text("error"), "invalid_grant");
    }
    let took = pair.until_refused(&access, since).await;
    assert!(took < BOUND, "{took:?}");
}

async fn one_assertion_of_a_client_is_good_once(pair: &mut Pair) {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let more = json!({
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks": JwkSet::new([key.public().clone()]),
    });
    let client = pair.client(&more).await;
    let claims = json!({ "iss": client, "sub": client, "aud": ISSUER, "jti": "one",
        "iat": now(), "exp": now() + 60 });
    let assertion = key.sign("client-authentication+jwt", &claims).unwrap();
    let mut forms = Vec::new();
    for _ in 0..MANY {
        let (code, _) = pair.user.code(&client).await.unwrap();
        let mut form = owned(&redemption(&client, &code));
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        form.push(("client_assertion_type", kind.to_owned()));
        form.push(("client_assertion", assertion.clone()));
        forms.push(form);
    }
    assert_eq!(successes(&pair.all(forms, None).await), 1);
}

async fn one_assertion_about_a_person_is_good_once(pair: &mut Pair) {
    BrowserUser::log_in_elsewhere(&pair.endpoints[0]).await;
    let claims = json!({ "iss": pair.idp.issuer, "sub": "s-1", "aud": ISSUER,
        "client_id": "agent", "jti": "one", "iat": now(), "exp": now() + 300,
        "resource": format!("{ISSUER}/mcp"), "scope": "mcp" });
    let assertion = pair
        .idp
        .now()
        .key
        .sign("oauth-id-jag+jwt", &claims)
        .unwrap();
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", &*assertion),
    ];
    let replies = pair.all(vec![owned(&form); MANY], Some("agent")).await;
    assert_eq!(successes(&replies), 1);
}

async fn what_is_revoked_at_one_is_refused_at_the_other(pair: &mut Pair, kind: Kind) {
    let mut took = Vec::new();
    for hint in ["refresh_token", "access_token"] {
        let (client, tokens) = pair.tokens().await;
        let access = tokens.text("access_token");
        assert_eq!(pair.endpoints[1].status(&access).await, StatusCode::OK);
        let token = tokens.text(hint);
        let form = [("client_id", &*client), ("token", &*token)];
        let since = Instant::now();
        let reply = pair.endpoints[0].form("/api/auth/oauth2/revoke", &form, None);
        assert_eq!(reply.await.unwrap().status, StatusCode::OK);
        took.push((hint, pair.until_refused(&access, since).await));
    }

    let registered = register(&pair.endpoints[0], &json!({})).await.unwrap();
    let client = registered.text("client_id");
    let (code, _) = pair.user.code(&client).await.unwrap();
    let form = redemption(&client, &code);
    let access = pair.endpoints[0].token(&form).await.unwrap();
    let access = access.text("access_token");
    assert_eq!(pair.endpoints[1].status(&access).await, StatusCode::OK);
    let bearer = format!("Bearer {}", registered.text("registration_access_token"));
    let since = Instant::now();
    let path = format!("/register/{client}");
    let headers = [("authorization", &*bearer)];
    let path = format!("/api/auth/oauth2{path}");
    let gone = pair.endpoints[0].send(Method::DELETE, &path, &headers, String::new());
    assert_eq!(gone.await.unwrap().status, StatusCode::NO_CONTENT);
    took.push(("client", pair.until_refused(&access, since).await));

    let made = pair.harness.operate(&["token", "create", "ci"]).await;
    assert_eq!(pair.endpoints[1].status(&made).await, StatusCode::OK);
    let (id, _) = made.split_once('.').unwrap();
    let id = id.rsplit_once("mcpt_").map_or(id, |(_, id)| id);
    let since = Instant::now();
    pair.harness.operate(&["token", "revoke", id]).await;
    took.push(("API token", pair.until_refused(&made, since).await));

    for (what, took) in &took {
        println!("{kind:?}: {what}, revoked at one gateway, refused at the other after {took:?}");
        assert!(*took < BOUND, "{what}: {took:?}");
    }
}

/// Reads a stream to its end.
#[expect(clippy::disallowed_methods, reason = "the test owns the task")]
fn in_background(read: impl Future<Output = String> + Send + 'static) -> JoinHandle<String> {
    tokio::spawn(read)
}

/// Streams of both gateways, each read to its end.
async fn streams(pair: &Pair, access: &str) -> Vec<(String, JoinHandle<String>)> {
    let mut streams = Vec::new();
    for (at, endpoint) in pair.endpoints.iter().enumerate() {
        let mut read = |what: &str, stream: JoinHandle<String>| {
            streams.push((format!("{what} at gateway {at}"), stream));
        };
        let wire = endpoint.wire(access);
        let call = wire
            .begin("demo__wait", json!({ "seconds": 60 }))
            .await
            .unwrap();
        read(
            "call",
            in_background(async move { call.reply().await.unwrap().body }),
        );
        let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {} } });
        let begun = wire.post(initialize.to_string(), &[]).await.unwrap();
        let session = begun.headers["mcp-session-id"].to_str().unwrap().to_owned();
        let params = json!({ "notifications": { "toolsListChanged": true } });
        let listens = async move {
            let reply = wire.request("subscriptions/listen", params).await;
            reply.unwrap().body
        };
        read("subscription", in_background(listens));
        let (endpoint, bearer) = (endpoint.clone(), format!("Bearer {access}"));
        let standalone = async move {
            let headers = [
                ("authorization", &*bearer),
                ("accept", "text/event-stream"),
                ("mcp-session-id", &*session),
            ];
            let reply = endpoint
                .send(Method::GET, "/mcp", &headers, String::new())
                .await;
            let reply = reply.unwrap();
            assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
            reply.value.to_string()
        };
        read("standalone", in_background(standalone));
    }
    streams
}

async fn streams_end_at_both_with_a_grant_that_is_revoked_at_one(pair: &mut Pair) {
    let (_, kept) = pair.tokens().await;
    let kept = streams(pair, &kept.text("access_token")).await;
    for at in [0, 1] {
        let (client, tokens) = pair.tokens().await;
        let open = streams(pair, &tokens.text("access_token")).await;
        // Gives the subscriptions time to be acknowledged.
        tokio::time::sleep(Duration::from_secs(1)).await;
        for (what, stream) in &open {
            assert!(!stream.is_finished(), "{what} ends before the revocation");
        }
        let token = tokens.text("refresh_token");
        let form = [("client_id", &*client), ("token", &*token)];
        let reply = pair.endpoints[at].form("/api/auth/oauth2/revoke", &form, None);
        assert_eq!(reply.await.unwrap().status, StatusCode::OK);
        for (what, stream) in open {
            let text = timeout(SOON, stream).await;
            let text = text
                .unwrap_or_else(|_| panic!("{what} does not end"))
                .unwrap();
            assert!(!text.contains("Waited"), "{what}: {text}");
            if what.starts_with("subscription") {
                assert!(text.contains("\"complete\""), "{what}: {text}");
            }
        }
    }
    for (what, stream) in kept {
        assert!(!stream.is_finished(), "{what} of another grant has ended");
    }
}

async fn races(kind: Kind) {
    let mut pair = Pair::start(kind).await;
    one_code_is_good_once(&mut pair).await;
    one_refresh_token_has_one_successor(&mut pair).await;
    one_assertion_of_a_client_is_good_once(&mut pair).await;
    one_assertion_about_a_person_is_good_once(&mut pair).await;
    what_is_revoked_at_one_is_refused_at_the_other(&mut pair, kind).await;
    streams_end_at_both_with_a_grant_that_is_revoked_at_one(&mut pair).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_on_one_file_agree() {
    races(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_gateways_on_one_server_of_postgresql_agree() {
    races(Kind::Postgres).await;
}
