//! Dynamic client registration (RFC 7591).

use std::collections::HashSet;
use std::net::SocketAddr;
use std::time::Duration;

use http::{Method, Request, StatusCode};
use mcp_gateway_auth::server::{RateLimits, RegistrationPolicy};
use mcp_gateway_auth::{SecretHash, TrustedProxies};
use mcp_gateway_core::PeerAddr;
use serde_json::{Value, json};

use super::harness::{CALLBACK, Harness, Reply, but, redemption, wanted};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Returns the response to a registration with `metadata` from the address `peer`.
async fn from(harness: &Harness, peer: &str, forwarded: Option<&str>) -> Reply {
    let metadata = json!({ "redirect_uris": [CALLBACK] });
    let mut request = Request::post("/register").header("content-type", "application/json");
    if let Some(forwarded) = forwarded {
        request = request.header("x-forwarded-for", forwarded);
    }
    let mut request = request.body(metadata.to_string().into()).unwrap();
    let peer: SocketAddr = peer.parse().unwrap();
    request.extensions_mut().insert(PeerAddr(peer));
    harness.send(request).await
}

fn limited() -> Harness {
    Harness::with(|builder| {
        let mut limits = RateLimits::default();
        limits.register = 3;
        limits.authorize = 3;
        let proxies = TrustedProxies::new(["10.0.0.0/8".parse().unwrap()]);
        builder
            .with_rate_limits(limits)
            .with_trusted_proxies(proxies)
    })
}

