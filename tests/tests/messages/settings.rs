//! Requests whose effect belongs to a session: subscriptions to resources, and log levels.

use std::sync::Arc;

use mcp_gateway_tests::gateway::Backends;
use mcp_gateway_tests::script::{self, ReceivedRequest, Steps};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::harness::{Client, gateway_of_two, notification, plain_server, received, server};

const SUBSCRIBE: &str = "resources/subscribe";
const UNSUBSCRIBE: &str = "resources/unsubscribe";

fn rejected(asked: &ReceivedRequest) -> Steps {
    let error = json!({ "code": -32601, "message": "Method not found", "data": asked.method() });
    script::document(&json!({ "jsonrpc": "2.0", "id": asked.message["id"], "error": error }))
}

fn uri(uri: &str) -> Value {
    json!({ "uri": uri })
}

#[tokio::test]
async fn the_answer_to_a_subscription_is_that_of_the_server() {
    let gate = Arc::new(Semaphore::new(0));
    // Whether the server declares that it supports subscriptions or not.
    for capabilities in [
        json!({ "resources": { "subscribe": true } }),
        json!({ "resources": {} }),
    ] {
        let script = |asked: &ReceivedRequest| match asked.method() {
            SUBSCRIBE | UNSUBSCRIBE if asked.message["params"]["uri"] == "a:no" => {
                Some(rejected(asked))
            }
            SUBSCRIBE | UNSUBSCRIBE => {
                let meta = json!({ "_meta": { "by": "the server" } });
                Some(script::document(&asked.result(&meta)))
            }
            _ => None,
        };
        let server = server(capabilities, &gate, &[], script).await;
        let gateway = Backends::only(&server.url).start().await;
        let client = Client::connect(&gateway, json!({})).await;
        for (id, method) in [(2, SUBSCRIBE), (3, UNSUBSCRIBE)] {
            let answer = client.request(id, method, &uri("a:yes")).await.answer();
            assert_eq!(answer["result"]["_meta"]["by"], "the server", "{answer}");
            assert_eq!((&answer["id"], server.count(method)), (&json!(id), 1));
        }
        for (id, method) in [(4, SUBSCRIBE), (5, UNSUBSCRIBE)] {
            let answer = client.request(id, method, &uri("a:no")).await.answer();
            let error = json!({ "code": -32601, "message": "Method not found", "data": method });
            assert_eq!(answer["error"], error, "{answer}");
        }
    }
}

#[tokio::test]
async fn clients_of_one_session_share_a_subscription() {
    let gate = Arc::new(Semaphore::new(0));
    let updated = notification("notifications/resources/updated", &uri("a:b"));
    let capabilities = json!({ "resources": { "subscribe": true } });
    let messages = [updated.clone(), updated.clone()];
    let server = server(capabilities, &gate, &messages, |_| None).await;
    let gateway = Backends::only(&server.url).start().await;
    let one = Client::connect(&gateway, json!({})).await;
    let other = Client::connect(&gateway, json!({})).await;
    let (mut ones, mut others) = (one.listen().await, other.listen().await);
    for client in [&one, &other] {
        let answer = client.request(2, SUBSCRIBE, &uri("a:b")).await.answer();
        assert_eq!(answer["result"], json!({}), "{answer}");
    }
    assert_eq!(
        (server.count("initialize"), server.count(SUBSCRIBE)),
        (1, 1)
    );
    gate.add_permits(1);
    assert_eq!(ones.message().await, updated);
    assert_eq!(others.message().await, updated);

    let answer = one.request(3, UNSUBSCRIBE, &uri("a:b")).await.answer();
    assert_eq!(answer["result"], json!({}), "{answer}");
    assert_eq!(server.count(UNSUBSCRIBE), 0, "the other one is subscribed");
    gate.add_permits(1);
    assert_eq!(others.message().await, updated);
    ones.is_silent().await;
    let answer = other.request(3, UNSUBSCRIBE, &uri("a:b")).await.answer();
    assert_eq!(answer["result"], json!({}), "{answer}");
    assert_eq!(server.count(UNSUBSCRIBE), 1);
    assert_eq!(server.count(SUBSCRIBE), 1);
}

#[tokio::test]
async fn a_level_that_the_server_rejects_has_no_effect() {
    let gate = Arc::new(Semaphore::new(0));
    let script = |asked: &ReceivedRequest| match asked.method() {
        "logging/setLevel" if asked.message["params"]["level"] == "debug" => Some(rejected(asked)),
        _ => None,
    };
    let server = server(json!({ "tools": {} }), &gate, &[], script).await;
    let gateway = Backends::only(&server.url).start().await;
    let client = Client::connect(&gateway, json!({})).await;
    let level = json!({ "level": "debug" });
    let answer = client.request(2, "logging/setLevel", &level).await.answer();
    let error =
        json!({ "code": -32601, "message": "Method not found", "data": "logging/setLevel" });
    assert_eq!(answer["error"], error, "{answer}");
    let level = json!({ "level": "info" });
    let answer = client.request(3, "logging/setLevel", &level).await.answer();
    assert_eq!(answer["result"], json!({}), "{answer}");
    received(&server, |asked| asked.message["params"]["level"] == "info").await;
}

/// Messages of the server arrive at a session of the client's own from now on.
#[tokio::test]
async fn a_level_belongs_to_the_client_that_set_it() {
    let gate = Arc::new(Semaphore::new(0));
    let said = notification(
        "notifications/message",
        &json!({ "level": "info", "data": 1 }),
    );
    let capabilities = json!({ "logging": {} });
    let server = server(capabilities, &gate, std::slice::from_ref(&said), |_| None).await;
    let gateway = Backends::only(&server.url).start().await;
    let verbose = Client::connect(&gateway, json!({})).await;
    let other = Client::connect(&gateway, json!({})).await;
    let (mut heard, mut others) = (verbose.listen().await, other.listen().await);
    let level = json!({ "level": "info" });
    let answer = verbose
        .request(2, "logging/setLevel", &level)
        .await
        .answer();
    assert_eq!(answer["result"], json!({}), "{answer}");
    assert_eq!(server.count("initialize"), 2);
    // One for each stream of the server.
    gate.add_permits(2);
    assert_eq!(heard.message().await, said);
    others.is_silent().await;
}

#[tokio::test]
async fn several_servers_need_not_all_have_levels() {
    let gate = Arc::new(Semaphore::new(0));
    let script =
        |asked: &ReceivedRequest| (asked.method() == "logging/setLevel").then(|| rejected(asked));
    let one = server(json!({ "tools": {} }), &gate, &[], script).await;
    let other = plain_server().await;
    let gateway = gateway_of_two(&one, &other).await;
    let client = Client::connect(&gateway, json!({})).await;
    let level = json!({ "level": "info" });
    let answer = client.request(2, "logging/setLevel", &level).await.answer();
    assert_eq!(answer["result"], json!({}), "{answer}");
    received(&other, |asked| asked.message["params"]["level"] == "info").await;
}
