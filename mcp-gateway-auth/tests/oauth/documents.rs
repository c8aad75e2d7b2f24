//! Client ID metadata documents.

use std::time::Duration;

use futures_util::future::join_all;
use http::StatusCode;
use mcp_gateway_auth::egress::{Egress, EgressPolicy};
use mcp_gateway_auth::server::RegistrationPolicy;
use serde_json::{Value, json};

use super::harness::{CALLBACK, Harness, Reply, but, redemption, wanted};
use super::host::{Host, JSON};

fn harness(host: &Host) -> Harness {
    Harness::with(|builder| builder.with_metadata_documents(host.egress()))
}

/// Returns `true` if clients cannot be validated for now, which costs them nothing.
fn is_temporary(reply: &Reply) -> bool {
    reply.status == StatusCode::SERVICE_UNAVAILABLE
        && !reply.header("retry-after").is_empty()
        && reply.location().is_none()
}

fn document(id: &str) -> Value {
    json!({ "client_id": id, "client_name": "An editor", "redirect_uris": [CALLBACK] })
}

fn is_page(reply: &Reply) -> bool {
    reply.status == StatusCode::BAD_REQUEST && reply.location().is_none()
}

#[tokio::test]
async fn o26_a_client_is_what_its_document_says_and_is_fetched_once() {
    let host = Host::start().await;
    let harness = harness(&host);
    let id = host.url("/client.json");
    host.json("/client.json", &document(&id));
    let query = wanted(&id);
    let pages = join_all((0..20).map(|_| harness.asked(&query, "alice"))).await;
    for page in &pages {
        assert_eq!(page.status, StatusCode::OK, "{}", page.text);
        assert!(page.text.contains("localhost"), "the host of the document");
        assert!(
            page.text.contains("client.example.com"),
            "the redirect host"
        );
    }
    let code = harness.code(&id, "alice").await;
    let tokens = harness.redeem(&id, &code).await.value();
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(harness.refresh(&id, refresh).await.status, StatusCode::OK);
    assert_eq!(host.hits("/client.json"), 1);
    let elsewhere = but(&query, "redirect_uri", Some("https://evil.com/"));
    assert!(is_page(&harness.asked(&elsewhere, "alice").await));
}

#[tokio::test]
async fn o26_documents_that_are_not_as_they_have_to_be_describe_nobody() {
    let host = Host::start().await;
    let harness = harness(&host);
    let id = host.url("/c");
    let good = document(&id);
    let with = |name: &str, value: Value| {
        let mut document = good.clone();
        document[name] = value;
        (JSON, document.to_string())
    };
    let moved = "301 Moved Permanently\r\ncontent-type: application/json\r\nlocation: /other";
    let cases = [
        with("client_id", json!(host.url("/d"))),
        with("client_id", json!(null)),
        with("client_secret", json!("s")),
        with("client_secret_expires_at", json!(0)),
        with("token_endpoint_auth_method", json!("client_secret_basic")),
        with("token_endpoint_auth_method", json!("client_secret_post")),
        with("token_endpoint_auth_method", json!("private_key_jwt")),
        with("redirect_uris", json!([])),
        with("redirect_uris", json!(["javascript:alert(1)"])),
        with("client_name", json!(null)),
        with("client_name", json!(" ")),
        with("x_padding", json!("x".repeat(5 * 1024))),
        (JSON, "[]".to_owned()),
        (JSON, "{".to_owned()),
        (JSON, String::new()),
        (moved, good.to_string()),
        ("302 Found\r\nlocation: https://10.0.0.1/", String::new()),
        (
            "404 Not Found\r\ncontent-type: application/json",
            good.to_string(),
        ),
        (
            "201 Created\r\ncontent-type: application/json",
            good.to_string(),
        ),
        ("200 OK\r\ncontent-type: text/html", good.to_string()),
        ("200 OK", good.to_string()),
        (
            "200 OK\r\ncontent-type: application/json\r\ncontent-encoding: gzip",
            good.to_string(),
        ),
    ];
    host.json("/other", &good);
    for (number, (head, body)) in cases.iter().enumerate() {
        host.serve("/c", head, body);
        let reply = harness.asked(&wanted(&id), "alice").await;
        assert!(is_page(&reply), "{number}: {head} {body}: {reply:?}");
        assert!(!reply.text.contains("10.0.0.1"), "nothing is told of it");
    }
    let reply = harness.post("/token", &redemption(&id, "x")).await;
    assert!(reply.is_error(401, "invalid_client"), "{reply:?}");
    host.json("/c", &good);
    let reply = harness.asked(&wanted(&id), "alice").await;
    assert_eq!(reply.status, StatusCode::OK, "no failure is remembered");
    assert_eq!(host.hits("/other"), 0);
}

