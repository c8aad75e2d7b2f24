//! Test categories of other authorization servers that no other module covers.

use std::time::Duration;

use http::{Method, StatusCode};
use mcp_gateway_core::auth::AuthError;
use mcp_gateway_store::Store as _;
use serde_json::json;

use super::harness::{CALLBACK, Harness, RESOURCE, machine, wanted};

const YEAR: Duration = Duration::from_secs(366 * 24 * 3600);

#[tokio::test]
async fn category_management_identifiers_are_only_compared() {
    let harness = Harness::new();
    let client = harness.client().await;
    let before = harness.stored().await;
    for id in [
        "'%20OR%20'1'='1",
        "c_%25",
        "%27;DROP%20TABLE%20documents;--",
        "..%2Fuser%2Falice",
        "%00",
        &format!("{client}%00"),
        &format!("{client}%2F"),
        &"c".repeat(5000),
    ] {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let path = format!("/api/auth/oauth2/register/{id}");
            let reply = harness.json(method, &path, Some("x"), &json!({})).await;
            assert!(reply.is_error(401, "invalid_token"), "{id}: {reply:?}");
        }
        let query = format!("/authorize?response_type=code&client_id={id}");
        assert_eq!(harness.get(&query, Some("alice")).await.status, 400, "{id}");
    }
    assert_eq!(harness.stored().await, before);
}

#[tokio::test]
async fn category_eternal_client_is_one_that_the_operator_has_set_up() {
    let harness = Harness::new();
    let metadata = json!({
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "client_secret_basic",
    });
    assert_eq!(
        harness.register(&metadata).await["client_secret_expires_at"],
        0
    );
    harness.server.set_clients([machine("fixed", "s3cret")]);
    let kept = harness
        .server
        .create_client(machine("kept", "s3cret"))
        .await;
    kept.unwrap();
    harness.clock.advance(10 * YEAR);
    let form = [("grant_type", "client_credentials")];
    for basic in ["Basic Zml4ZWQ6czNjcmV0", "Basic a2VwdDpzM2NyZXQ="] {
        let headers = [("authorization", basic)];
        let reply = harness.post_with("/token", &form, &headers).await;
        assert_eq!(reply.status, StatusCode::OK, "{basic}");
    }
}

#[tokio::test]
async fn category_expiry_what_is_only_good_for_a_while_is_only_kept_for_a_while() {
    let harness = Harness::new();
    let (client, tokens) = harness.tokens("alice").await;
    harness.code(&client, "alice").await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(
        harness.refresh(&client, refresh).await.status,
        StatusCode::OK
    );
    let form = [("client_id", &*client), ("token", refresh)];
    let revoked = harness.post("/api/auth/oauth2/revoke", &form).await;
    assert_eq!(revoked.status, StatusCode::OK);
    let entries = harness.store.list("", None, usize::MAX).await.unwrap();
    let kinds = |expires: bool| {
        let entries = entries
            .iter()
            .filter(move |entry| entry.document.expires.is_some() == expires);
        let kinds = entries.map(|entry| entry.key.split('/').nth(1).unwrap());
        kinds.collect::<std::collections::BTreeSet<_>>()
    };
    // Only the decision of the user remains.
    assert_eq!(kinds(false), ["consent"].into());
    let others = ["answered", "client", "grant", "grants", "key", "revoked"];
    assert_eq!(kinds(true), others.into());
}

#[tokio::test]
async fn category_existing_credentials_outlive_a_restart() {
    let harness = Harness::new();
    let (client, tokens) = harness.tokens("alice").await;
    let code = harness.code(&client, "alice").await;
    let asked = harness
        .asked(&wanted(&harness.client().await), "alice")
        .await;
    let after = harness.replica();
    let access = tokens["access_token"].as_str().unwrap();
    assert_eq!(
        after.bearer(RESOURCE, access).await.unwrap().subject(),
        "alice"
    );
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(after.refresh(&client, refresh).await.status, StatusCode::OK);
    assert_eq!(after.redeem(&client, &code).await.status, StatusCode::OK);
    let decided = after.decide(&asked, "alice", "allow").await;
    assert!(decided.parameter("code").is_some(), "{decided:?}");
}

#[tokio::test]
async fn category_echo_security_tokens_that_are_none_are_refused_however_often() {
    let harness = Harness::new();
    let (_, tokens) = harness.tokens("alice").await;
    let token = tokens["access_token"].as_str().unwrap();
    let wrong = [
        String::new(),
        "x".repeat(100_000),
        "null".to_owned(),
        format!("{token}x"),
        token[1..].to_owned(),
        token.to_uppercase(),
        format!("{token} {token}"),
        token.replace('.', ".."),
    ];
    for _ in 0..50 {
        for wrong in &wrong {
            let refused = harness.bearer(RESOURCE, wrong).await;
            let is_refused = matches!(
                refused,
                Err(AuthError::InvalidToken | AuthError::MissingToken)
            );
            assert!(is_refused, "{wrong:.40}: {refused:?}");
        }
        assert!(harness.bearer(RESOURCE, token).await.is_ok());
    }
}
