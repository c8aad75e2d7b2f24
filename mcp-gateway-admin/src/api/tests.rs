//! Requests that are repeated, conditional or open for long.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{ETAG, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use mcp_gateway_audit::Actor;
use mcp_gateway_auth::login::LoginSessions;
use mcp_gateway_auth::server::AuthorizationServer;
use mcp_gateway_auth::users::{NewUser, Users};
use mcp_gateway_auth::{Clock, Keyring, StaticTokens};
use mcp_gateway_core::auth::Principal;
use mcp_gateway_store::{MemoryStore, Store as _};
use serde_json::{Value, json};
use tokio::time::timeout;
use tower::ServiceExt as _;

use super::AdminApi;
use crate::{Administration, AuditTrail, IdempotencyStore};

struct Stage {
    router: Router,
    store: Arc<MemoryStore>,
    administration: Administration,
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Stage {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new());
        let keyring = Keyring::new(&[7; 32]).unwrap();
        let users = Users::new(store.clone(), Clock::system());
        let base = "https://gw.example.com";
        let login = LoginSessions::new(users.clone(), keyring.clone(), base).unwrap();
        let login = Arc::new(login);
        let server = AuthorizationServer::builder(
            base.parse().unwrap(),
            store.clone(),
            keyring.clone(),
            login,
        );
        let administration = Administration::new(users, server.build(), AuditTrail::default());
        let admin = |name: &str| Principal::new(name).with_role("admin");
        let tokens = StaticTokens::new()
            .with_token("token-of-alice", admin("alice"))
            .with_token("token-of-olga", admin("olga"))
            .with_token("token-of-bob", Principal::new("bob"));
        let api = AdminApi::new(Arc::new(tokens))
            .with_administration(administration.clone())
            .with_events(store.clone())
            .with_idempotency(IdempotencyStore::new(store.clone(), keyring));
        Self {
            router: api.router(),
            store,
            administration,
        }
    }

    async fn open(
        &self,
        token: &str,
        (method, path): (&str, &str),
        headers: &[(&str, &str)],
        body: Value,
    ) -> axum::response::Response {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_string())).unwrap();
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn send(&self, request: (&str, &str), headers: &[(&str, &str)], body: Value) -> Answer {
        let response = self.open("token-of-alice", request, headers, body).await;
        answer(response).await
    }
}

async fn answer(response: axum::response::Response) -> Answer {
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or_default(),
    }
}

/// Reads events of `body` until one contains `last`.
async fn events(body: &mut Body, last: &str) -> String {
    let mut text = String::new();
    let reading = async {
        while !text.contains(last) {
            let frame = body.frame().await.unwrap().unwrap();
            text += &String::from_utf8_lossy(&frame.into_data().unwrap_or_default());
        }
    };
    timeout(Duration::from_secs(20), reading).await.unwrap();
    text
}

#[tokio::test]
async fn a_repeated_request_has_the_result_of_the_first() {
    let stage = Stage::new();
    let create = ("POST", "/users");
    let keyed = |key: &'static str| [("idempotency-key", key)];
    let ada = json!({ "name": "ada" });
    let first = stage.send(create, &keyed("k1"), ada.clone()).await;
    assert_eq!(first.status, 201, "{}", first.body);
    assert!(!first.headers.contains_key("idempotency-replayed"));
    let again = stage.send(create, &keyed("\"k1\""), ada.clone()).await;
    assert_eq!((again.status, &again.body), (201, &first.body));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.headers["location"], first.headers["location"]);

    let long = "k".repeat(256);
    for (token, path, key, body, expected) in [
        // The key belongs to another request.
        (
            "token-of-alice",
            "/users",
            "k1",
            json!({ "name": "eve" }),
            422,
        ),
        ("token-of-alice", "/tokens", "k1", ada.clone(), 422),
        // The keys of others are others.
        ("token-of-olga", "/users", "k1", ada.clone(), 409),
        // So is another key.
        ("token-of-alice", "/users", "k2", ada.clone(), 409),
        ("token-of-alice", "/users", "", ada.clone(), 400),
        ("token-of-alice", "/users", &long, ada.clone(), 400),
        // Nobody replays what they may not do.
        ("token-of-bob", "/users", "k1", ada.clone(), 403),
        // An error is a result, too.
        ("token-of-alice", "/users", "k3", json!({ "name": "" }), 422),
    ] {
        let headers = [("idempotency-key", key)];
        let response = stage.open(token, ("POST", path), &headers, body).await;
        assert_eq!(response.status(), expected, "{token} {path} {key}");
    }
    let listed = stage.send(("GET", "/users"), &[], Value::Null).await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1);

    let password = first.body["password"].as_str().unwrap();
    let kept = stage.store.list("admin/result/", None, 100).await.unwrap();
    assert!(kept.len() >= 4);
    for document in kept {
        let text = String::from_utf8_lossy(&document.document.value).into_owned();
        assert!(!text.contains(password), "{text}");
    }
}

