//! Token introspection (RFC 7662) and revocation (RFC 7009).

use std::sync::atomic::Ordering;
use std::time::Duration;

use http::StatusCode;
use mcp_gateway_auth::server::Resource;
use mcp_gateway_core::auth::AuthError;
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::harness::{
    Harness, ISSUER, OTHER_RESOURCE, RESOURCE, Reply, but, claims, machine, resources, wanted,
};

const INTROSPECT: &str = "/api/auth/oauth2/introspect";
const REVOKE: &str = "/api/auth/oauth2/revoke";

/// The resource server `rs`, and another configured client.
const RS: (&str, &str) = ("authorization", "Basic cnM6czNjcmV0");
const BUILD: (&str, &str) = ("authorization", "Basic YnVpbGQ6czNjcmV0");

fn harness() -> Harness {
    let harness = Harness::new();
    harness.server.set_clients([
        machine("rs", "s3cret").with_introspection(),
        machine("build", "s3cret"),
    ]);
    harness
}

async fn introspect(harness: &Harness, token: &str, caller: (&str, &str)) -> Reply {
    harness
        .post_with(INTROSPECT, &[("token", token)], &[caller])
        .await
}

async fn is_active(harness: &Harness, token: &str) -> bool {
    let reply = introspect(harness, token, RS).await.value();
    match reply["active"].as_bool() {
        Some(true) => true,
        _ => {
            assert_eq!(reply, json!({ "active": false }), "and nothing else");
            false
        }
    }
}

#[tokio::test]
async fn rfc_7662_a_resource_server_is_told_about_tokens() {
    let harness = harness();
    let (client, tokens) = harness.tokens("alice").await;
    let access = tokens["access_token"].as_str().unwrap();
    let reply = introspect(&harness, access, RS).await;
    assert_eq!(
        (reply.header("cache-control"), reply.header("content-type")),
        ("no-store", "application/json")
    );
    let said = reply.value();
    for (name, value) in [
        ("active", json!(true)),
        ("scope", json!("mcp")),
        ("client_id", json!(client)),
        ("username", json!("ALICE")),
        ("token_type", json!("Bearer")),
        ("sub", json!("alice")),
        ("aud", json!(RESOURCE)),
        ("iss", json!(ISSUER)),
        ("jti", claims(access)["jti"].clone()),
        ("iat", json!(harness.clock.now())),
        ("exp", json!(harness.clock.now() + 3600)),
    ] {
        assert_eq!(said[name], value, "{name}");
    }
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let said = introspect(&harness, refresh, RS).await.value();
    assert_eq!(
        (&said["active"], &said["sub"]),
        (&json!(true), &json!("alice"))
    );
    harness.clock.advance(Duration::from_secs(3700));
    assert!(!is_active(&harness, access).await, "expired");
}

#[tokio::test]
async fn rfc_7662_others_are_told_nothing() {
    let harness = harness();
    let (client, tokens) = harness.tokens("alice").await;
    for name in ["access_token", "refresh_token"] {
        let token = tokens[name].as_str().unwrap();
        let reply = introspect(&harness, token, BUILD).await;
        assert_eq!(reply.value(), json!({ "active": false }), "{name}");
        let form = [("token", token)];
        let reply = harness.post(INTROSPECT, &form).await;
        assert!(reply.is_error(401, "invalid_client"), "{reply:?}");
        let reply = harness
            .post(INTROSPECT, &[("token", token), ("client_id", &client)])
            .await;
        assert!(reply.is_error(401, "invalid_client"), "{reply:?}");
        let wrong = ("authorization", "Basic cnM6eA==");
        let reply = introspect(&harness, token, wrong).await;
        assert!(reply.is_error(401, "invalid_client"), "{reply:?}");
        assert!(!reply.text.contains("active"));
    }
    let code = harness.code(&client, "bob").await;
    let changed = tokens["access_token"].as_str().unwrap().replace("ey", "eY");
    for token in ["x", "a.b.c", "\u{0}", &changed, &code] {
        assert!(!is_active(&harness, token).await, "{token}");
    }
    let reply = harness.post_with(INTROSPECT, &[], &[RS]).await;
    assert!(reply.is_error(400, "invalid_request"), "{reply:?}");
    let form = [("grant_type", "client_credentials")];
    let own = harness.post_with("/token", &form, &[BUILD]).await.value();
    let own = own["access_token"].as_str().unwrap();
    let said = introspect(&harness, own, BUILD).await.value();
    assert_eq!(said["active"], true, "its own");
}

