//! Notifications in either direction.

use std::sync::Arc;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_tests::gateway::Backends;
use mcp_gateway_tests::script::{self, EVENTS, ReceivedRequest, Scripted, Step};
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::harness::{Client, event, gateway_of_two, notification, plain_server, received, server};

#[tokio::test]
async fn what_a_client_notifies_of_reaches_the_server_unchanged() {
    let server = plain_server().await;
    let gateway = Backends::only(&server.url).start().await;
    let client = Client::connect(&gateway, json!({})).await;
    for (method, params) in [
        ("notifications/vendor/mood", json!({ "b": 1, "a": [2] })),
        ("vendor/mood", json!({})),
        (
            "notifications/progress",
            json!({ "progressToken": "upload-1", "progress": 0.5 }),
        ),
    ] {
        client.notify(method, &params).await;
        let message = received(&server, |asked| asked.method() == method).await;
        assert_eq!(message, notification(method, &params));
    }
}

/// Returns the context that a modern client sends with each message.
fn context() -> Value {
    json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "client", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    })
}

/// A server of the modern era that accepts notifications.
async fn modern_server() -> Scripted {
    let accepted = |_: &ReceivedRequest| script::status("202 Accepted");
    Scripted::modern(accepted).await.unwrap()
}

#[tokio::test]
async fn what_a_modern_client_notifies_of_reaches_servers_of_either_era() {
    const HEADER: (&str, &str) = ("mcp-protocol-version", "2026-07-28");
    let method = "vendor/mood";
    let with = |meta: Value| notification(method, &json!({ "_meta": meta, "mood": [1] }));
    let mut extended = context();
    extended["trace"] = json!("1");
    let bare = notification(method, &json!({ "mood": [1] }));
    let table: [(Value, &[_], _); 3] = [
        (with(extended), &[], with(json!({ "trace": "1" }))),
        (with(context()), &[HEADER], with(json!({}))),
        (bare.clone(), &[HEADER], bare),
    ];
    for (sent, headers, for_legacy) in table {
        for (server, expected) in [
            (modern_server().await, &sent),
            (plain_server().await, &for_legacy),
        ] {
            let gateway = Backends::only(&server.url).start().await;
            let token = HeaderValue::from_static("Bearer alice");
            let wire = Wire::new(&gateway.url).with_header(AUTHORIZATION, token);
            let reply = wire.post(sent.to_string(), headers).await.unwrap();
            assert_eq!((reply.status.as_u16(), &*reply.body), (202, ""), "{sent}");
            let message = received(&server, |asked| asked.method() == method).await;
            assert_eq!(message, *expected);
        }
    }
}

#[tokio::test]
async fn a_modern_server_is_notified_with_the_context_of_a_legacy_client() {
    let server = modern_server().await;
    let gateway = Backends::only(&server.url).start().await;
    let client = Client::connect(&gateway, json!({})).await;
    client.notify("vendor/mood", &json!({ "a": 1 })).await;
    let message = received(&server, |asked| asked.method() == "vendor/mood").await;
    let params = json!({ "_meta": context(), "a": 1 });
    assert_eq!(message, notification("vendor/mood", &params));
}

/// The modern era defines them in the other direction, for another transport, or as requests.
#[tokio::test]
async fn notifications_that_a_modern_client_has_no_use_for_are_rejected() {
    let server = modern_server().await;
    let gateway = Backends::only(&server.url).start().await;
    let wire = Wire::new(&gateway.url);
    let wire = wire.with_header(AUTHORIZATION, HeaderValue::from_static("Bearer alice"));
    let with = |method: &str, version: &str| {
        let mut meta = context();
        meta["io.modelcontextprotocol/protocolVersion"] = version.into();
        notification(method, &json!({ "_meta": meta })).to_string()
    };
    for (method, version, header, status) in [
        ("notifications/cancelled", "2026-07-28", "2026-07-28", 202),
        ("notifications/progress", "2026-07-28", "2026-07-28", 400),
        (
            "notifications/roots/list_changed",
            "2026-07-28",
            "2026-07-28",
            400,
        ),
        ("tools/call", "2026-07-28", "2026-07-28", 400),
        ("vendor/mood", "2026-07-28", "2025-11-25", 400),
        ("vendor/mood", "2025-11-25", "2025-11-25", 400),
        ("vendor/mood", "2099-01-01", "2099-01-01", 400),
    ] {
        let headers = [("mcp-protocol-version", header)];
        let reply = wire.post(with(method, version), &headers).await.unwrap();
        assert_eq!(reply.status, status, "{method} {version} {header}");
    }
    let reply = wire
        .post(with("vendor/last", "2026-07-28"), &[])
        .await
        .unwrap();
    assert_eq!(reply.status, 202);
    received(&server, |asked| asked.method() == "vendor/last").await;
    assert_eq!(server.asked().len(), 2, "{:?}", server.asked());
}

