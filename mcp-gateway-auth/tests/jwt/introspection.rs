use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::header::AUTHORIZATION;
use mcp_gateway_auth::Clock;
use mcp_gateway_auth::egress::ClientAuth;
use mcp_gateway_auth::token::{BearerVerifier, Introspection, TokenVerifier};
use mcp_gateway_core::auth::{AuthError, AuthVerifier};
use serde_json::{Value, json};

use crate::harness::{AUDIENCE, ISSUER, NOW, egress, with};
use crate::server::{Server, reply};

fn active() -> Value {
    json!({
        "active": true, "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "client_id": "editor",
        "scope": "mcp", "token_type": "Bearer", "exp": NOW + 300, "jti": "1",
    })
}

fn introspection(server: &Server) -> Introspection {
    Introspection::new(ISSUER, AUDIENCE, server.url("/introspect"), egress())
        .with_clock(Clock::fixed(NOW))
        .with_auth(ClientAuth::Basic {
            client_id: "gate way".to_owned(),
            secret: "s:e%c".to_owned(),
        })
}

async fn outcome(introspection: &Introspection) -> String {
    match introspection.verify_token("opaque").await {
        Ok(Some(token)) => token.principal().subject().to_owned(),
        Ok(None) => "unknown".to_owned(),
        Err(AuthError::Unavailable(_)) => "unavailable".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test]
async fn what_the_server_says_of_a_token_counts() {
    let server = Server::start().await;
    let introspection = introspection(&server).with_required_scope("mcp");
    for (name, value, expected) in [
        ("x", json!(1), "https://idp.example.com#alice"),
        ("iss", Value::Null, "https://idp.example.com#alice"),
        ("exp", Value::Null, "https://idp.example.com#alice"),
        ("active", json!(false), "unknown"),
        ("active", json!("true"), "invalid token"),
        ("active", json!(1), "invalid token"),
        ("active", Value::Null, "invalid token"),
        (
            "aud",
            json!("https://gw.example.com/other"),
            "invalid token",
        ),
        ("aud", Value::Null, "invalid token"),
        ("iss", json!("https://other.example.com"), "invalid token"),
        ("exp", json!(NOW), "invalid token"),
        ("nbf", json!(NOW + 1), "invalid token"),
        ("token_type", json!("DPoP"), "invalid token"),
        ("cnf", json!({"jkt": "a"}), "invalid token"),
        ("cnf", json!({"x5t#S256": "a"}), "invalid token"),
        ("sub", Value::Null, "invalid token"),
        ("sub", json!("a\r\nb"), "unavailable"),
        (
            "scope",
            json!("other"),
            "insufficient scope: \"mcp\" is required",
        ),
    ] {
        server.json("/introspect", &with(active(), name, value.clone()));
        assert_eq!(outcome(&introspection).await, expected, "{name} {value}");
    }
}

#[tokio::test]
async fn o110_a_token_that_the_server_binds_has_a_key() {
    let server = Server::start().await;
    let introspection = introspection(&server);
    let bound = with(active(), "cnf", json!({ "jkt": "a" }));
    for (kind, expected) in [("DPoP", Some("a")), ("Bearer", None)] {
        let answer = with(bound.clone(), "token_type", json!(kind));
        server.json("/introspect", &answer);
        let verified = introspection.verify_token("opaque").await.ok().flatten();
        let key = verified.as_ref().and_then(|token| token.key());
        assert_eq!(key, expected, "{kind}");
    }
}

#[tokio::test]
async fn a_server_that_does_not_answer_says_nothing_of_the_token() {
    let server = Server::start().await;
    let introspection = introspection(&server);
    for answer in [
        reply(401, "application/json", r#"{"error":"invalid_client"}"#),
        reply(500, "text/html", ""),
        reply(200, "text/html", active().to_string()),
        reply(200, "application/json", "true"),
        reply(200, "application/json", r#"{"active":false,"active":true}"#),
        reply(302, "application/json", active().to_string()),
    ] {
        server.answer("/introspect", answer);
        assert_eq!(outcome(&introspection).await, "unavailable");
    }
}

#[tokio::test]
async fn the_gateway_says_who_it_is() {
    let server = Server::start().await;
    server.json("/introspect", &active());
    let basic = introspection(&server);
    assert_eq!(outcome(&basic).await, "https://idp.example.com#alice");
    let hit = server.last();
    // gate+way:s%3Ae%25c
    let expected = "Basic Z2F0ZSt3YXk6cyUzQWUlMjVj";
    assert_eq!(hit.head.headers[AUTHORIZATION], expected);
    assert_eq!(&hit.body[..], b"token=opaque&token_type_hint=access_token");
    assert!(!hit.head.headers.contains_key("accept-encoding"));
    assert!(!format!("{basic:?}").contains("s:e%c"));

    let post = basic.with_auth(ClientAuth::Post {
        client_id: "gateway".to_owned(),
        secret: "s&t".to_owned(),
    });
    outcome(&post).await;
    let hit = server.last();
    assert!(!hit.head.headers.contains_key(AUTHORIZATION));
    assert!(
        hit.body
            .ends_with(b"&client_id=gateway&client_secret=s%26t")
    );
}

#[tokio::test]
async fn a_jwt_of_somebody_else_is_not_sent_away() {
    let server = Server::start().await;
    server.json("/introspect", &active());
    let introspection = introspection(&server);
    assert!(introspection.verify_token("a.b.c").await.unwrap().is_none());
    assert_eq!(server.hits("/introspect"), 0);
    let introspection = introspection.with_jwts();
    assert!(introspection.verify_token("a.b.c").await.unwrap().is_some());
}

#[tokio::test]
async fn j31_a_revoked_token_is_believed_for_half_a_minute_at_most() {
    let server = Server::start().await;
    let clock = Clock::fixed(NOW);
    server.json("/introspect", &with(active(), "exp", json!(NOW + 70)));
    let introspection = introspection(&server).with_clock(clock.clone());
    let verifier = BearerVerifier::new(Arc::new(introspection)).with_clock(clock.clone());
    let call = async || {
        let request = Request::builder().header(AUTHORIZATION, "Bearer opaque");
        let (parts, ()) = request.body(()).unwrap().into_parts();
        verifier.verify(&parts).await
    };
    for expected in [1, 1, 2, 2, 3] {
        assert!(call().await.is_ok());
        assert_eq!(server.hits("/introspect"), expected);
        clock.advance(Duration::from_secs(15));
    }
    // Expired, although the server reports it as active.
    assert!(call().await.is_err());
    server.json("/introspect", &json!({"active": false}));
    assert!(matches!(call().await, Err(AuthError::InvalidToken)));
}