#[tokio::test]
async fn o26_identifiers_that_are_no_plain_address_are_not_asked() {
    let host = Host::start().await;
    let harness = harness(&host);
    let port = host.port;
    host.json("/c", &document(&host.url("/c")));
    for id in [
        format!("http://localhost:{port}/c"),
        format!("https://localhost:{port}"),
        format!("https://localhost:{port}/"),
        format!("https://localhost:{port}/x/../c"),
        format!("https://localhost:{port}/x/%2e%2e/c"),
        format!("https://localhost:{port}/./c"),
        format!("https://user@localhost:{port}/c"),
        format!("https://user:p@localhost:{port}/c"),
        format!("https://localhost:{port}/c#f"),
        format!("https://LOCALHOST:{port}/c"),
        format!("HTTPS://localhost:{port}/c"),
        format!(" https://localhost:{port}/c"),
        format!("https:/localhost:{port}/c"),
        format!("https://localhost:{port}\\c"),
        "file:///etc/passwd".to_owned(),
    ] {
        let reply = harness.asked(&wanted(&id), "alice").await;
        assert!(is_page(&reply), "{id}: {reply:?}");
    }
    assert_eq!(host.hits("/c"), 0);
    let reply = harness.asked(&wanted(&host.url("/c")), "alice").await;
    assert_eq!(reply.status, StatusCode::OK);
}

#[tokio::test]
async fn o25_addresses_inside_are_not_reached_and_look_like_any_other() {
    let host = Host::start().await;
    let strict = Egress::new(EgressPolicy::new()).unwrap();
    let harness = Harness::with(|builder| builder.with_metadata_documents(strict));
    host.json("/c", &document(&host.url("/c")));
    let mut texts = Vec::new();
    for id in [
        host.url("/c"),
        host.url("/c").replace("localhost", "127.0.0.1"),
        "https://127.0.0.1/c".to_owned(),
        "https://10.0.0.1/c".to_owned(),
        "https://192.168.1.1/c".to_owned(),
        "https://169.254.169.254/latest/meta-data".to_owned(),
        "https://[::1]/c".to_owned(),
        "https://[::ffff:7f00:1]/c".to_owned(),
        "https://[fd00:ec2::254]/c".to_owned(),
        "https://[64:ff9b::a00:1]/c".to_owned(),
        "https://example.com:22/c".to_owned(),
        "https://does-not-exist.invalid/c".to_owned(),
    ] {
        let reply = harness.asked(&wanted(&id), "alice").await;
        assert!(is_temporary(&reply), "{id}: {reply:?}");
        texts.push(reply.text);
        let reply = harness.post("/token", &redemption(&id, "x")).await;
        assert!(reply.is_error(503, "temporarily_unavailable"), "{reply:?}");
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "no oracle");
    // Not in the only form that is an identifier, which depends on no host.
    for id in [
        "https://[::ffff:127.0.0.1]/c",
        "https://2130706433/c",
        "https://0x7f.1/c",
    ] {
        let reply = harness.asked(&wanted(id), "alice").await;
        assert!(is_page(&reply), "{id}: {reply:?}");
        let reply = harness.post("/token", &redemption(id, "x")).await;
        assert!(reply.is_error(401, "invalid_client"), "{reply:?}");
    }
    assert_eq!(host.hits("/c"), 0);
}