/// They belong to the connection of the client, or would execute what nobody waits for.
#[tokio::test]
async fn what_concerns_the_gateway_alone_reaches_no_server() {
    let server = plain_server().await;
    let gateway = Backends::only(&server.url).start().await;
    let client = Client::connect(&gateway, json!({})).await;
    let unknown = json!({ "requestId": 77 });
    client.notify("notifications/cancelled", &unknown).await;
    client
        .notify("tools/call", &json!({ "name": "truth" }))
        .await;
    client.notify("notifications/initialized", &json!({})).await;
    client.notify("notifications/last", &json!({})).await;
    received(&server, |asked| asked.method() == "notifications/last").await;
    assert_eq!(server.count("notifications/cancelled"), 0);
    assert_eq!(server.count("tools/call"), 0);
    assert_eq!(server.count("notifications/initialized"), 1);
}

#[tokio::test]
async fn several_servers_are_notified_by_a_client_that_they_know() {
    let one = plain_server().await;
    let other = plain_server().await;
    let gateway = gateway_of_two(&one, &other).await;
    let stranger = Client::connect(&gateway, json!({})).await;
    stranger.notify("notifications/shared", &json!({})).await;
    let known = Client::connect(&gateway, json!({ "elicitation": {} })).await;
    known.notify("notifications/own", &json!({})).await;
    for server in [&one, &other] {
        received(server, |asked| asked.method() == "notifications/own").await;
        assert_eq!(server.count("notifications/shared"), 0);
    }
}

#[tokio::test]
async fn changed_roots_reach_the_servers_that_may_see_them() {
    let server = plain_server().await;
    let gateway = Backends::only(&server.url).start().await;
    let method = "notifications/roots/list_changed";
    let without = Client::connect(&gateway, json!({})).await;
    without.notify(method, &json!({})).await;
    let with = Client::connect(&gateway, json!({ "roots": { "listChanged": true } })).await;
    assert_eq!(server.count(method), 0);
    with.notify(method, &json!({})).await;
    received(&server, |asked| asked.method() == method).await;
    assert_eq!(server.count(method), 1);
}

#[tokio::test]
async fn a_server_that_knows_one_client_speaks_to_it() {
    let gate = Arc::new(Semaphore::new(0));
    let messages = [
        notification("notifications/vendor/mood", &json!({ "mood": "good" })),
        notification(
            "notifications/progress",
            &json!({ "progressToken": 3, "progress": 1 }),
        ),
        notification("notifications/resources/updated", &json!({ "uri": "a:b" })),
        notification("notifications/last", &json!({})),
    ];
    let server = server(json!({ "tools": {} }), &gate, &messages, |_| None).await;
    let gateway = Backends::only(&server.url).start().await;
    let client = Client::connect(&gateway, json!({})).await;
    let mut listener = client.listen().await;
    for message in &messages[..3] {
        gate.add_permits(1);
        assert_eq!(listener.message().await, *message);
    }
    // From now on a message could be meant for either of them.
    let other = Client::connect(&gateway, json!({})).await;
    let mut others = other.listen().await;
    gate.add_permits(1);
    listener.is_silent().await;
    others.is_silent().await;
}

#[tokio::test]
async fn what_a_server_notifies_of_in_a_call_belongs_to_it() {
    let gate = Arc::new(Semaphore::new(0));
    let mood = notification("notifications/vendor/mood", &json!({ "mood": "good" }));
    let said = event(&mood);
    let server = server(json!({ "tools": {} }), &gate, &[], move |asked| {
        (asked.method() == "tools/call").then(|| {
            let answer = event(&asked.says("done"));
            let steps = [EVENTS.to_owned(), said.clone(), answer];
            let mut steps: Vec<_> = steps.map(|text| Step::Send(text.into())).into();
            steps.push(Step::Close);
            steps
        })
    })
    .await;
    let gateway = Backends::only(&server.url).start().await;
    let client = Client::connect(&gateway, json!({})).await;
    let _other = Client::connect(&gateway, json!({})).await;
    let params = json!({ "name": "lie", "arguments": {} });
    let reply = client.request(2, "tools/call", &params).await;
    assert!(reply.body.contains(&mood.to_string()), "{}", reply.body);
}
