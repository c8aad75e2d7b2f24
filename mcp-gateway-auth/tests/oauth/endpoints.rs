//! Error responses of the endpoints (RFC 6749, section 5.2).

use axum::body::Body;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request, StatusCode};
use mcp_gateway_auth::server::{GrantType, OAuthClient};

use super::harness::{CALLBACK, CHALLENGE, Harness, but, claims, machine, redemption, wanted};

const TOKEN: &str = "/api/auth/oauth2/token";
const BASIC: (&str, &str) = ("authorization", "Basic YnVpbGQ6czNjcmV0");

/// A parameter that differs from the valid request, with the expected error.
type Case = (&'static str, Option<&'static str>, &'static str);

const AUTHORIZE: [Case; 20] = [
    ("response_type", None, "invalid_request"),
    ("response_type", Some(""), "invalid_request"),
    ("response_type", Some("token"), "unsupported_response_type"),
    (
        "response_type",
        Some("code token"),
        "unsupported_response_type",
    ),
    ("response_type", Some("CODE"), "unsupported_response_type"),
    ("code_challenge", None, "invalid_request"),
    ("code_challenge", Some("x"), "invalid_request"),
    ("code_challenge", Some(LONG_CHALLENGE), "invalid_request"),
    ("code_challenge_method", None, "invalid_request"),
    ("code_challenge_method", Some("s256"), "invalid_request"),
    ("code_challenge_method", Some("S512"), "invalid_request"),
    ("scope", Some("unknown"), "invalid_scope"),
    ("scope", Some("mcp unknown"), "invalid_scope"),
    ("scope", Some("\"mcp\""), "invalid_scope"),
    ("scope", Some("m\\cp"), "invalid_scope"),
    ("scope", Some("\u{fc}"), "invalid_scope"),
    ("resource", Some("/mcp"), "invalid_target"),
    (
        "resource",
        Some("https://gw.example.com/mcp#x"),
        "invalid_target",
    ),
    ("resource", Some("https://evil.com/mcp"), "invalid_target"),
    ("client_id", Some("limited"), "unauthorized_client"),
];

const LONG_CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cMA";

#[tokio::test]
async fn rfc_6749_the_authorization_endpoint_tells_the_client_what_is_wrong() {
    let harness = Harness::new();
    let client = harness.client().await;
    let limited = OAuthClient::new("limited", "Limited")
        .with_redirect_uri(CALLBACK.parse().unwrap())
        .with_grant_types([GrantType::ClientCredentials]);
    harness.server.set_clients([limited]);
    let right = wanted(&client);
    let replaced = AUTHORIZE.map(|(name, value, code)| (but(&right, name, value), code));
    let added = [
        ("resource", "https://evil.com/", "invalid_target"),
        ("scope", "mcp", "invalid_request"),
        ("state", "b", "invalid_request"),
        ("code_challenge", CHALLENGE, "invalid_request"),
    ];
    let added = added.map(|(name, value, code)| ([&right[..], &[(name, value)]].concat(), code));
    for (query, code) in replaced.into_iter().chain(added) {
        let reply = harness.asked(&query, "alice").await;
        let location = reply.location().map(String::from).unwrap_or_default();
        assert!(location.starts_with(CALLBACK), "{query:?}: {reply:?}");
        assert_eq!(reply.parameter("error").as_deref(), Some(code), "{query:?}");
        assert_eq!(
            reply.parameter("iss").as_deref(),
            Some(super::harness::ISSUER)
        );
        assert_eq!(reply.parameter("state").as_deref(), Some("a b&c"));
        let text = reply.parameter("error_description").unwrap();
        let allowed = |c: char| matches!(c, ' '..='~') && c != '"' && c != '\\';
        assert!(text.chars().all(allowed), "{text}");
    }
}

#[tokio::test]
async fn rfc_6749_the_authorization_endpoint_ignores_what_it_does_not_know() {
    let harness = Harness::new();
    let client = harness.client().await;
    let more = [
        ("unknown", "x"),
        ("nonce", ""),
        ("", ""),
        ("login_hint", ""),
    ];
    let query = [&wanted(&client)[..], &more].concat();
    assert_eq!(harness.asked(&query, "alice").await.status, StatusCode::OK);
    for twice in ["client_id", "redirect_uri"] {
        let query = [&wanted(&client)[..], &[(twice, "x")]].concat();
        let reply = harness.asked(&query, "alice").await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert!(reply.location().is_none(), "{twice}");
    }
    for path in ["/authorize", "/api/auth/oauth2/authorize"] {
        let reply = harness.post(path, &wanted(&client)).await;
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED);
        assert!(reply.header("allow").contains("GET"));
    }
}