#[tokio::test]
async fn o23_a_flood_of_registrations_has_to_wait() {
    let harness = limited();
    for _ in 0..3 {
        let reply = from(&harness, "192.0.2.1:1", None).await;
        assert_eq!(reply.status, StatusCode::CREATED);
    }
    for port in 1..20 {
        let reply = from(&harness, &format!("192.0.2.1:{port}"), Some("203.0.113.7")).await;
        assert!(reply.is_error(429, "temporarily_unavailable"), "{reply:?}");
        let wait: u64 = reply.header("retry-after").parse().unwrap();
        assert!((1..=60).contains(&wait), "{wait}");
    }
    assert_eq!(from(&harness, "192.0.2.2:1", None).await.status, 201);
    for host in 1..=3 {
        let reply = from(&harness, &format!("[2001:db8:0:1::{host}]:1"), None).await;
        assert_eq!(reply.status, StatusCode::CREATED);
    }
    let reply = from(&harness, "[2001:db8:0:1:ffff::9]:1", None).await;
    assert_eq!(reply.status, 429, "the same network");
    assert_eq!(
        from(&harness, "[2001:db8:0:2::1]:1", None).await.status,
        201
    );
    for _ in 0..3 {
        let reply = from(&harness, "10.0.0.1:1", Some("198.51.100.1")).await;
        assert_eq!(reply.status, StatusCode::CREATED);
    }
    let reply = from(&harness, "10.0.0.1:1", Some("1.1.1.1, 198.51.100.1")).await;
    assert_eq!(
        reply.status, 429,
        "the proxy is believed, the client is not"
    );
    assert_eq!(
        from(&harness, "10.0.0.1:1", Some("198.51.100.2"))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn o23_a_flood_of_authorization_requests_has_to_wait() {
    let harness = limited();
    for attempt in 0..10 {
        let mut request = Request::get("/authorize?client_id=nobody")
            .body(axum::body::Body::empty())
            .unwrap();
        let peer: SocketAddr = "192.0.2.1:1".parse().unwrap();
        request.extensions_mut().insert(PeerAddr(peer));
        let reply = harness.send(request).await;
        assert_eq!(reply.status == 429, attempt >= 3, "{attempt}");
    }
}

#[tokio::test]
async fn o23_what_is_too_much_to_keep_is_refused() {
    let harness = Harness::new();
    let many: Vec<_> = (0..11).map(|n| format!("{CALLBACK}/{n}")).collect();
    let long = format!("https://client.example.com/{}", "x".repeat(2048));
    let text = "x".repeat(3000);
    for metadata in [
        json!({ "redirect_uris": many }),
        json!({ "redirect_uris": vec![CALLBACK; 1000] }),
        json!({ "redirect_uris": [long] }),
        json!({ "redirect_uris": [CALLBACK], "client_name": text }),
        json!({ "redirect_uris": [CALLBACK], "scope": text }),
        json!({ "redirect_uris": [CALLBACK], "software_id": text }),
        json!({ "redirect_uris": [CALLBACK], "contacts": vec!["a@example.com"; 100] }),
        json!({ "redirect_uris": [CALLBACK], "grant_types": vec!["x"; 100] }),
    ] {
        let reply = harness
            .json(Method::POST, "/register", None, &metadata)
            .await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{metadata}");
    }
    let registered = harness
        .register(&json!({
            "redirect_uris": [CALLBACK],
            "client_name": "n".repeat(400),
            "x_unknown": "y".repeat(30_000),
        }))
        .await;
    assert_eq!(registered["client_name"].as_str().unwrap().len(), 256);
    assert!(
        !harness.stored().await.contains("yyyy"),
        "only what is known is kept"
    );
}

#[tokio::test]
async fn o23_a_client_that_is_not_used_is_forgotten() {
    let harness = Harness::new();
    let (idle, used) = (harness.client().await, harness.client().await);
    let code = harness.code(&used, "alice").await;
    let mut tokens = harness.redeem(&used, &code).await.value();
    for _ in 0..3 {
        harness.clock.advance(DAY * 29);
        let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
        tokens = harness.refresh(&used, &refresh).await.value();
        assert!(tokens.get("error").is_none(), "{tokens}");
    }
    harness.clock.advance(DAY * 4);
    let gone = harness.asked(&wanted(&idle), "alice").await;
    assert_eq!(gone.status, StatusCode::BAD_REQUEST);
    let reply = harness.post("/token", &redemption(&idle, "x")).await;
    assert!(reply.is_error(401, "invalid_client"), "{reply:?}");
    let kept = harness.asked(&wanted(&used), "alice").await;
    assert_ne!(kept.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn rfc_7591_a_client_gets_what_it_needs_and_all_that_it_said() {
    let harness = Harness::new();
    let said = json!({
        "redirect_uris": [CALLBACK, "http://localhost/cb"],
        "client_name": "An editor",
        "client_uri": "https://client.example.com",
        "logo_uri": "https://client.example.com/logo.png",
        "tos_uri": "https://client.example.com/tos",
        "policy_uri": "https://client.example.com/policy",
        "contacts": ["a@example.com"],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "scope": "mcp",
        "application_type": "native",
        "software_id": "editor",
        "software_version": "1",
        "token_endpoint_auth_method": "client_secret_basic",
    });
    let mut metadata = said.clone();
    metadata["x_unknown"] = json!({ "a": 1 });
    metadata["software_statement"] = "of nobody".into();
    let reply = harness
        .json(Method::POST, "/api/auth/oauth2/register", None, &metadata)
        .await;
    assert_eq!(reply.status, StatusCode::CREATED);
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("content-type"), "application/json");
    let got = reply.value();
    for (name, value) in said.as_object().unwrap() {
        assert_eq!(&got[name], value, "{name}");
    }
    assert!(got.get("x_unknown").is_none());
    assert_eq!(got["client_id_issued_at"], harness.clock.now());
    assert_eq!(got["client_secret_expires_at"], 0);
    let id = got["client_id"].as_str().unwrap();
    assert!(!id.starts_with("https:"), "not a document");
    assert_eq!(
        got["registration_client_uri"],
        format!("{}/api/auth/oauth2/register/{id}", super::harness::ISSUER)
    );
}

#[tokio::test]
async fn rfc_7591_a_secret_is_for_clients_that_use_it() {
    let harness = Harness::new();
    let mut secrets = HashSet::new();
    for (method, has_secret) in [
        (json!(null), false),
        (json!("none"), false),
        (json!("client_secret_basic"), true),
        (json!("client_secret_post"), true),
    ] {
        let metadata = json!({ "redirect_uris": [CALLBACK], "token_endpoint_auth_method": method });
        let got = harness.register(&metadata).await;
        assert_eq!(got.get("client_secret").is_some(), has_secret, "{method}");
        assert_eq!(got.get("client_secret_expires_at").is_some(), has_secret);
        let named = method.as_str().unwrap_or("none");
        assert_eq!(got["token_endpoint_auth_method"], named);
        for name in ["client_secret", "registration_access_token", "client_id"] {
            let Some(secret) = got[name].as_str() else {
                continue;
            };
            assert!(secret.len() >= 24, "{name}: {secret}");
            assert!(secrets.insert(secret.to_owned()), "{secret}");
        }
    }
}

#[tokio::test]
async fn rfc_7591_what_makes_no_sense_is_refused() {
    let harness = Harness::new();
    let with = |name: &str, value: Value| {
        let mut metadata = json!({ "redirect_uris": [CALLBACK] });
        metadata[name] = value;
        metadata
    };
    let keys = json!({ "keys": [{ "kty": "oct", "k": "AAAA" }] });
    let mut both = with("jwks", json!({ "keys": [] }));
    both["jwks_uri"] = "https://client.example.com/jwks".into();
    for (metadata, code) in [
        (json!({}), "invalid_redirect_uri"),
        (with("redirect_uris", json!([])), "invalid_redirect_uri"),
        (
            with("redirect_uris", json!(CALLBACK)),
            "invalid_client_metadata",
        ),
        (with("redirect_uris", json!([1])), "invalid_client_metadata"),
        (json!([]), "invalid_client_metadata"),
        (json!("x"), "invalid_client_metadata"),
        (with("client_name", json!(1)), "invalid_client_metadata"),
        (with("contacts", json!("x")), "invalid_client_metadata"),
        (with("scope", json!("a\"b")), "invalid_client_metadata"),
        (
            with("grant_types", json!(["implicit"])),
            "invalid_client_metadata",
        ),
        (
            with("grant_types", json!(["client_credentials"])),
            "invalid_client_metadata",
        ),
        (
            with("grant_types", json!(["refresh_token"])),
            "invalid_client_metadata",
        ),
        (
            with("response_types", json!(["token"])),
            "invalid_client_metadata",
        ),
        (with("response_types", json!([])), "invalid_client_metadata"),
        (
            with("token_endpoint_auth_method", json!("tls_client_auth")),
            "invalid_client_metadata",
        ),
        (
            with("token_endpoint_auth_method", json!("client_secret_jwt")),
            "invalid_client_metadata",
        ),
        (
            with("token_endpoint_auth_method", json!("private_key_jwt")),
            "invalid_client_metadata",
        ),
        (with("jwks", keys), "invalid_client_metadata"),
        (both, "invalid_client_metadata"),
    ] {
        let reply = harness
            .json(Method::POST, "/register", None, &metadata)
            .await;
        assert!(reply.is_error(400, code), "{metadata}: {reply:?}");
    }
}

#[tokio::test]
async fn rfc_7591_a_body_that_is_no_object_is_refused() {
    let harness = Harness::new();
    for body in ["", "{", "redirect_uris=x", "{}{}", "null"] {
        let request = Request::post("/register").header("content-type", "application/json");
        let reply = harness.send(request.body(body.into()).unwrap()).await;
        assert!(reply.is_error(400, "invalid_client_metadata"), "{body}");
    }
}

#[tokio::test]
async fn rfc_7591_registration_can_be_closed_or_want_a_token() {
    let harness = Harness::new();
    let metadata = json!({ "redirect_uris": [CALLBACK] });
    let register = async |token| {
        harness
            .json(Method::POST, "/register", token, &metadata)
            .await
    };
    harness.server.set_registration(RegistrationPolicy::Off);
    let reply = register(None).await;
    assert!(reply.is_error(400, "unauthorized_client"), "{reply:?}");
    let hash = SecretHash::digest("initial");
    harness
        .server
        .set_registration(RegistrationPolicy::Token(hash));
    for token in [None, Some(""), Some("other"), Some("initia")] {
        let reply = register(token).await;
        assert!(reply.is_error(401, "invalid_token"), "{reply:?}");
        assert!(reply.header("www-authenticate").starts_with("Bearer"));
    }
    assert_eq!(register(Some("initial")).await.status, StatusCode::CREATED);
}

#[tokio::test]
async fn rfc_7591_a_name_that_nobody_sees_is_none() {
    let harness = Harness::new();
    for name in ["", "  ", "\u{200b}\u{202e}", "\t\n"] {
        let metadata = json!({ "redirect_uris": [CALLBACK], "client_name": name });
        let got = harness.register(&metadata).await;
        assert_eq!(got["client_name"], got["client_id"], "{name:?}");
    }
}

#[tokio::test]
async fn o15_another_name_or_address_is_another_client_to_people() {
    let harness = Harness::new();
    let registered = harness
        .register(&json!({ "redirect_uris": [CALLBACK], "client_name": "A" }))
        .await;
    let client = registered["client_id"].as_str().unwrap();
    let token = registered["registration_access_token"].as_str();
    harness.code(client, "alice").await;
    let path = format!("/api/auth/oauth2/register/{client}");
    let other = "https://client.example.com/x";
    for after in [
        json!({ "client_id": client, "redirect_uris": [CALLBACK], "client_name": "B" }),
        json!({ "client_id": client, "redirect_uris": [CALLBACK, other], "client_name": "A" }),
        json!({ "client_id": client, "redirect_uris": [CALLBACK],
            "client_name": format!("A\n{CALLBACK}") }),
    ] {
        let put = harness.json(Method::PUT, &path, token, &after).await;
        assert_eq!(put.status, StatusCode::OK, "{}", put.text);
        let query = but(&wanted(client), "state", None);
        let reply = harness.asked(&query, "alice").await;
        assert_eq!(reply.status, StatusCode::OK, "asked again: {after}");
    }
}

#[tokio::test]
async fn clients_that_nobody_lets_in_are_forgotten_after_a_day() {
    let harness = Harness::new();
    let (idle, used) = (harness.client().await, harness.client().await);
    let code = harness.code(&used, "alice").await;
    assert_eq!(harness.redeem(&used, &code).await.status, StatusCode::OK);
    harness.clock.advance(DAY);
    let reply = harness.asked(&wanted(&idle), "alice").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    harness.clock.advance(89 * DAY - Duration::from_secs(1));
    let reply = harness.asked(&wanted(&used), "alice").await;
    assert!(reply.parameter("code").is_some(), "{reply:?}");
    harness.clock.advance(Duration::from_secs(1));
    let reply = harness.asked(&wanted(&used), "alice").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}
