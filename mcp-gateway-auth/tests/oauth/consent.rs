//! The consent page and its submission.

use std::time::Duration;

use futures_util::future::join_all;
use http::{Method, StatusCode};
use serde_json::json;

use super::harness::{CALLBACK, Harness, RESOURCE, Reply, but, wanted};

const CONSENT: &str = "/api/auth/oauth2/consent";

/// Returns the response to a form that `user` submits from `origin`.
async fn sent(
    harness: &Harness,
    user: &str,
    form: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> Reply {
    let cookie = format!("user={user}");
    let headers = [&[("cookie", &*cookie)], headers].concat();
    harness.post_with(CONSENT, form, &headers).await
}

async fn has_consents(harness: &Harness) -> bool {
    let stored = harness.stored().await;
    stored.contains("auth/consent/") || stored.contains("auth/grant/")
}

#[tokio::test]
async fn o12_an_answer_that_no_question_was_put_for_is_refused() {
    let harness = Harness::new();
    let client = harness.client().await;
    let asked = harness.asked(&wanted(&client), "alice").await;
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
        let reply = sent(&harness, "alice", &form, &[]).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{form:?}");
        assert!(reply.location().is_none());
    }
    assert!(!has_consents(&harness).await);
}

#[tokio::test]
async fn o12_a_question_is_for_one_session_alone() {
    let harness = Harness::new();
    let client = harness.client().await;
    let asked = harness.asked(&wanted(&client), "mallory").await;
    let sealed = asked.field("request");
    let form = [("request", &*sealed), ("decision", "allow")];
    let reply = sent(&harness, "alice", &form, &[]).await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN);
    let nobody = harness.post(CONSENT, &form).await;
    assert_eq!(nobody.status, StatusCode::FORBIDDEN);
    assert!(!has_consents(&harness).await);
}

#[tokio::test]
async fn o12_a_question_is_answered_once() {
    let harness = Harness::new();
    let client = harness.client().await;
    for first in ["allow", "deny"] {
        let query = but(&wanted(&client), "prompt", Some("consent"));
        let asked = harness.asked(&query, "alice").await;
        let answered = harness.decide(&asked, "alice", first).await;
        assert!(answered.location().is_some());
        for second in ["allow", "deny"] {
            let reply = harness.decide(&asked, "alice", second).await;
            assert_eq!(reply.status, StatusCode::FORBIDDEN, "{first}, {second}");
        }
    }
}

#[tokio::test]
async fn o12_what_was_agreed_to_is_what_was_shown() {
    let harness = Harness::new();
    let registered = harness
        .register(&json!({ "redirect_uris": [CALLBACK] }))
        .await;
    let (client, token) = (
        registered["client_id"].as_str().unwrap(),
        registered["registration_access_token"].as_str().unwrap(),
    );
    for changed in [
        json!({ "client_id": client, "redirect_uris": [CALLBACK], "client_name": "Your bank" }),
        json!({ "client_id": client, "redirect_uris": ["https://evil.com/cb"] }),
        json!({ "client_id": client, "redirect_uris": [CALLBACK, "https://evil.com/cb"] }),
    ] {
        let asked = harness.asked(&wanted(client), "alice").await;
        let path = format!("/api/auth/oauth2/register/{client}");
        let put = harness
            .json(Method::PUT, &path, Some(token), &changed)
            .await;
        assert_eq!(put.status, StatusCode::OK, "{}", put.text);
        let reply = harness.decide(&asked, "alice", "allow").await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{changed}");
        let back = json!({ "client_id": client, "redirect_uris": [CALLBACK] });
        harness.json(Method::PUT, &path, Some(token), &back).await;
    }
    let asked = harness.asked(&wanted(client), "alice").await;
    harness
        .json(
            Method::DELETE,
            &format!("/api/auth/oauth2/register/{client}"),
            Some(token),
            &json!(null),
        )
        .await;
    let reply = harness.decide(&asked, "alice", "allow").await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "the client is gone");
    assert!(!has_consents(&harness).await);
}

