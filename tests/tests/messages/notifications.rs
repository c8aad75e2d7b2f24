//! Notifications in either direction.

use std::sync::Arc;

use mcp_gateway_tests::gateway::Backends;
use mcp_gateway_tests::script::{EVENTS, Step};
use serde_json::json;
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
