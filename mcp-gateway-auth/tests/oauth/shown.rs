//! Pages and headers for browsers.

use http::{Method, StatusCode};
use serde_json::json;

use super::harness::{CALLBACK, Harness, but, encoded, wanted};

const CONSENT: &str = "/api/auth/oauth2/consent";

#[tokio::test]
async fn o13_the_page_cannot_be_framed_and_its_form_leads_home() {
    let harness = Harness::new();
    let client = harness.client().await;
    let pages = [
        harness.asked(&wanted(&client), "alice").await,
        harness.asked(&wanted("nobody"), "alice").await,
        harness.post(CONSENT, &[]).await,
    ];
    for page in &pages {
        let policy = page.header("content-security-policy");
        for part in [
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'self'",
        ] {
            assert!(policy.contains(part), "{policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(page.header("x-frame-options"), "DENY");
        assert_eq!(page.header("cache-control"), "no-store");
        assert_eq!(page.header("referrer-policy"), "no-referrer");
        assert_eq!(page.header("x-content-type-options"), "nosniff");
    }
    let policy = pages[0].header("content-security-policy");
    assert!(policy.contains("form-action 'self' https://client.example.com;"));
    assert!(
        !pages[1]
            .header("content-security-policy")
            .contains("client.example.com")
    );
}

#[tokio::test]
async fn o17_what_a_client_says_of_itself_is_shown_as_text() {
    let harness = Harness::new();
    let evil = "<script>alert(1)</script>\" onload=\"x\u{202e}gnp.exe\u{0}\r\nReal Bank";
    let long = "x".repeat(2000);
    for name in [evil, &long] {
        let metadata = json!({
            "redirect_uris": [CALLBACK],
            "client_name": name,
            "client_uri": "https://client.example.com/\"><script>alert(2)</script>",
            "policy_uri": "https://client.example.com/'><script>",
        });
        let registered = harness.register(&metadata).await;
        let client = registered["client_id"].as_str().unwrap();
        let page = harness.asked(&wanted(client), "<img src=x>").await;
        assert_eq!(page.status, StatusCode::OK);
        for raw in ["<script", "\" onload", "\u{202e}", "\u{0}", "<img", "<IMG"] {
            assert!(!page.text.contains(raw), "{raw:?}: {}", page.text);
        }
        assert!(!page.text.contains(&"x".repeat(300)));
    }
    for (name, value) in [
        ("client_id", "<script>alert(1)</script>"),
        ("redirect_uri", "https://x/<script>alert(1)</script>"),
        ("scope", "<script>"),
        ("<script>", "a"),
    ] {
        let client = harness.client().await;
        let query = but(&wanted(&client), name, Some(value));
        let page = harness.asked(&query, "alice").await;
        assert!(!page.text.contains("<script>"), "{name}: {}", page.text);
    }
}

#[tokio::test]
async fn o17_links_that_a_client_registers_are_links_of_the_web() {
    let harness = Harness::new();
    for name in [
        "client_uri",
        "logo_uri",
        "tos_uri",
        "policy_uri",
        "jwks_uri",
    ] {
        for uri in ["javascript:alert(1)", "data:text/html,x", "file:///x", "x"] {
            let metadata = json!({ "redirect_uris": [CALLBACK], name: uri });
            let reply = harness
                .json(Method::POST, "/register", None, &metadata)
                .await;
            assert_eq!(reply.error(), "invalid_client_metadata", "{name}: {uri}");
        }
    }
    let metadata = json!({
        "redirect_uris": [CALLBACK],
        "token_endpoint_auth_method": "private_key_jwt",
        "jwks_uri": "http://client.example.com/jwks",
    });
    let reply = harness
        .json(Method::POST, "/register", None, &metadata)
        .await;
    assert_eq!(reply.error(), "invalid_client_metadata", "keys over http");
}

#[tokio::test]
async fn o40_scripts_of_other_hosts_cannot_read_the_pages() {
    let harness = Harness::new();
    let client = harness.client().await;
    let path = format!("/authorize?{}", encoded(&wanted(&client)));
    let request = http::Request::get(&path)
        .header("origin", "https://evil.com")
        .header("cookie", "user=alice");
    let page = harness
        .send(request.body(axum::body::Body::empty()).unwrap())
        .await;
    assert!(page.header("access-control-allow-origin").is_empty());
    let preflight = http::Request::options(CONSENT)
        .header("origin", "https://evil.com")
        .header("access-control-request-method", "POST");
    let reply = harness
        .send(preflight.body(axum::body::Body::empty()).unwrap())
        .await;
    assert!(reply.header("access-control-allow-origin").is_empty());
}

#[tokio::test]
async fn o45_a_code_is_in_no_cache_and_of_no_use_twice() {
    let harness = Harness::new();
    let client = harness.client().await;
    let asked = harness.asked(&wanted(&client), "alice").await;
    let decided = harness.decide(&asked, "alice", "allow").await;
    for reply in [&asked, &decided] {
        assert_eq!(reply.header("cache-control"), "no-store");
        assert_eq!(reply.header("referrer-policy"), "no-referrer");
    }
    let location = decided.location().unwrap();
    assert!(location.fragment().is_none());
    assert!(decided.parameter("access_token").is_none());
    let code = decided.parameter("code").unwrap();
    assert_eq!(harness.redeem(&client, &code).await.status, StatusCode::OK);
    assert_eq!(
        harness.redeem(&client, &code).await.error(),
        "invalid_grant"
    );
}

#[tokio::test]
async fn o46_no_redirect_makes_a_browser_send_a_form_again() {
    let harness = Harness::new();
    let client = harness.client().await;
    let asked = harness.asked(&wanted(&client), "alice").await;
    let again = harness.asked(&wanted(&client), "alice").await;
    let bad = but(&wanted(&client), "scope", Some("x"));
    for reply in [
        harness.decide(&asked, "alice", "allow").await,
        harness.decide(&again, "alice", "deny").await,
        harness.asked(&bad, "alice").await,
        harness
            .get(&format!("/authorize?{}", encoded(&wanted(&client))), None)
            .await,
    ] {
        assert_eq!(reply.status, StatusCode::SEE_OTHER);
    }
}
