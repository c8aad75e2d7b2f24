//! Requests that their client cancels.

use std::sync::Arc;

use mcp_gateway_tests::gateway::Backends;
use mcp_gateway_tests::script::Step;
use serde_json::json;
use tokio::sync::Semaphore;

use super::harness::{Client, received, server};

#[tokio::test]
async fn the_server_learns_why_a_request_is_cancelled() {
    let gate = Arc::new(Semaphore::new(0));
    let server = server(json!({ "tools": {} }), &gate, &[], |asked| {
        (asked.method() == "tools/call").then(|| vec![Step::Hang])
    })
    .await;
    let gateway = Backends::only(&server.url).start().await;
    let client = Client::connect(&gateway, json!({})).await;
    let params = json!({ "name": "lie", "arguments": {} });
    let reason = "the \"user\" aborted";
    let (reply, asked) = tokio::join!(client.request(2, "tools/call", &params), async {
        let asked = received(&server, |asked| asked.method() == "tools/call").await;
        let cancelled = json!({ "requestId": 2, "reason": reason });
        client.notify("notifications/cancelled", &cancelled).await;
        asked
    });
    let method = "notifications/cancelled";
    let cancelled = received(&server, |asked| asked.method() == method).await;
    let expected = json!({ "requestId": asked["id"], "reason": reason });
    assert_eq!(cancelled["params"], expected);
    let error = &reply.answer()["error"];
    assert_eq!(error["code"], -32800);
    assert_eq!(error["message"], "Request cancelled");
}
