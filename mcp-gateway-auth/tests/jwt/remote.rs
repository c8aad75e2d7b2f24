use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Response, header};
use http_body_util::Full;
use mcp_gateway_auth::Clock;
use mcp_gateway_auth::egress::{Egress, EgressPolicy};
use mcp_gateway_auth::jose::{JwksError, JwtVerifier};
use mcp_gateway_auth::jwks::RemoteJwks;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::harness::{NOW, Pair, access_token, claims, egress, header, outcome, with};
use crate::server::{Answer, Server, reply};

/// An issuer with one key, and a verifier of its tokens.
struct Idp {
    clock: Clock,
    keys: RemoteJwks,
    pair: Pair,
    server: Server,
}

impl Idp {
    async fn start() -> Self {
        let server = Server::start().await;
        let clock = Clock::fixed(NOW);
        let pair = Pair::p256();
        let keys = RemoteJwks::jwks(server.url("/jwks"), egress()).with_clock(clock.clone());
        let idp = Self {
            clock,
            keys,
            pair,
            server,
        };
        idp.publish(&[("k1", &idp.pair)]);
        idp
    }

    fn publish(&self, keys: &[(&str, &Pair)]) {
        let keys: Vec<Value> = keys.iter().map(|(kid, pair)| pair.jwk(Some(kid))).collect();
        self.server.json("/jwks", &json!({"keys": keys}));
    }

    fn fail(&self) {
        self.server
            .answer("/jwks", reply(500, "text/html", "<h1>no</h1>"));
    }

    fn later(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    /// Verifies a token of `pair` with the key ID `kid`.
    async fn outcome(&self, pair: &Pair, kid: &str) -> String {
        let claims = with(claims(), "exp", json!(self.clock.now() + 60));
        let token = pair.token(&with(header(), "kid", json!(kid)), &claims);
        let verifier = JwtVerifier::new(self.clock.clone());
        outcome(
            verifier
                .verify_remote(&token, &self.keys, &access_token())
                .await,
        )
    }

    fn fetches(&self) -> usize {
        self.server.hits("/jwks")
    }
}

#[tokio::test]
async fn j16_a_flood_of_unknown_keys_is_none_of_fetches() {
    let idp = Idp::start().await;
    assert_eq!(idp.outcome(&idp.pair, "k1").await, "ok");
    assert_eq!(idp.fetches(), 1);
    for kid in 0..50 {
        assert_eq!(idp.outcome(&idp.pair, &kid.to_string()).await, "Key");
    }
    idp.later(29);
    assert_eq!(idp.outcome(&idp.pair, "unknown").await, "Key");
    assert_eq!(idp.fetches(), 1);
    idp.later(1);
    for kid in 0..50 {
        assert_eq!(idp.outcome(&idp.pair, &kid.to_string()).await, "Key");
    }
    assert_eq!(idp.fetches(), 2);
    assert_eq!(idp.outcome(&idp.pair, "k1").await, "ok");
}

#[tokio::test]
async fn j16_those_who_ask_at_once_share_a_fetch() {
    let idp = Idp::start().await;
    let mut tasks = JoinSet::new();
    for kid in 0..100 {
        let keys = idp.keys.clone();
        tasks.spawn(async move {
            keys.keys(Some(&kid.to_string()))
                .await
                .map(|keys| keys.len())
        });
    }
    for result in tasks.join_all().await {
        assert_eq!(result, Ok(1));
    }
    assert_eq!(idp.fetches(), 1);
}

#[tokio::test]
async fn j16_a_token_that_is_refused_anyway_makes_for_no_fetch() {
    let idp = Idp::start().await;
    let verifier = JwtVerifier::new(idp.clock.clone());
    for (name, value) in [
        ("exp", json!(1)),
        ("aud", json!("other")),
        ("iss", json!("other")),
        ("sub", Value::Null),
    ] {
        let token = idp.pair.token(&header(), &with(claims(), name, value));
        let result = verifier
            .verify_remote(&token, &idp.keys, &access_token())
            .await;
        assert!(result.is_err(), "{name}");
    }
    assert_eq!(idp.fetches(), 0);
}

#[tokio::test]
async fn j26_a_new_key_is_found_and_an_old_one_forgotten() {
    let idp = Idp::start().await;
    let new = Pair::p256();
    assert_eq!(idp.outcome(&idp.pair, "k1").await, "ok");
    idp.publish(&[("k1", &idp.pair), ("k2", &new)]);
    idp.later(30);
    assert_eq!(idp.outcome(&new, "k2").await, "ok");
    assert_eq!(idp.fetches(), 2);
    assert_eq!(idp.outcome(&idp.pair, "k1").await, "ok");
    // The old key is withdrawn, which takes effect with the next fetch.
    idp.publish(&[("k2", &new)]);
    idp.later(299);
    assert_eq!(idp.outcome(&idp.pair, "k1").await, "ok");
    idp.later(1);
    assert_eq!(idp.outcome(&idp.pair, "k1").await, "Key");
    assert_eq!(idp.outcome(&new, "k2").await, "ok");
    assert_eq!(idp.fetches(), 3);
    // The same key ID for another key.
    let stolen = Pair::p256();
    assert_eq!(idp.outcome(&stolen, "k2").await, "Signature");
}

#[tokio::test]
async fn j27_cache_control_counts_within_bounds() {
    let idp = Idp::start().await;
    let set = json!({"keys": [idp.pair.jwk(Some("k1"))]}).to_string();
    for (value, age) in [
        ("max-age=120", 120),
        ("max-age=1", 60),
        ("no-store", 60),
        ("max-age=86400", 3600),
        ("public", 300),
    ] {
        let keys = idp.keys.clone().with_clock(idp.clock.clone());
        let mut response = Response::new(Full::new(Bytes::from(set.clone())));
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(value));
        idp.server.answer("/jwks", Answer::Reply(response));
        let before = idp.fetches();
        for seconds in [0, age - 1] {
            idp.later(seconds);
            assert!(keys.keys(Some("k1")).await.is_ok());
            assert_eq!(idp.fetches(), before + 1, "{value}");
        }
        idp.later(1);
        assert!(keys.keys(Some("k1")).await.is_ok());
        assert_eq!(idp.fetches(), before + 2, "{value}");
    }
}