#[tokio::test]
async fn o12_fields_beside_the_question_change_nothing() {
    let harness = Harness::new();
    let client = harness.client().await;
    let asked = harness.asked(&wanted(&client), "alice").await;
    let sealed = asked.field("request");
    let form = [
        ("request", &*sealed),
        ("decision", "allow"),
        ("scope", "mcp mcp:admin"),
        ("redirect_uri", "https://evil.com/"),
        ("client_id", "other"),
        ("user", "mallory"),
    ];
    let reply = sent(&harness, "alice", &form, &[]).await;
    assert!(reply.location().unwrap().as_str().starts_with(CALLBACK));
    let code = reply.parameter("code").unwrap();
    let tokens = harness.redeem(&client, &code).await.value();
    assert_eq!(tokens["scope"], "mcp");
    let twice = [
        ("request", &*sealed),
        ("request", "x"),
        ("decision", "allow"),
    ];
    let reply = sent(&harness, "alice", &twice, &[]).await;
    assert_eq!(reply.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn o15_consent_is_for_one_person_client_scope_resource_and_redirect() {
    let harness = Harness::new();
    let other = "https://client.example.com/other";
    let metadata = json!({ "redirect_uris": [CALLBACK, other] });
    let client = harness.register(&metadata).await["client_id"]
        .as_str()
        .unwrap()
        .to_owned();
    let second = harness.client().await;
    harness.code(&client, "olga").await;
    let right = wanted(&client);
    let covered = harness.asked(&right, "olga").await;
    assert!(covered.parameter("code").is_some());
    for (query, user) in [
        (right.clone(), "bob"),
        (wanted(&second), "olga"),
        (but(&right, "scope", Some("mcp mcp:admin")), "olga"),
        (but(&right, "scope", Some("mcp offline_access")), "olga"),
        (
            but(&right, "resource", Some(super::harness::OTHER_RESOURCE)),
            "olga",
        ),
        (but(&right, "redirect_uri", Some(other)), "olga"),
    ] {
        let reply = harness.asked(&query, user).await;
        assert_eq!(reply.status, StatusCode::OK, "{query:?}");
        assert!(reply.location().is_none());
    }
    harness
        .server
        .revoke_consent("olga", &client)
        .await
        .unwrap();
    assert_eq!(harness.asked(&right, "olga").await.status, StatusCode::OK);
}

#[tokio::test]
async fn o16_two_tabs_are_two_questions() {
    let harness = Harness::new();
    let client = harness.client().await;
    let first = harness.asked(&wanted(&client), "alice").await;
    let query = but(&wanted(&client), "state", Some("second"));
    let second = harness.asked(&query, "alice").await;
    let late = harness.decide(&second, "alice", "allow").await;
    let early = harness.decide(&first, "alice", "allow").await;
    assert_eq!(late.parameter("state").as_deref(), Some("second"));
    assert_eq!(early.parameter("state").as_deref(), Some("a b&c"));
    for reply in [late, early] {
        let code = reply.parameter("code").unwrap();
        assert_eq!(harness.redeem(&client, &code).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn o16_of_many_clicks_on_one_page_one_counts() {
    let harness = Harness::new();
    let replica = harness.replica();
    let client = harness.client().await;
    let asked = harness.asked(&wanted(&client), "alice").await;
    let clicks = (0..50).map(|index| match index % 2 {
        0 => harness.decide(&asked, "alice", "allow"),
        _ => replica.decide(&asked, "alice", "allow"),
    });
    let replies = join_all(clicks).await;
    let codes = replies.iter().filter(|reply| reply.location().is_some());
    assert_eq!(codes.count(), 1);
}

#[tokio::test]
async fn o40_an_answer_comes_from_a_page_of_ours() {
    let harness = Harness::new();
    let client = harness.client().await;
    let asked = harness.asked(&wanted(&client), "alice").await;
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
        let reply = sent(&harness, "alice", &form, &headers).await;
        assert_eq!(reply.status, StatusCode::FORBIDDEN, "{headers:?}");
    }
    assert!(!has_consents(&harness).await);
    let headers = [
        ("origin", "https://gw.example.com"),
        ("sec-fetch-site", "same-origin"),
    ];
    let reply = sent(&harness, "alice", &form, &headers).await;
    assert!(reply.parameter("code").is_some());
}

#[tokio::test]
async fn o49_steps_out_of_order_are_refused() {
    let harness = Harness::new();
    let client = harness.client().await;
    let asked = harness.asked(&wanted(&client), "alice").await;
    let denied = harness.decide(&asked, "alice", "deny").await;
    assert_eq!(
        denied.parameter("error").as_deref(),
        Some("access_denied"),
        "{denied:?}"
    );
    assert_eq!(denied.parameter("state").as_deref(), Some("a b&c"));
    assert!(denied.parameter("code").is_none());
    assert!(!has_consents(&harness).await);

    let asked = harness.asked(&wanted(&client), "alice").await;
    harness.clock.advance(Duration::from_secs(600));
    let late = harness.decide(&asked, "alice", "allow").await;
    assert_eq!(late.status, StatusCode::FORBIDDEN);

    let code = harness.code(&client, "alice").await;
    harness.clock.advance(Duration::from_secs(60));
    assert_eq!(
        harness.redeem(&client, &code).await.error(),
        "invalid_grant"
    );

    let asked = harness.asked(&wanted(&client), "bob").await;
    harness
        .login_provider
        .removed
        .lock()
        .unwrap()
        .insert("bob".to_owned());
    let reply = harness.decide(&asked, "bob", "allow").await;
    assert_eq!(reply.status, StatusCode::FORBIDDEN, "removed meanwhile");
}

#[tokio::test]
async fn o44_what_a_team_has_is_not_asked_of_others() {
    let harness = Harness::new();
    let client = harness.client().await;
    let query = but(
        &wanted(&client),
        "resource",
        Some(super::harness::OTHER_RESOURCE),
    );
    let reply = harness.asked(&query, "alice").await;
    assert_eq!(reply.parameter("error").as_deref(), Some("invalid_target"));
    assert_eq!(harness.asked(&query, "olga").await.status, StatusCode::OK);
    let both = [&query[..], &[("resource", RESOURCE)]].concat();
    let reply = harness.asked(&both, "alice").await;
    assert_eq!(reply.parameter("error").as_deref(), Some("invalid_target"));
}
