//! Redirect URIs that are accepted and rejected (RFC 9700, section 2.1).

use http::StatusCode;
use serde_json::json;

use super::harness::{CALLBACK, Harness, ISSUER, Reply, but, encoded, wanted};

/// Returns the response to an authorization request with `redirect_uri`.
async fn sent_to(harness: &Harness, client: &str, redirect_uri: &str) -> Reply {
    let query = but(&wanted(client), "redirect_uri", Some(redirect_uri));
    harness.asked(&query, "alice").await
}

async fn client_at(harness: &Harness, redirect_uris: &[&str]) -> String {
    let registered = harness
        .register(&json!({ "redirect_uris": redirect_uris }))
        .await;
    registered["client_id"].as_str().unwrap().to_owned()
}

fn is_page(reply: &Reply) -> bool {
    reply.status == StatusCode::BAD_REQUEST
        && reply.location().is_none()
        && reply.header("content-type").starts_with("text/html")
}

#[tokio::test]
async fn o6_a_redirect_that_was_not_registered_stays_on_a_page() {
    let harness = Harness::new();
    let client = harness.client().await;
    for wanted in [
        "https://client.example.com/callback/",
        "https://client.example.com/callback/more",
        "https://client.example.com/callbac",
        "https://client.example.com/Callback",
        "https://client.example.com/callback?x=1",
        "https://client.example.com/callback?",
        "https://client.example.com/callback#x",
        "https://client.example.com/callback#",
        "https://client.example.com//callback",
        "https://client.example.com/./callback",
        "https://client.example.com/x/../callback",
        "https://client.example.com/x/%2e%2e/callback",
        "https://client.example.com/%63allback",
        "https://client.example.com%2fcallback",
        "https://client.example.com/callback%00",
        "https://client.example.com:443/callback",
        "https://client.example.com:8443/callback",
        "https://client.example.com./callback",
        "https://CLIENT.example.com/callback",
        "HTTPS://client.example.com/callback",
        "http://client.example.com/callback",
        "https://evil.client.example.com/callback",
        "https://client.example.com.evil.com/callback",
        "https://evilclient.example.com/callback",
        "https://client.example.com@evil.com/callback",
        "https://evil.com@client.example.com/callback",
        "https://a:b@client.example.com/callback",
        "https://evil.com\\@client.example.com/callback",
        "https:\\\\client.example.com\\callback",
        "https:/client.example.com/callback",
        "https:client.example.com/callback",
        "//client.example.com/callback",
        "/callback",
        "https://client.ex\tample.com/callback",
        "https://client.example.com/\ncallback",
        " https://client.example.com/callback",
        "https://client.example.com/callback ",
        "https://client.example.com/callback\u{0}",
        "https://cl\u{456}ent.example.com/callback",
        "https://client\u{3002}example\u{3002}com/callback",
        "https://client.example.com/callback,https://evil.com",
        "javascript:alert(1)//https://client.example.com/callback",
        "*",
    ] {
        let reply = sent_to(&harness, &client, wanted).await;
        assert!(is_page(&reply), "{wanted:?}: {reply:?}");
    }
    assert_eq!(
        sent_to(&harness, &client, CALLBACK).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn o6_without_a_redirect_there_has_to_be_one_alone() {
    let harness = Harness::new();
    let one = client_at(&harness, &[CALLBACK]).await;
    let two = client_at(&harness, &[CALLBACK, "https://client.example.com/other"]).await;
    let without = |client| but(&wanted(client), "redirect_uri", None);
    let reply = harness.asked(&without(&one), "alice").await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.text);
    let reply = harness.asked(&without(&two), "alice").await;
    assert!(is_page(&reply), "{reply:?}");
}

#[tokio::test]
async fn o7_only_the_port_of_a_loopback_redirect_may_vary() {
    let harness = Harness::new();
    for (registered, admitted, refused) in [
        (
            "http://127.0.0.1/cb",
            ["http://127.0.0.1:51234/cb", "http://127.0.0.1/cb"],
            [
                "http://localhost:51234/cb",
                "http://[::1]:51234/cb",
                "http://127.0.0.2:51234/cb",
                "http://0.0.0.0:51234/cb",
                "http://127.1:51234/cb",
                "http://2130706433:51234/cb",
                "http://127.0.0.1.evil.com:51234/cb",
            ],
        ),
        (
            "http://localhost:3000/cb",
            ["http://localhost:51234/cb", "http://localhost/cb"],
            [
                "http://127.0.0.1:3000/cb",
                "http://[::1]:3000/cb",
                "http://localhost.evil.com:3000/cb",
                "http://localhost@evil.com:3000/cb",
                "http://localhost:3000@evil.com/cb",
                "http://localhost:3000/cb/x",
                "https://localhost:3000/cb",
            ],
        ),
        (
            "http://[::1]/cb",
            ["http://[::1]:51234/cb", "http://[::1]/cb"],
            [
                "http://127.0.0.1:51234/cb",
                "http://localhost:51234/cb",
                "http://[::]:51234/cb",
                "http://[::2]:51234/cb",
                "http://[0:0:0:0:0:0:0:1]:51234/cb",
                "http://[::ffff:127.0.0.1]:51234/cb",
                "http://[::1]:70000/cb",
            ],
        ),
    ] {
        let client = client_at(&harness, &[registered]).await;
        for wanted in admitted {
            let reply = sent_to(&harness, &client, wanted).await;
            assert_eq!(reply.status, StatusCode::OK, "{wanted}: {}", reply.text);
        }
        for wanted in refused {
            let reply = sent_to(&harness, &client, wanted).await;
            assert!(is_page(&reply), "{wanted}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn o8_nobody_registers_a_redirect_that_could_run_or_be_read() {
    let harness = Harness::new();
    for uri in [
        "javascript:alert(1)",
        "JavaScript:alert(1)",
        " javascript:alert(1)",
        "java\tscript:alert(1)",
        "\u{1}javascript:alert(1)",
        "javascript://client.example.com/%0aalert(1)",
        "data:text/html,<script>alert(1)</script>",
        "DATA:text/html,x",
        "vbscript:msgbox(1)",
        "file:///etc/passwd",
        "blob:https://client.example.com/1",
        "about:blank",
        "view-source:https://client.example.com/",
        "filesystem:https://client.example.com/",
        "chrome://settings",
        "ftp://client.example.com/",
        "ws://client.example.com/",
        "mailto:a@example.com",
        "intent://x",
        "myapp://callback",
        "urn:ietf:wg:oauth:2.0:oob",
        "http://client.example.com/cb",
        "http://localhost.evil.com/cb",
        "http://127.0.0.1.evil.com/cb",
        "http://0.0.0.0/cb",
        "http://[::]/cb",
        "http://127.0.0.2/cb",
        "http://192.168.0.1/cb",
        "https://a@client.example.com/cb",
        "https://client.example.com/cb#fragment",
        "https://*.example.com/cb",
        "https://client.example.com/*",
        "https://client.example.com/a b",
        "https://client.example.com/\r\nlocation:x",
        "https://client.example.com\\cb",
        "//client.example.com/cb",
        "/cb",
        "cb",
        "",
        "https://",
        "https:///cb",
    ] {
        let metadata = json!({ "redirect_uris": [CALLBACK, uri] });
        let reply = harness
            .json(http::Method::POST, "/register", None, &metadata)
            .await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST, "{uri:?}");
        assert_eq!(reply.error(), "invalid_redirect_uri", "{uri:?}");
    }
}

#[tokio::test]
async fn o9_a_stranger_is_sent_nowhere_before_somebody_has_logged_in() {
    let harness = Harness::new();
    let client = harness.client().await;
    let right = wanted(&client);
    for query in [
        right.clone(),
        but(&right, "prompt", Some("none")),
        but(&right, "scope", Some("nonsense")),
        but(&right, "response_type", Some("token")),
        but(&right, "code_challenge", None),
        but(&right, "resource", Some("https://evil.com/")),
    ] {
        let path = format!("/authorize?{}", encoded(&query));
        let reply = harness.get(&path, None).await;
        let location = reply.location().unwrap();
        assert_eq!(location.path(), "/api/auth/login", "{query:?}");
        assert!(location.as_str().starts_with(ISSUER));
    }
    for query in [
        but(&right, "redirect_uri", Some("https://evil.com/")),
        but(&right, "client_id", Some("nobody")),
        but(&right, "client_id", None),
    ] {
        let reply = harness
            .get(&format!("/authorize?{}", encoded(&query)), None)
            .await;
        assert!(is_page(&reply), "{query:?}");
        assert!(reply.header("www-authenticate").is_empty());
    }
}

#[tokio::test]
async fn o9_without_consent_the_browser_is_not_sent_on_whatever_the_prompt() {
    let harness = Harness::new();
    let client = harness.client().await;
    for prompt in ["none", "consent", "select_account", "login consent"] {
        let query = but(&wanted(&client), "prompt", Some(prompt));
        let reply = harness.asked(&query, "alice").await;
        assert!(reply.parameter("code").is_none(), "{prompt}");
    }
    harness.code(&client, "alice").await;
    let query = wanted(&client);
    let again = harness.asked(&query, "alice").await;
    assert!(
        again.parameter("code").is_some(),
        "agreed to: {}",
        again.text
    );
    for prompt in ["consent", "consent select_account"] {
        let query = but(&query, "prompt", Some(prompt));
        let reply = harness.asked(&query, "alice").await;
        assert_eq!(reply.status, StatusCode::OK, "asked again");
    }
}

#[tokio::test]
async fn o18_what_a_client_sends_back_is_encoded() {
    let harness = Harness::new();
    let client = harness.client().await;
    let state = "x\r\nset-cookie: a=b\r\n\r\n<script>&code=forged#\u{e4}\u{0}";
    let query = but(&wanted(&client), "state", Some(state));
    let asked = harness.asked(&query, "alice").await;
    let decided = harness.decide(&asked, "alice", "allow").await;
    assert_eq!(decided.parameter("state").as_deref(), Some(state));
    assert_ne!(decided.parameter("code").as_deref(), Some("forged"));
    assert!(decided.headers.get("set-cookie").is_none());
    let codes = decided.location().unwrap();
    let codes = codes.query_pairs().filter(|(name, _)| name == "code");
    assert_eq!(codes.count(), 1);

    let query = but(&query, "scope", Some("bad\r\nscope"));
    let refused = harness.asked(&query, "alice").await;
    assert_eq!(refused.parameter("error").as_deref(), Some("invalid_scope"));
    assert_eq!(refused.parameter("state").as_deref(), Some(state));
}

#[tokio::test]
async fn o18_a_registered_query_is_kept() {
    let harness = Harness::new();
    let callback = "https://client.example.com/cb?tenant=a%20b";
    let client = client_at(&harness, &[callback]).await;
    let asked = sent_to(&harness, &client, callback).await;
    let decided = harness.decide(&asked, "alice", "allow").await;
    let location = decided.headers["location"].to_str().unwrap();
    assert!(
        location.starts_with(&format!("{callback}&code=")),
        "{location}"
    );
    assert_eq!(location.matches('?').count(), 1);
}