#[tokio::test]
async fn o26_a_host_is_asked_no_more_than_it_can_bear() {
    let host = Host::start().await;
    let harness = harness(&host);
    let ids: Vec<_> = (0..100).map(|n| host.url(&format!("/c{n}"))).collect();
    let forms: Vec<_> = ids.iter().map(|id| redemption(id, "x")).collect();
    let replies = join_all(forms.iter().map(|form| harness.post("/token", form))).await;
    let waiting: Vec<_> = replies.iter().filter(|reply| reply.status == 429).collect();
    assert!(waiting.len() >= 35, "{}", waiting.len());
    assert!(!waiting[0].header("retry-after").is_empty());
    let asked: usize = (0..100).map(|n| host.hits(&format!("/c{n}"))).sum();
    assert!(asked <= 65, "{asked}");
}

#[tokio::test]
async fn o22_a_document_that_changed_is_agreed_to_again() {
    let host = Host::start().await;
    let harness = harness(&host);
    let id = host.url("/c");
    host.json("/c", &document(&id));
    harness.code(&id, "alice").await;
    let covered = harness.asked(&wanted(&id), "alice").await;
    assert!(covered.parameter("code").is_some());
    let pending = harness
        .asked(&but(&wanted(&id), "prompt", Some("consent")), "alice")
        .await;
    for (name, value) in [
        ("client_name", json!("Your bank")),
        ("redirect_uris", json!([CALLBACK, "https://evil.com/cb"])),
    ] {
        let mut changed = document(&id);
        changed[name] = value;
        host.json("/c", &changed);
        // Another replica has not cached the document yet.
        let replica =
            harness.replica_with(|builder| builder.with_metadata_documents(host.egress()));
        let asked = replica.asked(&wanted(&id), "alice").await;
        assert_eq!(asked.status, StatusCode::OK, "asked again");
        let reply = replica.decide(&pending, "alice", "allow").await;
        assert_eq!(
            reply.status,
            StatusCode::FORBIDDEN,
            "what was shown is not so"
        );
    }
}

#[tokio::test]
async fn o27_a_client_on_this_machine_is_asked_for_every_time() {
    let host = Host::start().await;
    let harness = harness(&host);
    let (id, callback) = (host.url("/c"), "http://localhost/callback");
    let mut local = document(&id);
    local["redirect_uris"] = json!([callback]);
    host.json("/c", &local);
    for port in ["", ":1234", ":1234"] {
        let callback = format!("http://localhost{port}/callback");
        let query = but(&wanted(&id), "redirect_uri", Some(&callback));
        let asked = harness.asked(&query, "alice").await;
        assert_eq!(asked.status, StatusCode::OK, "never without being asked");
        assert!(
            asked.text.contains("program on this computer"),
            "{}",
            asked.text
        );
        let decided = harness.decide(&asked, "alice", "allow").await;
        assert!(decided.parameter("code").is_some());
    }
    let private = json!({ "redirect_uris": ["cursor://anysphere.cursor-mcp/oauth/callback"] });
    let registered = harness.register(&private).await;
    let client = registered["client_id"].as_str().unwrap();
    let callback = private["redirect_uris"][0].as_str();
    for _ in 0..2 {
        let query = but(&wanted(client), "redirect_uri", callback);
        let asked = harness.asked(&query, "alice").await;
        assert_eq!(
            asked.status,
            StatusCode::OK,
            "any program may have the scheme"
        );
        harness.decide(&asked, "alice", "allow").await;
    }
}

const SERVER: &str = "/.well-known/oauth-authorization-server";

async fn is_advertised(harness: &Harness) -> bool {
    let metadata = harness.get(SERVER, None).await.value();
    metadata["client_id_metadata_document_supported"] == json!(true)
}

