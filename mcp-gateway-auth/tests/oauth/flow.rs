//! Complete flows without errors.

use std::collections::HashSet;

use http::StatusCode;
use mcp_gateway_core::auth::AuthError;

use super::rig::{
    CALLBACK, Harness, ISSUER, OTHER_RESOURCE, RESOURCE, but, claims, encoded, machine, wanted,
};

#[tokio::test]
async fn a_person_lets_a_client_in() {
    let rig = Harness::new();
    let client = rig.client().await;

    let asked = rig.asked(&wanted(&client), "alice").await;
    for shown in ["ALICE", "client.example.com", "main", "Use the tools"] {
        assert!(asked.text.contains(shown), "{shown}: {}", asked.text);
    }
    let decided = rig.decide(&asked, "alice", "allow").await;
    assert!(decided.location().unwrap().as_str().starts_with(CALLBACK));
    assert_eq!(decided.parameter("state").as_deref(), Some("a b&c"));
    assert_eq!(decided.parameter("iss").as_deref(), Some(ISSUER));
    assert_eq!(decided.header("cache-control"), "no-store");

    let reply = rig
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

    let principal = rig.bearer(RESOURCE, token).await.unwrap();
    assert_eq!(
        (principal.subject(), principal.client()),
        ("alice", Some(&*client))
    );
    assert_eq!(principal.scopes(), ["mcp".into()]);

    let refreshed = rig
        .refresh(&client, tokens["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(refreshed.status, StatusCode::OK, "{}", refreshed.text);
    rig.clock.advance(std::time::Duration::from_secs(3700));
    assert!(rig.bearer(RESOURCE, token).await.is_err(), "expired");
    let next = refreshed.value();
    let again = rig
        .refresh(&client, next["refresh_token"].as_str().unwrap())
        .await;
    assert!(
        rig.bearer(RESOURCE, again.value()["access_token"].as_str().unwrap())
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_browser_that_nobody_has_logged_in_with_is_sent_to_log_in() {
    let rig = Harness::new();
    let client = rig.client().await;
    let query = encoded(&but(&wanted(&client), "prompt", Some("login")));
    for user in [None, Some("alice")] {
        let login = rig.get(&format!("/authorize?{query}"), user).await;
        assert_eq!(login.location().unwrap().path(), "/api/auth/login");
        let back = login.parameter("return_to").unwrap();
        assert!(
            back.starts_with("/authorize?") && !back.contains("prompt"),
            "{back}"
        );
        let asked = rig.get(&back, Some("alice")).await;
        assert_eq!(asked.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn a_client_that_says_little_gets_the_default() {
    let rig = Harness::new();
    let client = rig.client().await;
    let query = but(
        &but(&but(&wanted(&client), "scope", None), "resource", None),
        "state",
        None,
    );
    let asked = rig.asked(&query, "alice").await;
    let decided = rig.decide(&asked, "alice", "allow").await;
    assert_eq!(decided.parameter("state"), None);
    let reply = rig
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
    let rig = Harness::new();
    rig.server.set_clients([machine("build", "s3cret")]);
    let form = [
        ("grant_type", "client_credentials"),
        ("resource", OTHER_RESOURCE),
    ];
    let basic = [("authorization", "Basic YnVpbGQ6czNjcmV0")];
    let reply = rig.post_with("/token", &form, &basic).await;
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
    let rig = Harness::new();
    let (client, tokens) = rig.tokens("alice").await;
    let (_, others) = rig.tokens("alice").await;
    let consents = rig.server.consents_of("alice").await.unwrap();
    assert_eq!(consents.len(), 2);
    rig.server.revoke_consent("alice", &client).await.unwrap();
    let access = |tokens: &serde_json::Value| tokens["access_token"].as_str().unwrap().to_owned();
    let refused = rig.bearer(RESOURCE, &access(&tokens)).await;
    assert!(matches!(refused, Err(AuthError::InvalidToken)));
    let refreshed = rig
        .refresh(&client, tokens["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(refreshed.error(), "invalid_grant");
    assert!(rig.bearer(RESOURCE, &access(&others)).await.is_ok());
}

#[tokio::test]
async fn keys_rotate_without_logging_anybody_out() {
    let rig = Harness::new();
    let replica = rig.replica();
    let day = std::time::Duration::from_secs(24 * 3600);
    let (client, first) = rig.tokens("alice").await;
    let mut refresh = first["refresh_token"].as_str().unwrap().to_owned();
    let mut kids = HashSet::new();
    for age in 1..=91 {
        rig.clock.advance(day);
        let reply = rig.refresh(&client, &refresh).await.value();
        let Some(next) = reply["refresh_token"].as_str() else {
            assert_eq!(
                (age, kids.len()),
                (90, 3),
                "a grant lasts for 90 days, a key for 30"
            );
            return;
        };
        let token = reply["access_token"].as_str().unwrap();
        assert!(rig.bearer(RESOURCE, token).await.is_ok());
        assert!(replica.bearer(RESOURCE, token).await.is_ok());
        kids.insert(token.split('.').next().unwrap().to_owned());
        refresh = next.to_owned();
    }
    unreachable!("a grant lasts for 90 days");
}
