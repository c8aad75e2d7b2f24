//! Subscriptions of modern clients to a single server.

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_tests::gateway::Backends;
use mcp_gateway_tests::script::{self, EVENTS, ReceivedRequest, Scripted, Step, Steps};
use mcp_gateway_tests::wire::{Reply, Wire};
use serde_json::{Value, json};

use super::harness::{event, notification};

const KEY: &str = "io.modelcontextprotocol/subscriptionId";

/// The reply to a client that listens to a server that answers with `script`, and what the server
/// got.
async fn listen(
    script: impl Fn(&ReceivedRequest) -> Steps + Send + Sync + 'static,
) -> (Reply, Value) {
    let server = Scripted::start(move |asked| match asked.method() {
        "subscriptions/listen" => script(asked),
        _ => script::modern(asked).unwrap_or_default(),
    })
    .await
    .unwrap();
    let gateway = Backends::only(&server.url).start().await;
    let token = HeaderValue::from_static("Bearer alice");
    let wire = Wire::new(&gateway.url).with_header(AUTHORIZATION, token);
    let params = json!({ "notifications": { "toolsListChanged": true } });
    let reply = wire.request("subscriptions/listen", params).await.unwrap();
    let asked = server.asked();
    let mut listened = asked
        .iter()
        .filter(|it| it.method() == "subscriptions/listen");
    let message = listened.next().unwrap().message.clone();
    assert!(listened.next().is_none(), "{asked:?}");
    (reply, message)
}

/// The messages of a subscription that is acknowledged and ends with `last`.
fn messages(asked: &ReceivedRequest, last: &Value) -> [Value; 3] {
    let id = &asked.message["id"];
    let tagged = |method: &str, mut params: Value| {
        params["_meta"] = json!({ KEY: id });
        notification(method, &params)
    };
    let honored = json!({ "notifications": { "toolsListChanged": true } });
    [
        tagged("notifications/subscriptions/acknowledged", honored),
        tagged("notifications/tools/list_changed", json!({})),
        last.clone(),
    ]
}

/// A stream that is acknowledged and ends with `last`.
fn stream(asked: &ReceivedRequest, last: &Value) -> Steps {
    let events = messages(asked, last).map(|it| event(&it));
    vec![
        Step::Send(EVENTS.into()),
        Step::Send(events.concat().into()),
        Step::Close,
    ]
}

/// The same as lines of a document.
fn lines(asked: &ReceivedRequest, last: &Value) -> Steps {
    let head = EVENTS.replace("text/event-stream", "application/json");
    let lines = messages(asked, last).map(|it| format!("{it}\n"));
    let [first, rest @ ..] = lines.map(|line| Step::Send(line.into()));
    let mut steps = vec![Step::Send(head.into()), first];
    steps.extend(rest);
    steps.push(Step::Close);
    steps
}

async fn assert_ends_as_that_of_the_server(form: fn(&ReceivedRequest, &Value) -> Steps) {
    let (reply, asked) = listen(move |asked| {
        let result = json!({ "resultType": "complete", "_meta": { KEY: asked.message["id"] } });
        form(asked, &asked.result(&result))
    })
    .await;
    let messages: Vec<Value> = reply
        .messages()
        .iter()
        .map(|text| serde_json::from_str(text).unwrap())
        .collect();
    let methods: Vec<_> = messages.iter().map(|it| it["method"].as_str()).collect();
    let expected = [
        Some("notifications/subscriptions/acknowledged"),
        Some("notifications/tools/list_changed"),
        None,
    ];
    assert_eq!(methods, expected, "{messages:?}");
    for message in &messages[..2] {
        assert_eq!(message["params"]["_meta"][KEY], asked["id"]);
    }
    assert_eq!(messages[2]["result"]["resultType"], "complete");
    assert_eq!(messages[2]["id"], asked["id"]);
}

#[tokio::test]
async fn a_subscription_ends_as_that_of_the_server_does() {
    assert_ends_as_that_of_the_server(stream).await;
}

/// The server of the conformance suite writes them.
#[tokio::test]
async fn lines_of_a_document_are_a_subscription_too() {
    assert_ends_as_that_of_the_server(lines).await;
}

#[tokio::test]
async fn a_subscription_that_the_server_tears_down_fails() {
    let error = json!({ "code": -32603, "message": "stream torn down", "data": 7 });
    let said = error.clone();
    let (reply, _) = listen(move |asked| {
        let failed = json!({ "jsonrpc": "2.0", "id": asked.message["id"], "error": said });
        stream(asked, &failed)
    })
    .await;
    let last: Value = serde_json::from_str(reply.messages().last().unwrap()).unwrap();
    assert_eq!((&last["error"], &last["id"]), (&error, &json!(1)));
}

#[tokio::test]
async fn a_subscription_that_the_server_refuses_fails() {
    let error = json!({ "code": -32601, "message": "Method not found", "data": "listen" });
    let said = error.clone();
    let (reply, _) = listen(move |asked| {
        let body = json!({ "jsonrpc": "2.0", "id": asked.message["id"], "error": said });
        let kind = "Content-Type: application/json\r\n";
        script::response("404 Not Found", kind, &body.to_string())
    })
    .await;
    assert_eq!(
        (reply.status.as_u16(), &reply.answer()["error"]),
        (404, &error)
    );
}
