//! Complete flows without errors.

use std::collections::HashSet;

use http::StatusCode;
use mcp_gateway_core::auth::AuthError;

use super::harness::{
    CALLBACK, Harness, ISSUER, OTHER_RESOURCE, RESOURCE, but, claims, encoded, machine, wanted,
};

#[tokio::test]
async fn a_person_lets_a_client_in() {
    let harness = Harness::new();
    let client = harness.client().await;

    let asked = harness.asked(&wanted(&client), "alice").await;
    for shown in ["ALICE", "client.example.com", "main", "Use the tools"] {
        assert!(asked.text.contains(shown), "{shown}: {}", asked.text);
    }
    let decided = harness.decide(&asked, "alice", "allow").await;
    assert!(decided.location().unwrap().as_str().starts_with(CALLBACK));
    assert_eq!(decided.parameter("state").as_deref(), Some("a b&c"));
    assert_eq!(decided.parameter("iss").as_deref(), Some(ISSUER));
    assert_eq!(decided.header("cache-control"), "no-store");

    let reply = harness
        .redeem(&client, &decided.parameter("code").unwrap())
        .await;
    assert_eq!(
        (reply.status, reply.header("cache-control")),
        (StatusCode::OK, "no-store")
    );
    let tokens = reply.value();
    assert_eq!(
        (&tokens["token_type"], &tokens["scope"]),
        (&"Bearer".into(), &"mcp".into())
    );
    let token = tokens["access_token"].as_str().unwrap();
    let said = claims(token);
    assert_eq!(
        (&said["iss"], &said["aud"]),
        (&ISSUER.into(), &RESOURCE.into())
    );
    assert_eq!(
        (&said["sub"], &said["client_id"]),
        (&"alice".into(), &client.as_str().into())
    );

    let principal = harness.bearer(RESOURCE, token).await.unwrap();
    assert_eq!(
        (principal.subject(), principal.client()),
        ("alice", Some(&*client))
    );
    assert_eq!(principal.scopes(), ["mcp".into()]);

    let refreshed = harness
        .refresh(&client, tokens["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(refreshed.status, StatusCode::OK, "{}", refreshed.text);
    harness.clock.advance(std::time::Duration::from_secs(3700));
    assert!(harness.bearer(RESOURCE, token).await.is_err(), "expired");
    let next = refreshed.value();
    let again = harness
        .refresh(&client, next["refresh_token"].as_str().unwrap())
        .await;
    assert!(
        harness
            .bearer(RESOURCE, again.value()["access_token"].as_str().unwrap())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_browser_that_nobody_has_logged_in_with_is_sent_to_log_in() {
    let harness = Harness::new();
    let client = harness.client().await;
    let query = encoded(&but(&wanted(&client), "prompt", Some("login")));
    for user in [None, Some("alice")] {
        let login = harness.get(&format!("/authorize?{query}"), user).await;
        assert_eq!(login.location().unwrap().path(), "/api/auth/login");
        let back = login.parameter("return_to").unwrap();
        assert!(
            back.starts_with("/authorize?") && !back.contains("prompt"),
            "{back}"
        );
        let asked = harness.get(&back, Some("alice")).await;
        assert_eq!(asked.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_client_that_says_little_gets_the_default() {
    let harness = Harness::new();
    let client = harness.client().await;
    let query = but(
        &but(&but(&wanted(&client), "scope", None), "resource", None),
        "state",
        None,
    );
    let asked = harness.asked(&query, "alice").await;
    let decided = harness.decide(&asked, "alice", "allow").await;
    assert_eq!(decided.parameter("state"), None);
    let reply = harness
        .redeem(&client, &decided.parameter("code").unwrap())
        .await
        .value();
    assert_eq!(reply["scope"], "mcp");
    assert_eq!(
        claims(reply["access_token"].as_str().unwrap())["aud"],
        RESOURCE
    );
}

#[tokio::test]
async fn a_machine_acts_for_itself() {
    let harness = Harness::new();
    harness.server.set_clients([machine("build", "s3cret")]);
    let form = [
        ("grant_type", "client_credentials"),
        ("resource", OTHER_RESOURCE),
    ];
    let basic = [("authorization", "Basic YnVpbGQ6czNjcmV0")];
    let reply = harness.post_with("/token", &form, &basic).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    let said = reply.value();
    assert!(said.get("refresh_token").is_none());
    assert_eq!(
        claims(said["access_token"].as_str().unwrap())["sub"],
        "build"
    );
}

#[tokio::test]
async fn what_a_person_has_agreed_to_can_be_taken_back() {
    let harness = Harness::new();
    let (client, tokens) = harness.tokens("alice").await;
    let (_, others) = harness.tokens("alice").await;
    let consents = harness.server.consents_of("alice").await.unwrap();
    assert_eq!(consents.len(), 2);
    harness
        .server
        .revoke_consent("alice", &client)
        .await
        .unwrap();
    let access = |tokens: &serde_json::Value| tokens["access_token"].as_str().unwrap().to_owned();
    let refused = harness.bearer(RESOURCE, &access(&tokens)).await;
    assert!(matches!(refused, Err(AuthError::InvalidToken)));
    let refreshed = harness
        .refresh(&client, tokens["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(refreshed.error(), "invalid_grant");
    assert!(harness.bearer(RESOURCE, &access(&others)).await.is_ok());
}

#[tokio::test]
async fn keys_rotate_without_logging_anybody_out() {
    let harness = Harness::new();
    let replica = harness.replica();
    let day = std::time::Duration::from_secs(24 * 3600);
    let (client, first) = harness.tokens("alice").await;
    let mut refresh = first["refresh_token"].as_str().unwrap().to_owned();
    let mut kids = HashSet::new();
    for age in 1..=91 {
        harness.clock.advance(day);
        let reply = harness.refresh(&client, &refresh).await.value();
        let Some(next) = reply["refresh_token"].as_str() else {
            assert_eq!(
                (age, kids.len()),
                (90, 3),
                "a grant lasts for 90 days, a key for 30"
            );
            return;
        };
        let token = reply["access_token"].as_str().unwrap();
        assert!(harness.bearer(RESOURCE, token).await.is_ok());
        assert!(replica.bearer(RESOURCE, token).await.is_ok());
        kids.insert(token.split('.').next().unwrap().to_owned());
        refresh = next.to_owned();
    }
    unreachable!("a grant lasts for 90 days");
}