#[tokio::test]
async fn j27_keys_from_before_are_good_for_an_hour_and_then_none_are() {
    let idp = Idp::start().await;
    assert_eq!(idp.outcome(&idp.pair, "k1").await, "ok");
    idp.fail();
    idp.later(300);
    assert_eq!(idp.outcome(&idp.pair, "k1").await, "ok");
    idp.later(3599);
    assert_eq!(idp.outcome(&idp.pair, "k1").await, "ok");
    idp.later(1);
    assert_eq!(idp.outcome(&idp.pair, "k1").await, "Keys(Unavailable)");
    idp.publish(&[("k1", &idp.pair)]);
    idp.later(60);
    assert_eq!(idp.outcome(&idp.pair, "k1").await, "ok");
}

#[tokio::test]
async fn j27_fetches_that_fail_are_tried_again_less_and_less() {
    let idp = Idp::start().await;
    idp.fail();
    let mut at = Vec::new();
    for second in 0..200 {
        let before = idp.fetches();
        assert_eq!(idp.outcome(&idp.pair, "k1").await, "Keys(Unavailable)");
        if idp.fetches() > before {
            at.push(second);
        }
        idp.later(1);
    }
    assert_eq!(at, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
}

#[tokio::test]
async fn j27_what_is_no_key_set_is_not_taken() {
    let idp = Idp::start().await;
    let set = json!({"keys": [idp.pair.jwk(Some("k1"))]}).to_string();
    let padded = format!("{}{set}", " ".repeat(64 * 1024));
    idp.server
        .json("/other", &serde_json::from_str(&set).unwrap());
    let mut redirect = Response::new(Full::default());
    *redirect.status_mut() = http::StatusCode::FOUND;
    let location = HeaderValue::try_from(idp.server.url("/other")).unwrap();
    redirect.headers_mut().insert(header::LOCATION, location);
    for (answer, error) in [
        (reply(200, "text/html", set.clone()), JwksError::Unavailable),
        (
            reply(200, "application/json", "<html>"),
            JwksError::Malformed,
        ),
        (reply(200, "application/json", "{}"), JwksError::Malformed),
        (
            reply(200, "application/json", padded),
            JwksError::Unavailable,
        ),
        (
            reply(200, "application/json", vec![b' '; 10_000_000]),
            JwksError::Unavailable,
        ),
        (
            reply(404, "application/json", set.clone()),
            JwksError::Unavailable,
        ),
        (
            reply(203, "application/json", set.clone()),
            JwksError::Unavailable,
        ),
        (Answer::Reply(redirect), JwksError::Unavailable),
    ] {
        idp.server.answer("/jwks", answer);
        let keys = idp.keys.clone().with_clock(idp.clock.clone());
        assert_eq!(keys.keys(None).await.unwrap_err(), error);
    }
    assert_eq!(idp.server.hits("/other"), 0);
}

#[tokio::test]
async fn j27_a_server_that_hangs_is_given_up() {
    let idp = Idp::start().await;
    idp.server.answer("/jwks", Answer::Hang);
    let keys = idp.keys.clone();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { keys.keys(None).await });
    idp.server.until(1).await;
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(11)).await;
    let result = tasks.join_next().await.unwrap().unwrap();
    assert_eq!(result.unwrap_err(), JwksError::Unavailable);
}

