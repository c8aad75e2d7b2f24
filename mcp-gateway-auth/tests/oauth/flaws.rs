//! Regression tests for flaws of another gateway.

use std::time::Duration;

use http::{Method, Request, StatusCode};
use mcp_gateway_auth::server::Lifetimes;
use serde_json::json;

use super::harness::{
    CALLBACK, Harness, ISSUER, OTHER_RESOURCE, RESOURCE, but, claims, encoded, machine, redemption,
    wanted,
};

#[tokio::test]
async fn flaw_01_a_confidential_client_needs_its_secret_and_basic_is_read() {
    let harness = Harness::new();
    harness.server.set_clients([machine("build", "s3cret")]);
    let form = [("grant_type", "client_credentials"), ("client_id", "build")];
    assert!(
        harness
            .post("/token", &form)
            .await
            .is_error(401, "invalid_client")
    );
    let basic = [("authorization", "Basic YnVpbGQ6czNjcmV0")];
    assert_eq!(
        harness.post_with("/token", &form, &basic).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn flaw_02_there_is_no_code_without_pkce() {
    let harness = Harness::new();
    let client = harness.client().await;
    let plain = but(&wanted(&client), "code_challenge", None);
    let plain = but(&plain, "code_challenge_method", None);
    let reply = harness.asked(&plain, "alice").await;
    assert_eq!(reply.parameter("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn flaw_03_a_code_is_bound_to_its_client() {
    let harness = Harness::new();
    let (client, other) = (harness.client().await, harness.client().await);
    let code = harness.code(&client, "alice").await;
    assert_eq!(harness.redeem(&other, &code).await.error(), "invalid_grant");
}

#[tokio::test]
async fn flaw_04_a_code_lives_for_a_minute_and_a_replay_revokes() {
    let harness = Harness::new();
    assert!(Lifetimes::default().code <= Duration::from_secs(60));
    let client = harness.client().await;
    let late = harness.code(&client, "alice").await;
    harness.clock.advance(Duration::from_secs(60));
    assert_eq!(
        harness.redeem(&client, &late).await.error(),
        "invalid_grant"
    );
    let code = harness.code(&client, "alice").await;
    let tokens = harness.redeem(&client, &code).await.value();
    assert_eq!(
        harness.redeem(&client, &code).await.error(),
        "invalid_grant"
    );
    let access = tokens["access_token"].as_str().unwrap();
    assert!(harness.bearer(RESOURCE, access).await.is_err());
}

#[tokio::test]
async fn flaw_05_a_refresh_token_rotates_and_is_bound_to_its_client() {
    let harness = Harness::new();
    let (client, tokens) = harness.tokens("alice").await;
    let first = tokens["refresh_token"].as_str().unwrap();
    let other = harness.client().await;
    assert_eq!(
        harness.refresh(&other, first).await.error(),
        "invalid_grant"
    );
    let next = harness.refresh(&client, first).await.value();
    assert_ne!(next["refresh_token"], tokens["refresh_token"]);
}

#[tokio::test]
async fn flaw_06_each_client_is_asked_about_before_anything_is_granted() {
    let harness = Harness::new();
    harness.tokens("alice").await;
    let second = harness.client().await;
    let reply = harness.asked(&wanted(&second), "alice").await;
    assert_eq!(reply.status, StatusCode::OK);
    assert!(reply.text.contains("<form"));
}

#[tokio::test]
async fn flaw_07_what_is_under_way_belongs_to_one_browser() {
    let harness = Harness::new();
    let client = harness.client().await;
    let asked = harness.asked(&wanted(&client), "mallory").await;
    let reply = harness.decide(&asked, "alice", "allow").await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn flaw_08_nothing_of_a_request_becomes_markup() {
    let harness = Harness::new();
    let evil = "<script>alert(1)</script>";
    let client = harness.client().await;
    for name in [
        "client_id",
        "redirect_uri",
        "error",
        "error_description",
        "code",
    ] {
        let query = but(&wanted(&client), name, Some(evil));
        let page = harness.asked(&query, "alice").await;
        assert!(!page.text.contains(evil), "{name}: {}", page.text);
    }
}

#[tokio::test]
async fn flaw_09_a_redirect_is_compared_not_looked_into() {
    let harness = Harness::new();
    for uri in [
        "http://localhost.evil.com/cb",
        "javascript:alert(1)",
        "data:text/html,x",
    ] {
        let metadata = json!({ "redirect_uris": [uri] });
        let reply = harness
            .json(Method::POST, "/register", None, &metadata)
            .await;
        assert!(reply.is_error(400, "invalid_redirect_uri"), "{uri}");
    }
}

#[tokio::test]
async fn flaw_10_a_redirect_with_an_error_is_well_formed() {
    let harness = Harness::new();
    let callback = "https://client.example.com/cb?a=b";
    let registered = harness
        .register(&json!({ "redirect_uris": [callback] }))
        .await;
    let client = registered["client_id"].as_str().unwrap();
    let query = but(&wanted(client), "redirect_uri", Some(callback));
    let query = but(&query, "scope", Some("unknown"));
    let query = but(&query, "state", Some("x&error=none#y"));
    let reply = harness.asked(&query, "alice").await;
    let location = reply.headers["location"].to_str().unwrap();
    assert_eq!(
        (location.matches('?').count(), location.contains('#')),
        (1, false)
    );
    assert_eq!(reply.parameter("state").as_deref(), Some("x&error=none#y"));
    assert_eq!(reply.parameter("error").as_deref(), Some("invalid_scope"));
}

#[tokio::test]
async fn flaw_11_the_issuer_is_sent_as_it_is_advertised() {
    let harness = Harness::new();
    let client = harness.client().await;
    let metadata = harness
        .get("/.well-known/oauth-authorization-server", None)
        .await
        .value();
    assert_eq!(
        metadata["authorization_response_iss_parameter_supported"],
        true
    );
    for decision in ["deny", "allow"] {
        let asked = harness.asked(&wanted(&client), "alice").await;
        let reply = harness.decide(&asked, "alice", decision).await;
        assert_eq!(
            reply.parameter("iss").as_deref(),
            metadata["issuer"].as_str()
        );
    }
    assert_eq!(metadata["issuer"], ISSUER);
}

#[tokio::test]
async fn flaw_12_strangers_neither_ask_about_tokens_nor_revoke_them() {
    let harness = Harness::new();
    let (client, tokens) = harness.tokens("alice").await;
    let other = harness.client().await;
    let access = tokens["access_token"].as_str().unwrap();
    let form = [("token", access), ("client_id", &*client)];
    let reply = harness.post("/api/auth/oauth2/introspect", &form).await;
    assert!(reply.is_error(401, "invalid_client"));
    let form = [("token", access), ("client_id", &*other)];
    harness.post("/api/auth/oauth2/revoke", &form).await;
    assert!(harness.bearer(RESOURCE, access).await.is_ok());
}

#[tokio::test]
async fn flaw_13_no_secret_is_stored() {
    let harness = Harness::new();
    let metadata = json!({
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "client_secret_basic",
    });
    let said = harness.register(&metadata).await;
    let stored = harness.stored().await;
    for name in ["client_secret", "registration_access_token"] {
        assert!(!stored.contains(said[name].as_str().unwrap()), "{name}");
    }
}

#[tokio::test]
async fn flaw_15_only_scopes_that_there_are_and_that_a_client_may_have_are_granted() {
    let harness = Harness::new();
    let metadata = json!({ "redirect_uris": [CALLBACK], "scope": "mcp" });
    let registered = harness.register(&metadata).await;
    let client = registered["client_id"].as_str().unwrap();
    for scope in ["root", "mcp mcp:admin", "mcp *"] {
        let query = but(&wanted(client), "scope", Some(scope));
        let reply = harness.asked(&query, "alice").await;
        assert_eq!(
            reply.parameter("error").as_deref(),
            Some("invalid_scope"),
            "{scope}"
        );
    }
}

#[tokio::test]
async fn flaw_16_there_is_a_limit_to_how_often_a_client_asks() {
    let harness = Harness::with(|builder| {
        let mut limits = mcp_gateway_auth::server::RateLimits::default();
        limits.client = 5;
        builder.with_rate_limits(limits)
    });
    let (client, other) = (harness.client().await, harness.client().await);
    for _ in 0..5 {
        assert_eq!(harness.redeem(&client, "x").await.error(), "invalid_grant");
    }
    let reply = harness.redeem(&client, "x").await;
    assert!(reply.is_error(429, "temporarily_unavailable"), "{reply:?}");
    assert!(reply.header("retry-after").parse::<u64>().unwrap() >= 1);
    assert_eq!(harness.redeem(&other, "x").await.error(), "invalid_grant");
}

#[tokio::test]
async fn flaw_17_forwarded_headers_of_strangers_are_not_believed() {
    let harness = Harness::new();
    let request = Request::get("/.well-known/oauth-protected-resource")
        .header("x-forwarded-host", "evil.com")
        .header("x-forwarded-proto", "http");
    let reply = harness
        .send(request.body(axum::body::Body::empty()).unwrap())
        .await;
    assert_eq!(reply.value()["resource"], RESOURCE);
}

#[tokio::test]
async fn flaw_18_what_a_token_has_to_be_for_is_configured() {
    let harness = Harness::new();
    let (_, tokens) = harness.tokens("alice").await;
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(claims(access)["aud"], RESOURCE);
    assert!(harness.bearer(OTHER_RESOURCE, access).await.is_err());
}

#[tokio::test]
async fn flaw_19_pages_are_not_framed_kept_or_scripted() {
    let harness = Harness::new();
    let page = harness.asked(&wanted("nobody"), "alice").await;
    assert!(
        page.header("content-security-policy")
            .starts_with("default-src 'none'")
    );
    assert_eq!(page.header("x-frame-options"), "DENY");
    assert_eq!(page.header("cache-control"), "no-store");
}

#[tokio::test]
async fn flaw_20_a_new_key_signs_after_a_while() {
    let harness = Harness::new();
    let keys = async || harness.get("/api/auth/oauth2/jwks", None).await.value()["keys"].clone();
    let first = keys().await;
    harness.clock.advance(Lifetimes::default().signing_key);
    let (_, tokens) = harness.tokens("alice").await;
    let access = tokens["access_token"].as_str().unwrap();
    assert!(harness.bearer(RESOURCE, access).await.is_ok());
    let later = keys().await;
    assert_ne!(first, later);
    assert!(
        later.as_array().unwrap().contains(&first[0]),
        "old tokens stay good"
    );
}

#[tokio::test]
async fn flaw_21_an_update_does_not_make_a_registration_live_on() {
    let harness = Harness::new();
    let said = harness
        .register(&json!({ "redirect_uris": [CALLBACK] }))
        .await;
    let (client, token) = (
        &said["client_id"],
        said["registration_access_token"].as_str(),
    );
    let path = format!("/api/auth/oauth2/register/{}", client.as_str().unwrap());
    let body = json!({ "client_id": client, "redirect_uris": [CALLBACK] });
    harness
        .clock
        .advance(Lifetimes::default().new_client - Duration::from_secs(1));
    assert_eq!(
        harness.json(Method::PUT, &path, token, &body).await.status,
        StatusCode::OK
    );
    harness.clock.advance(Duration::from_secs(1));
    let reply = harness.json(Method::PUT, &path, token, &body).await;
    assert!(reply.is_error(401, "invalid_token"), "{reply:?}");
}

#[tokio::test]
async fn flaw_22_an_error_is_a_page_and_not_a_redirect_to_one() {
    let harness = Harness::new();
    let client = harness.client().await;
    for query in [
        wanted("nobody"),
        but(&wanted(&client), "redirect_uri", Some("https://x/")),
    ] {
        let reply = harness
            .get(&format!("/authorize?{}", encoded(&query)), None)
            .await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert!(reply.header("content-type").starts_with("text/html"));
        assert!(reply.text.contains("cannot be connected"));
    }
    let reply = harness.post("/token", &redemption(&client, "x")).await;
    assert!(reply.is_error(400, "invalid_grant"), "JSON for programs");
}