const REDEEM: [Case; 18] = [
    ("grant_type", None, "invalid_request"),
    ("grant_type", Some(""), "invalid_request"),
    ("grant_type", Some("password"), "unsupported_grant_type"),
    ("grant_type", Some("implicit"), "unsupported_grant_type"),
    (
        "grant_type",
        Some("client_credentials"),
        "unauthorized_client",
    ),
    ("client_id", None, "invalid_client"),
    ("client_id", Some("nobody"), "invalid_client"),
    ("client_id", Some("\u{0}"), "invalid_client"),
    ("client_id", Some("build"), "invalid_client"),
    ("client_id", Some("stranger"), "invalid_grant"),
    ("client_secret", Some("x"), "invalid_client"),
    ("code", None, "invalid_request"),
    ("code", Some("x"), "invalid_grant"),
    ("redirect_uri", Some("https://x/"), "invalid_grant"),
    ("redirect_uri", None, "invalid_grant"),
    ("code_verifier", None, "invalid_grant"),
    ("code_verifier", Some(CHALLENGE), "invalid_grant"),
    ("code_verifier", Some("short"), "invalid_grant"),
];

#[tokio::test]
async fn rfc_6749_the_token_endpoint_says_what_is_wrong_with_a_code() {
    let harness = Harness::new();
    let stranger = OAuthClient::new("stranger", "Stranger");
    harness
        .server
        .set_clients([machine("build", "s3cret"), stranger]);
    let client = harness.client().await;
    let code = harness.code(&client, "alice").await;
    let right = redemption(&client, &code);
    let long = "a".repeat(129);
    let mut table: Vec<_> = REDEEM
        .iter()
        .map(|&(name, value, code)| (but(&right, name, value), code))
        .collect();
    table.push((but(&right, "code_verifier", Some(&long)), "invalid_grant"));
    for (form, code) in &table {
        let status = if *code == "invalid_client" { 401 } else { 400 };
        for path in [TOKEN, "/token"] {
            let reply = harness.post(path, form).await;
            assert!(reply.is_error(status, code), "{form:?}: {reply:?}");
            let challenge = reply.header("www-authenticate");
            assert_eq!(challenge.starts_with("Basic "), status == 401);
        }
    }
    let reply = harness.post(TOKEN, &right).await;
    assert_eq!(reply.status, StatusCode::OK, "none of it cost the code");
    assert_eq!(reply.header("cache-control"), "no-store");
    assert_eq!(reply.header("pragma"), "no-cache");
}

const MACHINE: [Case; 8] = [
    ("client_secret", Some("s3cret"), "invalid_request"),
    ("client_assertion", Some("x"), "invalid_request"),
    ("client_id", Some("nobody"), "invalid_request"),
    ("scope", Some("unknown"), "invalid_scope"),
    ("resource", Some("https://evil.com/"), "invalid_target"),
    ("resource", Some("mcp"), "invalid_target"),
    ("grant_type", Some("refresh_token"), "unauthorized_client"),
    (
        "grant_type",
        Some("authorization_code"),
        "unauthorized_client",
    ),
];

