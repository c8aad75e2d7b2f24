//! The consent page and its submission.

use std::time::Duration;

use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::json;

use super::rig::{CALLBACK, Harness, RESOURCE, Reply, but, wanted};

const CONSENT: &str = "/api/auth/oauth2/consent";

/// Returns the response to a form that `user` submits from `origin`.
async fn sent(rig: &Harness, user: &str, form: &[(&str, &str)], headers: &[(&str, &str)]) -> Reply {
    let cookie = format!("user={user}");
    let headers = [&[("cookie", &*cookie)], headers].concat();
    rig.post_with(CONSENT, form, &headers).await
}

async fn has_consents(rig: &Harness) -> bool {
    let stored = rig.stored().await;
    stored.contains("auth/consent/") || stored.contains("auth/grant/")
}

#[tokio::test]
async fn o12_an_answer_that_no_question_was_put_for_is_refused() {
    let rig = Harness::new();
    let client = rig.client().await;
    let asked = rig.asked(&wanted(&client), "alice").await;
    let sealed = asked.field("request");
    let mut changed = sealed.clone();
    let middle = changed.len() / 2;
    let flipped = if &changed[middle..=middle] == "A" {
        "B"
    } else {
        "A"
    };
    changed.replace_range(middle..=middle, flipped);
    let elsewhere = Harness::new();
    let foreign = elsewhere.client().await;
    let foreign = elsewhere.asked(&wanted(&foreign), "alice").await;
    let foreign = foreign.field("request");
    for form in [
        vec![("decision", "allow")],
        vec![("request", ""), ("decision", "allow")],
        vec![("request", "forged"), ("decision", "allow")],
        vec![("request", &*changed), ("decision", "allow")],
        vec![("request", &*foreign), ("decision", "allow")],
        vec![("request", &*sealed)],
        vec![("request", &*sealed), ("decision", "")],
        vec![("request", &*sealed), ("decision", "maybe")],
        vec![("client_id", &*client), ("decision", "allow")],
    ] {
        let reply = sent(&rig, "alice", &form, &[]).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{form:?}");
        assert!(reply.location().is_none());
    }
    assert!(!has_consents(&rig).await);
}

#[tokio::test]
async fn o12_a_question_is_for_one_session_alone() {
    let rig = Harness::new();
    let client = rig.client().await;
    let asked = rig.asked(&wanted(&client), "mallory").await;
    let sealed = asked.field("request");
    let form = [("request", &*sealed), ("decision", "allow")];
    let reply = sent(&rig, "alice", &form, &[]).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    let nobody = rig.post(CONSENT, &form).await;
    assert_eq!(nobody.status, StatusCode::FORBIDDEN);
    assert!(!has_consents(&rig).await);
}

#[tokio::test]
async fn o12_a_question_is_answered_once() {
    let rig = Harness::new();
    let client = rig.client().await;
    for first in ["allow", "deny"] {
        let query = but(&wanted(&client), "prompt", Some("consent"));
        let asked = rig.asked(&query, "alice").await;
        let answered = rig.decide(&asked, "alice", first).await;
        assert!(answered.location().is_some());
        for second in ["allow", "deny"] {
            let reply = rig.decide(&asked, "alice", second).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{first}, {second}");
        }
    }
}

#[tokio::test]
async fn o12_what_was_agreed_to_is_what_was_shown() {
    let rig = Harness::new();
    let registered = rig.register(&json!({ "redirect_uris": [CALLBACK] })).await;
    let (client, token) = (
        registered["client_id"].as_str().unwrap(),
        registered["registration_access_token"].as_str().unwrap(),
    );
    for changed in [
        json!({ "client_id": client, "redirect_uris": [CALLBACK], "client_name": "Your bank" }),
        json!({ "client_id": client, "redirect_uris": ["https://evil.com/cb"] }),
        json!({ "client_id": client, "redirect_uris": [CALLBACK, "https://evil.com/cb"] }),
    ] {
        let asked = rig.asked(&wanted(client), "alice").await;
        let path = format!("/api/auth/oauth2/register/{client}");
        let put = rig.json(Method::PUT, &path, Some(token), &changed).await;
        assert_eq!(put.status, StatusCode::OK, "{}", put.text);
        let reply = rig.decide(&asked, "alice", "allow").await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{changed}");
        let back = json!({ "client_id": client, "redirect_uris": [CALLBACK] });
        rig.json(Method::PUT, &path, Some(token), &back).await;
    }
    let asked = rig.asked(&wanted(client), "alice").await;
    rig.json(
        Method::DELETE,
        &format!("/api/auth/oauth2/register/{client}"),
        Some(token),
        &json!(null),
    )
    .await;
    let reply = rig.decide(&asked, "alice", "allow").await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "the client is gone");
    assert!(!has_consents(&rig).await);
}