#[tokio::test]
async fn rfc_7009_what_is_revoked_is_never_active_again() {
    let harness = harness();
    for (revoked, hint, both) in [
        ("access_token", None, false),
        ("access_token", Some("refresh_token"), false),
        ("refresh_token", None, true),
        ("refresh_token", Some("access_token"), true),
        ("refresh_token", Some("saml"), true),
    ] {
        let (client, tokens) = harness.tokens("alice").await;
        let access = tokens["access_token"].as_str().unwrap();
        let refresh = tokens["refresh_token"].as_str().unwrap();
        let mut form = vec![
            ("token", tokens[revoked].as_str().unwrap()),
            ("client_id", &client),
        ];
        form.extend(hint.map(|hint| ("token_type_hint", hint)));
        for _ in 0..2 {
            let reply = harness.post(REVOKE, &form).await;
            assert_eq!((reply.status, &*reply.text), (StatusCode::OK, ""));
            assert_eq!(reply.header("cache-control"), "no-store");
        }
        assert!(!is_active(&harness, access).await);
        assert!(harness.bearer(RESOURCE, access).await.is_err());
        assert_eq!(is_active(&harness, refresh).await, !both);
        assert_eq!(harness.refresh(&client, refresh).await.status == 200, !both);
    }
}

#[tokio::test]
async fn rfc_7009_a_token_of_another_client_stays_active() {
    let harness = harness();
    let (client, tokens) = harness.tokens("alice").await;
    let other = harness.client().await;
    for name in ["access_token", "refresh_token"] {
        let token = tokens[name].as_str().unwrap();
        let reply = harness
            .post(REVOKE, &[("token", token), ("client_id", &other)])
            .await;
        assert_eq!(reply.status, StatusCode::OK);
        let reply = harness
            .post_with(REVOKE, &[("token", token)], &[BUILD])
            .await;
        assert_eq!(reply.status, StatusCode::OK);
        assert!(is_active(&harness, token).await, "{name}");
        let reply = harness.post(REVOKE, &[("token", token)]).await;
        assert!(reply.is_error(401, "invalid_client"), "{reply:?}");
        let reply = harness
            .post(REVOKE, &[("token", token), ("client_id", "build")])
            .await;
        assert!(reply.is_error(401, "invalid_client"), "{reply:?}");
        assert!(is_active(&harness, token).await, "{name}");
    }
    let reply = harness.post(REVOKE, &[("client_id", &*client)]).await;
    assert!(reply.is_error(400, "invalid_request"), "{reply:?}");
    for garbage in ["x", "a.b.c", "\u{0}"] {
        let reply = harness
            .post(REVOKE, &[("token", garbage), ("client_id", &client)])
            .await;
        assert_eq!(reply.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn o48_a_token_for_one_resource_is_no_good_at_another() {
    let harness = harness();
    let client = harness.client().await;
    for (own, foreign) in [(RESOURCE, OTHER_RESOURCE), (OTHER_RESOURCE, RESOURCE)] {
        let query = but(&wanted(&client), "resource", Some(own));
        let asked = harness.asked(&query, "olga").await;
        let decided = harness.decide(&asked, "olga", "allow").await;
        let code = decided.parameter("code").unwrap();
        let tokens = harness.redeem(&client, &code).await.value();
        let access = tokens["access_token"].as_str().unwrap();
        assert!(harness.bearer(own, access).await.is_ok());
        let refused = harness.bearer(foreign, access).await;
        assert!(
            matches!(refused, Err(AuthError::InvalidToken)),
            "{refused:?}"
        );
        for other in [tokens["refresh_token"].as_str().unwrap(), &code] {
            assert!(harness.bearer(own, other).await.is_err());
        }
    }
}

#[tokio::test]
async fn o44_who_leaves_a_team_loses_what_it_has() {
    let harness = harness();
    let client = harness.client().await;
    let both = [&wanted(&client)[..], &[("resource", OTHER_RESOURCE)]].concat();
    let asked = harness.asked(&both, "olga").await;
    let code = harness
        .decide(&asked, "olga", "allow")
        .await
        .parameter("code");
    let tokens = harness.redeem(&client, &code.unwrap()).await.value();
    // From now on, it is restricted to a team without olga.
    let [main, ops] = resources();
    let moved = ops.with_teams(["sec".into()]);
    harness.server.set_resources([main, moved.clone()]);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let next = harness.refresh(&client, refresh).await.value();
    let access = next["access_token"].as_str().unwrap();
    assert_eq!(claims(access)["aud"], RESOURCE);
    harness.server.set_resources([moved]);
    let refresh = next["refresh_token"].as_str().unwrap();
    let reply = harness.refresh(&client, refresh).await;
    assert!(reply.is_error(400, "invalid_target"), "{reply:?}");
    assert!(!is_active(&harness, access).await, "the resource is gone");
}

#[tokio::test]
async fn o44_a_server_of_another_tenant_knows_none_of_it() {
    let (harness, other) = (harness(), rig_of_another_tenant());
    let (client, tokens) = harness.tokens("alice").await;
    let access = tokens["access_token"].as_str().unwrap();
    assert!(other.bearer(RESOURCE, access).await.is_err());
    assert!(!is_active(&other, access).await);
    assert!(!is_active(&other, tokens["refresh_token"].as_str().unwrap()).await);
    let reply = other.asked(&wanted(&client), "alice").await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
    let code = harness.code(&client, "alice").await;
    let foreign = other.client().await;
    assert_eq!(other.redeem(&foreign, &code).await.error(), "invalid_grant");
}

fn rig_of_another_tenant() -> Harness {
    let harness = harness();
    let resource = Resource::new(RESOURCE.parse().unwrap(), "theirs");
    harness.server.set_resources([resource]);
    harness
}

#[tokio::test]
async fn who_is_let_in_again_gets_new_tokens_and_no_old_one_back() {
    let harness = Harness::new();
    let replica = harness.replica();
    let token = async |harness: &Harness| {
        let form = [("grant_type", "client_credentials")];
        let reply = harness.post_with("/token", &form, &[BUILD]).await;
        let token = reply.value()["access_token"].as_str().map(str::to_owned);
        token.unwrap()
    };
    harness
        .server
        .create_client(machine("build", "s3cret"))
        .await
        .unwrap();
    let old = token(&harness).await;
    assert!(harness.bearer(RESOURCE, &old).await.is_ok());
    harness.clock.advance(Duration::from_secs(1));
    harness.server.delete_client("build").await.unwrap();
    harness.clock.advance(Duration::from_secs(1));
    harness
        .server
        .create_client(machine("build", "s3cret"))
        .await
        .unwrap();
    let new = token(&harness).await;
    assert!(harness.bearer(RESOURCE, &old).await.is_err());
    assert!(harness.bearer(RESOURCE, &new).await.is_ok());
    let refused = async {
        while replica.bearer(RESOURCE, &old).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    let refused = timeout(Duration::from_secs(60), refused);
    tokio::select! {
        () = replica.server.maintain() => panic!("it goes on for as long as the server"),
        refused = refused => refused.unwrap(),
    }
    assert!(replica.bearer(RESOURCE, &new).await.is_ok());
}

#[tokio::test]
async fn rfc_7662_opaque_tokens_say_nothing_but_to_those_who_may_ask() {
    let harness = Harness::with(|builder| builder.with_opaque_access_tokens());
    harness
        .server
        .set_clients([machine("rs", "s3cret").with_introspection()]);
    let (client, tokens) = harness.tokens("alice").await;
    let token = tokens["access_token"].as_str().unwrap();
    assert!(token.starts_with("mcpa_") && !token.contains('.'));
    let principal = harness.bearer(RESOURCE, token).await.unwrap();
    assert_eq!(
        (principal.subject(), principal.client()),
        ("alice", Some(&*client))
    );
    assert!(harness.bearer(OTHER_RESOURCE, token).await.is_err());
    let described = harness
        .post_with(INTROSPECT, &[("token", token)], &[RS])
        .await;
    assert_eq!(described.value()["sub"], "alice");

    // Tokens from before and after the change are valid, and modified ones are not.
    let plain = harness.replica();
    assert!(plain.bearer(RESOURCE, token).await.is_ok());
    let (_, others) = plain.tokens("alice").await;
    let jwt = others["access_token"].as_str().unwrap();
    assert!(harness.bearer(RESOURCE, jwt).await.is_ok());
    for wrong in [
        "mcpa_",
        "mcpa_AAAA",
        &token[..token.len() - 4],
        &format!("mcpa_{jwt}"),
    ] {
        assert!(harness.bearer(RESOURCE, wrong).await.is_err(), "{wrong}");
    }

    let form = [("client_id", &*client), ("token", token)];
    assert_eq!(harness.post(REVOKE, &form).await.status, StatusCode::OK);
    assert!(harness.bearer(RESOURCE, token).await.is_err());
    let described = harness
        .post_with(INTROSPECT, &[("token", token)], &[RS])
        .await;
    assert_eq!(described.value(), json!({ "active": false }));
}

#[tokio::test]
async fn j31_a_token_of_a_team_that_its_user_has_left_is_rejected() {
    let harness = harness();
    let (client, tokens) = harness.tokens("olga").await;
    let access = tokens["access_token"].as_str().unwrap();
    let accepted = harness.bearer(RESOURCE, access).await.unwrap();
    assert_eq!(accepted.teams(), ["ops".into()]);
    assert!(is_active(&harness, access).await);
    harness.login_provider.left.store(true, Ordering::Relaxed);
    let rejected = harness.bearer(RESOURCE, access).await;
    assert!(matches!(rejected, Err(AuthError::InvalidToken)));
    assert!(!is_active(&harness, access).await);
    // The client gets a token without the team.
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let refreshed = harness.refresh(&client, refresh).await.value();
    let access = refreshed["access_token"].as_str().unwrap();
    assert!(
        harness
            .bearer(RESOURCE, access)
            .await
            .unwrap()
            .teams()
            .is_empty()
    );
}