#[tokio::test]
async fn rfc_6749_the_token_endpoint_says_what_is_wrong_with_credentials() {
    let harness = Harness::new();
    harness.server.set_clients([machine("build", "s3cret")]);
    let right = [("grant_type", "client_credentials")];
    for (name, value, code) in MACHINE {
        let form = but(&right, name, value);
        let reply = harness.post_with(TOKEN, &form, &[BASIC]).await;
        assert!(reply.is_error(400, code), "{name}: {reply:?}");
    }
    for value in [
        "Basic YnVpbGQ6eA==",
        "Basic bm9ib2R5OnMzY3JldA==",
        "Basic YnVpbGQ=",
        "Basic YnVpbGQ6czNjcmV0 x",
        "Basic",
        "Bearer x",
        "x",
    ] {
        let reply = harness
            .post_with(TOKEN, &right, &[("authorization", value)])
            .await;
        assert!(reply.is_error(401, "invalid_client"), "{value}: {reply:?}");
        assert!(reply.header("www-authenticate").starts_with("Basic "));
    }
    let reply = harness.post_with(TOKEN, &right, &[BASIC, BASIC]).await;
    assert!(reply.is_error(400, "invalid_request"), "{reply:?}");
    let public = harness.client().await;
    let form = [&right[..], &[("client_id", &*public)]].concat();
    let reply = harness.post(TOKEN, &form).await;
    assert!(reply.is_error(400, "unauthorized_client"), "{reply:?}");
}

#[tokio::test]
async fn rfc_6749_every_endpoint_has_its_method_and_reads_no_query() {
    let harness = Harness::new();
    harness.server.set_clients([machine("build", "s3cret")]);
    for (path, allowed) in [
        (TOKEN, "POST"),
        ("/token", "POST"),
        ("/register", "POST"),
        ("/api/auth/oauth2/register", "POST"),
        ("/api/auth/oauth2/revoke", "POST"),
        ("/api/auth/oauth2/introspect", "POST"),
        ("/api/auth/oauth2/consent", "POST"),
    ] {
        let query =
            format!("{path}?grant_type=client_credentials&client_id=build&client_secret=s3cret");
        let reply = harness.get(&query, Some("alice")).await;
        assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(reply.header("allow"), allowed);
        for method in [Method::DELETE, Method::PUT, Method::PATCH] {
            let request = Request::builder().method(method).uri(path);
            let reply = harness.send(request.body(Body::empty()).unwrap()).await;
            assert_eq!(reply.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
        }
    }
    let query = format!("{TOKEN}?client_id=build&client_secret=s3cret");
    let reply = harness
        .post(&query, &[("grant_type", "client_credentials")])
        .await;
    assert!(reply.is_error(401, "invalid_client"));
}

#[tokio::test]
async fn a_public_client_may_send_a_header_that_is_for_the_server() {
    let harness = Harness::new();
    harness.server.set_clients([machine("build", "s3cret")]);
    let client = harness.client().await;
    let empty = format!("Basic {}", STANDARD.encode(format!("{client}:")));
    for value in [
        "Bearer a-static-token",
        "Basic dXNlcjpwYXNzd29yZCBvZiBhIHByb3h5",
        "Basic !",
        "Basic",
        "x",
        BASIC.1,
        &*empty,
    ] {
        let code = harness.code(&client, "alice").await;
        let headers = [("authorization", value)];
        let form = redemption(&client, &code);
        let reply = harness.post_with(TOKEN, &form, &headers).await;
        assert_eq!(reply.status, StatusCode::OK, "{value}: {reply:?}");
        assert_eq!(
            claims(reply.value()["access_token"].as_str().unwrap())["client_id"],
            *client
        );
    }
    // The ID is in the header only.
    let code = harness.code(&client, "alice").await;
    let form = but(&redemption(&client, &code), "client_id", None);
    let reply = harness
        .post_with(TOKEN, &form, &[("authorization", &empty)])
        .await;
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    // A confidential client is not helped by any of them.
    for value in ["Bearer x", "Basic YnVpbGQ6", "Basic YnVpbGQ6eA=="] {
        let form = [("grant_type", "client_credentials"), ("client_id", "build")];
        let reply = harness
            .post_with(TOKEN, &form, &[("authorization", value)])
            .await;
        assert!(reply.is_error(401, "invalid_client"), "{value}: {reply:?}");
    }
}
