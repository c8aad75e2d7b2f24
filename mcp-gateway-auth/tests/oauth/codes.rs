//! Stolen and replayed authorization codes and refresh tokens.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use serde_json::json;

use super::rig::{Harness, RESOURCE, VERIFIER, but, claims, redemption, wanted};

#[tokio::test]
async fn o1_a_code_that_is_used_twice_revokes_what_it_was_exchanged_for() {
    let rig = Harness::new();
    let client = rig.client().await;
    let code = rig.code(&client, "alice").await;
    let tokens = rig.redeem(&client, &code).await.value();
    let token = tokens["access_token"].as_str().unwrap();
    assert!(rig.bearer(RESOURCE, token).await.is_ok());

    let again = rig.redeem(&client, &code).await;
    assert_eq!(
        (again.status, again.error().as_str()),
        (StatusCode::BAD_REQUEST, "invalid_grant")
    );
    assert!(rig.bearer(RESOURCE, token).await.is_err());
    let refreshed = rig
        .refresh(&client, tokens["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(refreshed.error(), "invalid_grant");
}

#[tokio::test]
async fn o2_whoever_knows_the_code_alone_changes_nothing() {
    let rig = Harness::new();
    let (client, other) = (rig.client().await, rig.client().await);
    let code = rig.code(&client, "alice").await;
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
        assert_eq!(rig.post("/token", form).await.error(), "invalid_grant");
    }
    let tokens = rig.post("/token", &right).await.value();
    for form in &wrong {
        assert_eq!(rig.post("/token", form).await.error(), "invalid_grant");
    }
    let token = tokens["access_token"].as_str().unwrap();
    assert!(
        rig.bearer(RESOURCE, token).await.is_ok(),
        "nothing is revoked"
    );
}

#[tokio::test]
async fn o3_of_many_who_redeem_a_code_one_succeeds() {
    let rig = Harness::new();
    let client = rig.client().await;
    let code = rig.code(&client, "alice").await;
    let replica = rig.replica();
    let attempts = (0..100).map(|index| match index % 2 {
        0 => rig.redeem(&client, &code),
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
    let rig = Harness::new();
    let client = rig.client().await;
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
        let reply = rig.asked(&query, "alice").await;
        assert_eq!(reply.parameter("error").as_deref(), Some("invalid_request"));
        assert!(reply.parameter("code").is_none());
    }
}

#[tokio::test]
async fn o5_a_refresh_token_is_of_no_use_to_another_client() {
    let rig = Harness::new();
    let (client, tokens) = rig.tokens("alice").await;
    let other = rig.client().await;
    let token = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(rig.refresh(&other, token).await.error(), "invalid_grant");
    assert_eq!(rig.refresh(&client, token).await.status, StatusCode::OK);
}

#[tokio::test]
async fn o20_a_refresh_token_that_comes_back_late_ends_the_family() {
    let rig = Harness::new();
    let (client, tokens) = rig.tokens("alice").await;
    let first = tokens["refresh_token"].as_str().unwrap();
    let second = rig.refresh(&client, first).await.value();
    rig.clock.advance(Duration::from_secs(29));
    let retried = rig.refresh(&client, first).await.value();
    assert_eq!(
        retried["refresh_token"], second["refresh_token"],
        "the same successor"
    );

    rig.clock.advance(Duration::from_secs(2));
    assert_eq!(rig.refresh(&client, first).await.error(), "invalid_grant");
    let successor = second["refresh_token"].as_str().unwrap();
    assert_eq!(
        rig.refresh(&client, successor).await.error(),
        "invalid_grant"
    );
    for reply in [&second, &retried] {
        let token = reply["access_token"].as_str().unwrap();
        assert!(rig.bearer(RESOURCE, token).await.is_err());
    }
}

#[tokio::test]
async fn o21_of_many_who_refresh_all_get_the_same_family() {
    let rig = Harness::new();
    let (client, tokens) = rig.tokens("alice").await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let replica = rig.replica();
    let attempts = (0..100).map(|index| match index % 2 {
        0 => rig.refresh(&client, token),
        _ => replica.refresh(&client, token),
    });
    let replies: Vec<_> = join_all(attempts)
        .await
        .iter()
        .map(super::rig::Reply::value)
        .collect();
    let successors: std::collections::HashSet<_> = replies
        .iter()
        .map(|reply| reply["refresh_token"].as_str().unwrap())
        .collect();
    assert_eq!(successors.len(), 1);
    let next = rig
        .refresh(&client, successors.into_iter().next().unwrap())
        .await;
    assert_eq!(next.status, StatusCode::OK);
}

#[tokio::test]
async fn o29_what_is_in_the_store_is_of_no_use_alone() {
    let rig = Harness::new();
    let client = rig.client().await;
    let code = rig.code(&client, "alice").await;
    let mut secrets = vec![code.clone()];
    let tokens = rig.redeem(&client, &code).await.value();
    let metadata = json!({
        "redirect_uris": [super::rig::CALLBACK],
        "token_endpoint_auth_method": "client_secret_basic",
    });
    let confidential = rig.register(&metadata).await;
    for (document, name) in [
        (&tokens, "access_token"),
        (&tokens, "refresh_token"),
        (&confidential, "client_secret"),
        (&confidential, "registration_access_token"),
    ] {
        secrets.push(document[name].as_str().unwrap().to_owned());
    }
    let stored = rig.stored().await;
    assert!(stored.contains(&client), "{stored}");
    for secret in &secrets {
        let random = &secret[secret.len() - 43..];
        assert!(!stored.contains(random), "{secret} in {stored}");
    }
}

#[tokio::test]
async fn o22_a_refresh_token_grants_no_more_than_it_did() {
    let rig = Harness::new();
    let (client, tokens) = rig.tokens("alice").await;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", &*client),
        ("refresh_token", refresh),
    ];
    let wider = [&form[..], &[("scope", "mcp mcp:admin")]].concat();
    assert_eq!(rig.post("/token", &wider).await.error(), "invalid_scope");
    let elsewhere = [&form[..], &[("resource", super::rig::OTHER_RESOURCE)]].concat();
    assert_eq!(
        rig.post("/token", &elsewhere).await.error(),
        "invalid_target"
    );
    let reply = rig.post("/token", &form).await;
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