#[tokio::test]
async fn documents_are_advertised_only_while_they_can_be_fetched() {
    let host = Host::start().await;
    let probes = [host.url("/claude"), host.url("/codex")];
    let harness = Harness::with(|builder| {
        builder
            .with_metadata_documents(host.egress())
            .with_metadata_document_probes(probes.clone())
    });
    let blocked = "403 Forbidden\r\ncontent-type: text/html";
    host.json("/claude", &document(&probes[0]));
    host.serve("/codex", blocked, "");
    assert!(!is_advertised(&harness).await, "one client would fail");
    harness.server.set_registration(RegistrationPolicy::Off);
    assert!(
        is_advertised(&harness).await,
        "the others have no other way"
    );
    host.serve("/claude", blocked, "");
    harness.clock.advance(Duration::from_secs(31));
    assert!(!is_advertised(&harness).await);

    harness.server.set_registration(RegistrationPolicy::Open);
    host.json("/claude", &document(&probes[0]));
    // Moved, which says nothing about others.
    host.serve("/codex", "404 Not Found", "");
    assert!(!is_advertised(&harness).await, "observed a moment ago");
    harness.clock.advance(Duration::from_secs(31));
    assert!(is_advertised(&harness).await);
    let hits = host.hits("/claude");
    host.serve("/claude", blocked, "");
    harness.clock.advance(Duration::from_secs(200));
    assert!(is_advertised(&harness).await, "still the same observation");
    assert_eq!(host.hits("/claude"), hits);
    // A client whose document cannot be fetched shortens that.
    let unknown = host.url("/unknown");
    host.serve("/unknown", "502 Bad Gateway", "");
    assert!(is_temporary(
        &harness.asked(&wanted(&unknown), "alice").await
    ));
    assert!(!is_advertised(&harness).await);

    let always = Harness::with(|builder| {
        builder
            .with_metadata_documents(Egress::new(EgressPolicy::new()).unwrap())
            .with_metadata_document_probes([])
    });
    assert!(is_advertised(&always).await);
}

#[tokio::test]
async fn a_client_outlives_the_host_of_its_document() {
    let host = Host::start().await;
    let harness = harness(&host);
    let replica = || harness.replica_with(|builder| builder.with_metadata_documents(host.egress()));
    let id = host.url("/c");
    host.json("/c", &document(&id));
    let code = harness.code(&id, "alice").await;
    assert!(
        !harness.stored().await.contains("client-document"),
        "not yet in use"
    );
    let tokens = harness.redeem(&id, &code).await.value();
    let mut refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
    for head in [
        "503 Oops\r\ncontent-type: application/json",
        "403 Forbidden\r\ncontent-type: text/html",
        "302 Found\r\nlocation: https://login.example.com/",
        "200 OK\r\ncontent-type: text/html",
    ] {
        host.serve("/c", head, "<html>");
        // After a restart.
        let replica = replica();
        let reply = replica.refresh(&id, &refresh).await;
        assert_eq!(reply.status, StatusCode::OK, "{head}: {reply:?}");
        refresh = reply.value()["refresh_token"].as_str().unwrap().to_owned();
        assert_eq!(
            replica.asked(&wanted(&id), "alice").await.status,
            StatusCode::SEE_OTHER
        );
    }
    // The publisher has withdrawn it.
    host.serve("/c", "404 Not Found", "");
    let reply = replica().refresh(&id, &refresh).await;
    assert!(reply.is_error(401, "invalid_client"), "{reply:?}");
    assert!(!harness.stored().await.contains("client-document"));
}

#[tokio::test]
async fn what_cannot_be_determined_now_is_not_an_invalid_client() {
    let host = Host::start().await;
    let harness = harness(&host);
    let id = host.url("/c");
    for status in [
        "401 Unauthorized",
        "403 Forbidden",
        "429 Slow",
        "500 Oops",
        "503 Busy",
    ] {
        host.serve("/c", status, "");
        let page = harness.asked(&wanted(&id), "alice").await;
        assert!(is_temporary(&page), "{status}: {page:?}");
        assert!(
            page.text.contains("auth.oauth.clientMetadataDocuments"),
            "{}",
            page.text
        );
        let reply = harness.post("/token", &redemption(&id, "x")).await;
        assert!(reply.is_error(503, "temporarily_unavailable"), "{reply:?}");
        assert_eq!(reply.header("retry-after"), "30");
    }
    let off = Harness::new();
    let page = off.asked(&wanted(&id), "alice").await;
    assert!(is_page(&page));
    assert!(
        page.text.contains("auth.oauth.clientMetadataDocuments"),
        "{}",
        page.text
    );
}
