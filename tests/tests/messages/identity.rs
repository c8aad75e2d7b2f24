//! Properties of a client that a server sees: its name, its identifiers, its tokens.

use mcp_gateway_tests::gateway::Backends;
use serde_json::{Value, json};

use super::harness::{Client, plain_server, received};

fn call(token: i64) -> Value {
    json!({ "name": "truth", "arguments": {}, "_meta": { "progressToken": token } })
}

#[tokio::test]
async fn a_client_that_counts_keeps_its_identifiers_and_tokens() {
    let server = plain_server().await;
    let gateway = Backends::only(&server.url).start().await;
    let client = Client::connect(&gateway, json!({})).await;
    for id in [2, 3, 10] {
        let reply = client.request(id, "tools/call", &call(id)).await;
        assert_eq!(reply.answer()["id"], id);
        let is_it = |asked: &_| matches_call(asked, id);
        let asked = received(&server, is_it).await;
        assert_eq!(asked["params"]["_meta"]["progressToken"], id);
    }
    // Another client, with the same identifiers on the same session.
    let other = Client::connect(&gateway, json!({})).await;
    let reply = other.request(2, "tools/call", &call(2)).await;
    assert_eq!(reply.answer()["id"], 2);
    assert_eq!(server.count("initialize"), 1);
    let asked = server.asked();
    let calls = asked.iter().filter(|asked| asked.method() == "tools/call");
    let mut ids: Vec<_> = calls.map(|asked| asked.message["id"].as_i64()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4, "{asked:?}");
}

fn matches_call(asked: &mcp_gateway_tests::script::ReceivedRequest, id: i64) -> bool {
    asked.method() == "tools/call" && asked.message["id"] == id
}

#[tokio::test]
async fn a_remote_server_sees_each_client_by_its_name() {
    let server = plain_server().await;
    let gateway = Backends::only(&server.url).start().await;
    let acme = json!({ "name": "acme", "version": "9.9.9", "title": "Acme" });
    let own = json!({ "name": "other", "version": "1" });
    for info in [&acme, &acme, &own, &json!({ "name": 7 })] {
        Client::connect_as(&gateway, "alice", json!({}), info.clone()).await;
    }
    let asked = server.asked();
    let started = asked.iter().filter(|asked| asked.method() == "initialize");
    let infos: Vec<_> = started
        .map(|asked| asked.message["params"]["clientInfo"].clone())
        .collect();
    assert_eq!(infos[..2], [acme, own]);
    assert_eq!((infos.len(), &infos[2]["name"]), (3, &json!("mcp-gateway")));
}