#[tokio::test]
async fn o12_fields_beside_the_question_change_nothing() {
    let rig = Harness::new();
    let client = rig.client().await;
    let asked = rig.asked(&wanted(&client), "alice").await;
    let sealed = asked.field("request");
    let form = [
        ("request", &*sealed),
        ("decision", "allow"),
        ("scope", "mcp mcp:admin"),
        ("redirect_uri", "https://evil.com/"),
        ("client_id", "other"),
        ("user", "mallory"),
    ];
    let reply = sent(&rig, "alice", &form, &[]).await;
    assert!(reply.location().unwrap().as_str().starts_with(CALLBACK));
    let code = reply.parameter("code").unwrap();
    let tokens = rig.redeem(&client, &code).await.value();
    assert_eq!(tokens["scope"], "mcp");
    let twice = [
        ("request", &*sealed),
        ("request", "x"),
        ("decision", "allow"),
    ];
    let reply = sent(&rig, "alice", &twice, &[]).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn o15_consent_is_for_one_person_client_scope_resource_and_redirect() {
    let rig = Harness::new();
    let other = "https://client.example.com/other";
    let metadata = json!({ "redirect_uris": [CALLBACK, other] });
    let client = rig.register(&metadata).await["client_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let second = rig.client().await;
    rig.code(&client, "olga").await;
    let right = wanted(&client);
    let covered = rig.asked(&right, "olga").await;
    assert!(covered.parameter("code").is_some());
    for (query, user) in [
        (right.clone(), "bob"),
        (wanted(&second), "olga"),
        (but(&right, "scope", Some("mcp mcp:admin")), "olga"),
        (but(&right, "scope", Some("mcp offline_access")), "olga"),
        (
            but(&right, "resource", Some(super::rig::OTHER_RESOURCE)),
            "olga",
        ),
        (but(&right, "redirect_uri", Some(other)), "olga"),
    ] {
        let reply = rig.asked(&query, user).await;
        assert_eq!(reply.status, StatusCode::OK, "{query:?}");
        assert!(reply.location().is_none());
    }
    rig.server.revoke_consent("olga", &client).await.unwrap();
    assert_eq!(rig.asked(&right, "olga").await.status, StatusCode::OK);
}

#[tokio::test]
async fn o16_two_tabs_are_two_questions() {
    let rig = Harness::new();
    let client = rig.client().await;
    let first = rig.asked(&wanted(&client), "alice").await;
    let query = but(&wanted(&client), "state", Some("second"));
    let second = rig.asked(&query, "alice").await;
    let late = rig.decide(&second, "alice", "allow").await;
    let early = rig.decide(&first, "alice", "allow").await;
    assert_eq!(late.parameter("state").as_deref(), Some("second"));
    assert_eq!(early.parameter("state").as_deref(), Some("a b&c"));
    for reply in [late, early] {
        let code = reply.parameter("code").unwrap();
        assert_eq!(rig.redeem(&client, &code).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn o16_of_many_clicks_on_one_page_one_counts() {
    let rig = Harness::new();
    let replica = rig.replica();
    let client = rig.client().await;
    let asked = rig.asked(&wanted(&client), "alice").await;
    let clicks = (0..50).map(|index| match index % 2 {
        0 => rig.decide(&asked, "alice", "allow"),
        _ => replica.decide(&asked, "alice", "allow"),
    });
    let replies = join_all(clicks).await;
    let codes = replies.iter().filter(|reply| reply.location().is_some());
    assert_eq!(codes.count(), 1);
}

#[tokio::test]
async fn o40_an_answer_comes_from_a_page_of_ours() {
    let rig = Harness::new();
    let client = rig.client().await;
    let asked = rig.asked(&wanted(&client), "alice").await;
    let sealed = asked.field("request");
    let form = [("request", &*sealed), ("decision", "allow")];
    for headers in [
        [("origin", "https://evil.com")],
        [("origin", "http://gw.example.com")],
        [("origin", "https://gw.example.com:8443")],
        [("origin", "https://gw.example.com.evil.com")],
        [("sec-fetch-site", "cross-site")],
        [("sec-fetch-site", "same-site")],
        [("sec-fetch-site", "none")],
    ] {
        let reply = sent(&rig, "alice", &form, &headers).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{headers:?}");
    }
    assert!(!has_consents(&rig).await);
    let headers = [
        ("origin", "https://gw.example.com"),
        ("sec-fetch-site", "same-origin"),
    ];
    let reply = sent(&rig, "alice", &form, &headers).await;
    assert!(reply.parameter("code").is_some());
}

#[tokio::test]
async fn o49_steps_out_of_order_are_refused() {
    let rig = Harness::new();
    let client = rig.client().await;
    let asked = rig.asked(&wanted(&client), "alice").await;
    let denied = rig.decide(&asked, "alice", "deny").await;
    assert_eq!(
        denied.parameter("error").as_deref(),
        Some("access_denied"),
        "{denied:?}"
    );
    assert_eq!(denied.parameter("state").as_deref(), Some("a b&c"));
    assert!(denied.parameter("code").is_none());
    assert!(!has_consents(&rig).await);

    let asked = rig.asked(&wanted(&client), "alice").await;
    rig.clock.advance(Duration::from_secs(600));
    let late = rig.decide(&asked, "alice", "allow").await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);

    let code = rig.code(&client, "alice").await;
    rig.clock.advance(Duration::from_secs(60));
    assert_eq!(rig.redeem(&client, &code).await.error(), "invalid_grant");

    let asked = rig.asked(&wanted(&client), "bob").await;
    rig.login_provider
        .removed
        .lock()
        .unwrap()
        .insert("bob".to_owned());
    let reply = rig.decide(&asked, "bob", "allow").await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "removed meanwhile");
}

#[tokio::test]
async fn o44_what_a_team_has_is_not_asked_of_others() {
    let rig = Harness::new();
    let client = rig.client().await;
    let query = but(
        &wanted(&client),
        "resource",
        Some(super::rig::OTHER_RESOURCE),
    );
    let reply = rig.asked(&query, "alice").await;
    assert_eq!(reply.parameter("error").as_deref(), Some("invalid_target"));
    assert_eq!(rig.asked(&query, "olga").await.status, StatusCode::OK);
    let both = [&query[..], &[("resource", RESOURCE)]].concat();
    let reply = rig.asked(&both, "alice").await;
    assert_eq!(reply.parameter("error").as_deref(), Some("invalid_target"));
}