#[tokio::test]
async fn j27_keys_at_a_private_address_are_not_fetched() {
    let server = Server::start().await;
    server.json("/jwks", &json!({"keys": [Pair::p256().jwk(None)]}));
    let strict = Egress::new(EgressPolicy::new()).unwrap();
    let keys = RemoteJwks::jwks(server.url("/jwks"), strict);
    assert_eq!(keys.keys(None).await.unwrap_err(), JwksError::Unavailable);
    assert_eq!(server.hits("/jwks"), 0);
}

#[tokio::test]
async fn j29_a_discovery_document_names_its_issuer_byte_by_byte() {
    let server = Server::start().await;
    let pair = Pair::p256();
    server.json("/jwks", &json!({"keys": [pair.jwk(Some("k1"))]}));
    let (plain, slash, tenant) = (server.url(""), server.url("/"), server.url("/tenant"));
    let (openid, oauth) = (
        "/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server",
    );
    let document = |issuer: &str| json!({"issuer": issuer, "jwks_uri": server.url("/jwks")});
    let ask = async |issuer: &str| {
        let keys = RemoteJwks::discover(issuer, egress());
        keys.keys(Some("k1")).await.map(|keys| keys.len())
    };
    for (named, asked, expected) in [
        (&plain, &plain, Ok(1)),
        (&slash, &slash, Ok(1)),
        (&plain, &slash, Err(JwksError::Issuer)),
        (&slash, &plain, Err(JwksError::Issuer)),
        (&tenant, &plain, Err(JwksError::Issuer)),
        (
            &plain.replace("http", "HTTP"),
            &plain,
            Err(JwksError::Issuer),
        ),
    ] {
        server.json(openid, &document(named));
        assert_eq!(ask(asked).await, expected, "{named} {asked}");
    }
    // An issuer with a path, by both discovery methods.
    assert_eq!(ask(&tenant).await, Err(JwksError::Unavailable));
    server.json(&format!("{oauth}/tenant"), &document(&tenant));
    assert_eq!(ask(&tenant).await, Ok(1));
    server.json(&format!("/tenant{openid}"), &document(&plain));
    assert_eq!(ask(&tenant).await, Err(JwksError::Issuer));
    server.json(openid, &json!({"issuer": plain}));
    assert_eq!(ask(&plain).await, Err(JwksError::Malformed));
    server.json(
        openid,
        &json!({"issuer": plain, "jwks_uri": "file:///etc/passwd"}),
    );
    assert_eq!(ask(&plain).await, Err(JwksError::Unavailable));
}

#[tokio::test]
async fn a_caller_that_goes_away_does_not_end_the_fetch_of_others() {
    let idp = Idp::start().await;
    {
        let mut first = Box::pin(idp.keys.keys(None));
        let poll =
            std::future::poll_fn(|cx| std::task::Poll::Ready(first.as_mut().poll(cx).is_pending()));
        assert!(poll.await);
    }
    assert_eq!(idp.keys.keys(None).await.unwrap().len(), 1);
    assert_eq!(idp.fetches(), 1);
}

#[tokio::test]
async fn a_key_set_is_fetched_with_the_current_token_of_a_file() {
    let idp = Idp::start().await;
    let file = std::env::temp_dir().join(format!("mcp-gateway-token-{}", std::process::id()));
    let keys = RemoteJwks::protected(idp.server.url("/jwks"), &file, egress());
    let keys = keys.with_clock(idp.clock.clone());
    assert_eq!(keys.keys(None).await.err(), Some(JwksError::Unavailable));
    assert_eq!(idp.server.hits("/jwks"), 0, "no request without the token");
    for token in ["first", "second"] {
        std::fs::write(&file, format!("{token}\n")).unwrap();
        idp.later(600);
        assert!(keys.keys(None).await.is_ok());
        let sent = &idp.server.last().head.headers["authorization"];
        assert_eq!(sent, &format!("Bearer {token}"));
    }
    std::fs::remove_file(file).unwrap();
}
