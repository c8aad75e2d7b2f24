//! Tokens with fewer scopes or resources than granted, and never with more.

use serde_json::json;

use super::harness::{
    CALLBACK, Harness, OTHER_RESOURCE, RESOURCE, but, claims, redemption, wanted,
};

const TOKEN: &str = "/api/auth/oauth2/token";

#[tokio::test]
async fn rfc_8707_a_token_is_for_what_was_asked_for() {
    let harness = Harness::new();
    let client = harness.client().await;
    let both = [&wanted(&client)[..], &[("resource", OTHER_RESOURCE)]].concat();
    let asked = harness.asked(&both, "olga").await;
    let decided = harness.decide(&asked, "olga", "allow").await;
    let code = decided.parameter("code").unwrap();
    let narrow = [
        &redemption(&client, &code)[..],
        &[("resource", OTHER_RESOURCE)],
    ]
    .concat();
    let tokens = harness.post(TOKEN, &narrow).await.value();
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(claims(token)["aud"], OTHER_RESOURCE);
    assert!(harness.bearer(OTHER_RESOURCE, token).await.is_ok());
    assert!(harness.bearer(RESOURCE, token).await.is_err());
    let refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", &*client),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ];
    let next = harness.post(TOKEN, &refresh).await.value();
    let said = claims(next["access_token"].as_str().unwrap());
    assert_eq!(said["aud"], json!([RESOURCE, OTHER_RESOURCE]));
    let slash = but(
        &wanted(&client),
        "resource",
        Some("https://gw.example.com/mcp/"),
    );
    let code = harness.asked(&slash, "olga").await.parameter("code");
    let code = code.unwrap();
    let tokens = harness.redeem(&client, &code).await.value();
    let said = claims(tokens["access_token"].as_str().unwrap());
    assert_eq!(said["aud"], RESOURCE, "in the one form that it has");
}

#[tokio::test]
async fn rfc_6749_a_refresh_token_may_be_narrowed_and_stays_what_it_was() {
    let harness = Harness::new();
    let client = harness.client().await;
    let query = but(&wanted(&client), "scope", Some("mcp mcp:admin"));
    let asked = harness.asked(&query, "alice").await;
    let code = harness.decide(&asked, "alice", "allow").await;
    let code = code.parameter("code").unwrap();
    let first = harness.redeem(&client, &code).await.value();
    let narrow = [
        ("grant_type", "refresh_token"),
        ("client_id", &*client),
        ("refresh_token", first["refresh_token"].as_str().unwrap()),
        ("scope", "mcp"),
    ];
    let second = harness.post(TOKEN, &narrow).await.value();
    assert_eq!(second["scope"], "mcp");
    assert_eq!(
        claims(second["access_token"].as_str().unwrap())["scope"],
        "mcp"
    );
    let third = harness
        .refresh(&client, second["refresh_token"].as_str().unwrap())
        .await;
    assert_eq!(third.value()["scope"], "mcp mcp:admin");
}

#[tokio::test]
async fn o5_a_token_of_another_client_tells_it_nothing() {
    let harness = Harness::new();
    let (_, tokens) = harness.tokens("alice").await;
    let other = harness.client().await;
    let token = tokens["refresh_token"].as_str().unwrap();
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", &*other),
        ("refresh_token", token),
    ];
    for more in [
        ("scope", "mcp mcp:admin"),
        ("resource", OTHER_RESOURCE),
        ("x", "y"),
    ] {
        let reply = harness.post(TOKEN, &[&form[..], &[more]].concat()).await;
        assert_eq!(reply.error(), "invalid_grant", "{more:?}");
    }
}

#[tokio::test]
async fn rfc_6749_a_refresh_token_is_for_clients_that_may_use_it() {
    let harness = Harness::new();
    let metadata = json!({ "redirect_uris": [CALLBACK], "grant_types": ["authorization_code"] });
    let registered = harness.register(&metadata).await;
    let client = registered["client_id"].as_str().unwrap();
    let query = but(&wanted(client), "scope", Some("mcp offline_access"));
    let asked = harness.asked(&query, "alice").await;
    let code = harness.decide(&asked, "alice", "allow").await;
    let tokens = harness
        .redeem(client, &code.parameter("code").unwrap())
        .await
        .value();
    assert!(tokens.get("refresh_token").is_none(), "{tokens}");
}
