//! Stolen and replayed authorization codes and refresh tokens.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use serde_json::json;

use super::harness::{Harness, RESOURCE, VERIFIER, but, claims, redemption, wanted};

#[tokio::test]
async fn o1_a_code_that_is_used_twice_revokes_what_it_was_exchanged_for() {
    let harness = Harness::new();
    let client = harness.client().await;
    let code = harness.code(&client, "alice").await;
    let tokens = harness.redeem(&client, &code).await.value();
    let token = tokens["access_token"].as_str().unwrap();
    assert!(harness.bearer(RESOURCE, token).await.is_ok());

    let again = harness.redeem(&client, &code).await;
    assert_eq!(
        (again.status, again.error().as_str()),
        (StatusCode::BAD_REQUEST, "invalid_grant")
    );
    assert!(harness.bearer(RESOURCE, token).await.is_err());
    let refreshed = harness
        .refresh(&client, tokens["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(refreshed.error(), "invalid_grant");
}

#[tokio::test]
async fn o2_whoever_knows_the_code_alone_changes_nothing() {
    let harness = Harness::new();
    let (client, other) = (harness.client().await, harness.client().await);
    let code = harness.code(&client, "alice").await;
    let right = redemption(&client, &code);
    let wrong = [
        but(&right, "client_id", Some(&other)),
        but(
            &right,
            "code_verifier",
            Some("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXX"),
        ),
        but(&right, "code_verifier", None),
        but(
            &right,
            "redirect_uri",
            Some("https://client.example.com/other"),
        ),
        but(&right, "redirect_uri", None),
    ];
    for form in &wrong {
        assert_eq!(harness.post("/token", form).await.error(), "invalid_grant");
    }
    let tokens = harness.post("/token", &right).await.value();
    for form in &wrong {
        assert_eq!(harness.post("/token", form).await.error(), "invalid_grant");
    }
    let token = tokens["access_token"].as_str().unwrap();
    assert!(
        harness.bearer(RESOURCE, token).await.is_ok(),
        "nothing is revoked"
    );
}

#[tokio::test]
async fn o3_of_many_who_redeem_a_code_one_succeeds() {
    let harness = Harness::new();
    let client = harness.client().await;
    let code = harness.code(&client, "alice").await;
    let replica = harness.replica();
    let attempts = (0..100).map(|index| match index % 2 {
        0 => harness.redeem(&client, &code),
        _ => replica.redeem(&client, &code),
    });
    let replies = join_all(attempts).await;
    let successes = replies
        .iter()
        .filter(|reply| reply.status == StatusCode::OK);
    assert_eq!(successes.count(), 1);
}

#[tokio::test]
async fn o4_there_is_no_way_around_pkce() {
    let harness = Harness::new();
    let client = harness.client().await;
    let right = wanted(&client);
    let refused = [
        but(&right, "code_challenge", None),
        but(&right, "code_challenge_method", None),
        but(&right, "code_challenge_method", Some("plain")),
        but(
            &right,
            "code_challenge",
            Some(VERIFIER.trim_end_matches('k')),
        ),
        but(
            &right,
            "code_challenge",
            Some("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw+cM"),
        ),
    ];
    for query in refused {
        let reply = harness.asked(&query, "alice").await;
        assert_eq!(reply.parameter("error").as_deref(), Some("invalid_request"));
        assert!(reply.parameter("code").is_none());
    }
}

#[tokio::test]
async fn o5_a_refresh_token_is_of_no_use_to_another_client() {
    let harness = Harness::new();
    let (client, tokens) = harness.tokens("alice").await;
    let other = harness.client().await;
    let token = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(
        harness.refresh(&other, token).await.error(),
        "invalid_grant"
    );
    assert_eq!(harness.refresh(&client, token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn o20_a_refresh_token_that_comes_back_late_ends_the_family() {
    let harness = Harness::new();
    let (client, tokens) = harness.tokens("alice").await;
    let first = tokens["refresh_token"].as_str().unwrap();
    let second = harness.refresh(&client, first).await.value();
    harness.clock.advance(Duration::from_secs(29));
    let retried = harness.refresh(&client, first).await.value();
    assert_eq!(
        retried["refresh_token"], second["refresh_token"],
        "the same successor"
    );

    harness.clock.advance(Duration::from_secs(2));
    assert_eq!(
        harness.refresh(&client, first).await.error(),
        "invalid_grant"
    );
    let successor = second["refresh_token"].as_str().unwrap();
    assert_eq!(
        harness.refresh(&client, successor).await.error(),
        "invalid_grant"
    );
    for reply in [&second, &retried] {
        let token = reply["access_token"].as_str().unwrap();
        assert!(harness.bearer(RESOURCE, token).await.is_err());
    }
}

#[tokio::test]
async fn o21_of_many_who_refresh_all_get_the_same_family() {
    let harness = Harness::new();
    let (client, tokens) = harness.tokens("alice").await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let replica = harness.replica();
    let attempts = (0..100).map(|index| match index % 2 {
        0 => harness.refresh(&client, token),
        _ => replica.refresh(&client, token),
    });
    let replies: Vec<_> = join_all(attempts)
        .await
        .iter()
        .map(super::harness::Reply::value)
        .collect();
    let successors: std::collections::HashSet<_> = replies
        .iter()
        .map(|reply| reply["refresh_token"].as_str().unwrap())
        .collect();
    assert_eq!(successors.len(), 1);
    let next = harness
        .refresh(&client, successors.into_iter().next().unwrap())
        .await;
    assert_eq!(next.status, StatusCode::OK);
}

#[tokio::test]
async fn o29_what_is_in_the_store_is_of_no_use_alone() {
    let harness = Harness::new();
    let client = harness.client().await;
    let code = harness.code(&client, "alice").await;
    let mut secrets = vec![code.clone()];
    let tokens = harness.redeem(&client, &code).await.value();
    let metadata = json!({
        "redirect_uris": [super::harness::CALLBACK],
        "token_endpoint_auth_method": "client_secret_basic",
    });
    let confidential = harness.register(&metadata).await;
    for (document, name) in [
        (&tokens, "access_token"),
        (&tokens, "refresh_token"),
        (&confidential, "client_secret"),
        (&confidential, "registration_access_token"),
    ] {
        secrets.push(document[name].as_str().unwrap().to_owned());
    }
    let stored = harness.stored().await;
    assert!(stored.contains(&client), "{stored}");
    for secret in &secrets {
        let random = &secret[secret.len() - 43..];
        assert!(!stored.contains(random), "{secret} in {stored}");
    }
}

#[tokio::test]
async fn o22_a_refresh_token_grants_no_more_than_it_did() {
    let harness = Harness::new();
    let (client, tokens) = harness.tokens("alice").await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", &*client),
        ("refresh_token", refresh),
    ];
    let wider = [&form[..], &[("scope", "mcp mcp:admin")]].concat();
    assert_eq!(
        harness.post("/token", &wider).await.error(),
        "invalid_scope"
    );
    let elsewhere = [&form[..], &[("resource", super::harness::OTHER_RESOURCE)]].concat();
    assert_eq!(
        harness.post("/token", &elsewhere).await.error(),
        "invalid_target"
    );
    let reply = harness.post("/token", &form).await;
    assert_eq!(
        reply.status,
        StatusCode::OK,
        "mistakes do not cost the token"
    );
    assert_eq!(
        claims(reply.value()["access_token"].as_str().unwrap())["scope"],
        "mcp"
    );
}
