//! Caller data that reaches servers.

use http::StatusCode;
use mcp_gateway_tests::script::{ReceivedRequest, Scripted, document};
use mcp_gateway_tests::wire::modern_request;
use serde_json::json;

use crate::browser_user::{BrowserUser, redemption, register};
use crate::harness::{CLIENT_SECRET, Endpoint, Harness, Kind};

/// Calls the tool of the server `name`, with everything that could be mistaken for a credential.
async fn call(endpoint: &Endpoint, token: &str, name: &str, cookies: &str) {
    let tool = format!("{name}__echo");
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", &tool),
        ("cookie", cookies),
        ("proxy-authorization", "Bearer of-the-proxy"),
        ("x-forwarded-authorization", "Bearer of-the-proxy"),
        ("x-api-key", "of-the-caller"),
    ];
    let request = modern_request("tools/call", json!({ "name": tool, "arguments": {} }));
    let reply = endpoint.wire(token).post(request, &headers).await.unwrap();
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    assert_eq!(
        reply.answer()["result"]["content"][0]["text"],
        "seen",
        "{reply:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn o37_no_server_sees_what_a_caller_presents_to_the_gateway() {
    let script = |asked: &ReceivedRequest| document(&asked.says("seen"));
    let modern = Scripted::modern(script).await.unwrap();
    let legacy = Scripted::legacy(script).await.unwrap();
    let own = Scripted::modern(script).await.unwrap();
    let remote =
        |name: &str, server: &Scripted| json!({ "name": name, "remote": { "url": server.url } });
    let mut servers = vec![
        remote("modern", &modern),
        remote("legacy", &legacy),
        remote("own", &own),
    ];
    servers[2]["remote"]["bearer"] = json!({ "env": "CLIENT_SECRET" });
    let harness = Harness::new(Kind::Sqlite)
        .await
        .with_servers(json!(servers));
    let replica = harness.start().await;
    let endpoint = replica.endpoint();

    let password = replica.password.clone().unwrap();
    let user = BrowserUser::log_in(&endpoint, "admin", &password).await;
    let client = register(&endpoint, &json!({}))
        .await
        .unwrap()
        .text("client_id");
    let (code, _) = user.code(&client).await.unwrap();
    let tokens = endpoint.token(&redemption(&client, &code)).await.unwrap();
    let form = [("grant_type", "client_credentials")];
    let machine = endpoint.form("/token", &form, Some(("machine", CLIENT_SECRET)));
    let presented = [
        tokens.text("access_token"),
        machine.await.unwrap().text("access_token"),
        harness.operate(&["token", "create", "ci"]).await,
    ];
    for token in &presented {
        for name in ["modern", "legacy", "own"] {
            call(&endpoint, token, name, &user.cookies).await;
        }
    }
    for (server, authorization) in [
        (&modern, None),
        (&legacy, None),
        (&own, Some(format!("authorization: Bearer {CLIENT_SECRET}"))),
    ] {
        saw_nothing(server, &presented, &user.cookies, authorization.as_deref());
    }
}

/// Fails if `server` has seen a token or a cookie, or another credential than its own.
fn saw_nothing(
    server: &Scripted,
    presented: &[String],
    cookies: &str,
    authorization: Option<&str>,
) {
    let asked = server.asked();
    assert!(asked.iter().filter(|asked| asked.tool() == "echo").count() >= 3);
    for asked in asked {
        let seen = format!("{}\n{}\n{}", asked.path, asked.head, asked.text);
        for token in presented {
            assert!(!seen.contains(token), "{seen}");
        }
        for (_, cookie) in cookies.split("; ").filter_map(|it| it.split_once('=')) {
            assert!(!seen.contains(cookie), "{seen}");
        }
        let head = asked.head.to_lowercase();
        for name in ["cookie:", "of-the-proxy", "of-the-caller"] {
            assert!(!head.contains(name), "{seen}");
        }
        let sent = asked
            .head
            .lines()
            .find(|line| line.to_lowercase().starts_with("authorization"));
        let sent = sent.map(|line| line.trim().replacen("Authorization", "authorization", 1));
        assert_eq!(sent.as_deref(), authorization, "{seen}");
    }
}