#[tokio::test]
async fn one_of_many_requests_with_a_key_is_executed() {
    let stage = Stage::new();
    let keyed = [("idempotency-key", "k1")];
    let sent = (0..8).map(|_| stage.send(("POST", "/tokens"), &keyed, json!({ "name": "ci" })));
    let answers = futures_util::future::join_all(sent).await;
    for answer in &answers {
        assert!([201, 409].contains(&answer.status), "{}", answer.body);
    }
    let listed = stage.send(("GET", "/tokens"), &[], Value::Null).await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn changes_are_made_to_the_version_that_was_read() {
    let stage = Stage::new();
    let made = stage
        .send(("POST", "/users"), &[], json!({ "name": "ada" }))
        .await;
    let user = format!("/users/{}", made.body["user"]["id"].as_str().unwrap());
    let read = stage.send(("GET", &user), &[], Value::Null).await;
    let tag = read.headers[ETAG].to_str().unwrap().to_owned();
    let change = json!({ "teams": ["ops"] });
    let patched = stage
        .send(("PATCH", &user), &[("if-match", &tag)], change.clone())
        .await;
    assert_eq!(patched.status, 200, "{}", patched.body);
    let newer = patched.headers[ETAG].to_str().unwrap().to_owned();
    assert_ne!(newer, tag);
    let made = stage
        .send(("POST", "/tokens"), &[], json!({ "name": "ci" }))
        .await;
    let token = format!("/tokens/{}", made.body["token"]["id"].as_str().unwrap());
    let rotation = format!("{token}/rotate");
    let read = stage.send(("GET", &token), &[], Value::Null).await;
    let of_token = read.headers[ETAG].to_str().unwrap().to_owned();
    let any = "*".to_owned();
    for (method, path, name, tag, expected) in [
        ("PATCH", &user, IF_MATCH, &tag, 412),
        ("DELETE", &user, IF_MATCH, &tag, 412),
        ("PATCH", &user, IF_MATCH, &any, 200),
        ("GET", &user, IF_NONE_MATCH, &newer, 304),
        ("GET", &token, IF_NONE_MATCH, &of_token, 304),
        ("GET", &token, IF_NONE_MATCH, &tag, 200),
        ("DELETE", &token, IF_MATCH, &tag, 412),
        // It is still there.
        ("GET", &token, IF_NONE_MATCH, &of_token, 304),
        ("POST", &rotation, IF_MATCH, &tag, 412),
        ("DELETE", &token, IF_MATCH, &of_token, 204),
        // There is nothing to compare with any more.
        ("DELETE", &token, IF_MATCH, &of_token, 404),
        ("POST", &rotation, IF_MATCH, &any, 404),
        ("DELETE", &user, IF_MATCH, &newer, 204),
    ] {
        let body = match method {
            "PATCH" => json!({}),
            _ => Value::Null,
        };
        let answer = stage
            .send((method, path), &[(name.as_str(), tag)], body)
            .await;
        assert_eq!(
            answer.status, expected,
            "{method} {path} {name}: {tag}: {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn r1_changes_are_reported_to_those_who_see_the_objects() {
    let stage = Stage::new();
    let open = |token: &'static str| stage.open(token, ("GET", "/events"), &[], Value::Null);
    let mut of_alice = open("token-of-alice").await.into_body();
    let mut of_bob = open("token-of-bob").await.into_body();
    let begun = events(&mut of_alice, "{\"kind\":\"taint\"}").await;
    assert_eq!(begun.matches("event: reset").count(), 12, "{begun}");
    let begun = events(&mut of_bob, "{\"kind\":\"approval\"}").await;
    let kinds: BTreeSet<_> = begun
        .lines()
        .filter(|line| line.starts_with("data:"))
        .collect();
    assert_eq!(kinds.len(), 3, "{begun}");

    let administrator = stage.administration.administrator(Actor::new("olga"));
    let ada = NewUser::new("ada", "correct horse battery");
    let ada = administrator.create_user(ada).await.unwrap();
    let changed = events(&mut of_alice, "event: change").await;
    assert!(
        changed.contains(&ada.id) && changed.contains("\"version\":\""),
        "{changed}"
    );
    administrator.delete_user(&ada.id).await.unwrap();
    let deleted = events(&mut of_alice, "event: delete").await;
    assert!(deleted.contains(&ada.id), "{deleted}");
    let next = timeout(Duration::from_millis(50), of_bob.frame());
    assert!(next.await.is_err(), "nothing is reported to others");
    let status = stage
        .open("token-of-bob", ("GET", "/calls"), &[], Value::Null)
        .await;
    assert_eq!(status.status(), 403);
}
