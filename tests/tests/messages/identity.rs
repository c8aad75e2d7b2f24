//! Properties of a client that a server sees: its name, its identifiers, its tokens; and what a
//! client sees of the server.

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_tests::gateway::{Backends, TestGateway};
use mcp_gateway_tests::script::{self, Scripted};
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};

use super::harness::{Client, gateway_of_two, plain_server, received};

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

fn matches_call(asked: &script::ReceivedRequest, id: i64) -> bool {
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

/// A server that describes itself with `_meta`.
async fn described(is_modern: bool) -> Scripted {
    let script = move |asked: &script::ReceivedRequest| {
        let capabilities = json!({ "tools": {} });
        let name = json!({ "name": "described", "version": "1" });
        let described = match (asked.method(), is_modern) {
            ("server/discover", true) => json!({
                "resultType": "complete",
                "supportedVersions": ["2026-07-28"],
                "capabilities": capabilities,
                "ttlMs": 0,
                "cacheScope": "private",
                "_meta": { "vendor/build": [7], "io.modelcontextprotocol/serverInfo": name },
            }),
            ("initialize", false) => json!({
                "protocolVersion": "2025-11-25",
                "capabilities": capabilities,
                "serverInfo": name,
                "_meta": { "vendor/build": [7], "io.modelcontextprotocol/clientInfo": {} },
            }),
            _ => return script::declaring(asked, is_modern, &capabilities),
        };
        script::document(&asked.result(&described))
    };
    Scripted::start(script).await.unwrap()
}

/// Returns the `_meta` of the description that a client receives in each era.
async fn meta(gateway: &TestGateway) -> [Value; 2] {
    let token = HeaderValue::from_static("Bearer alice");
    let wire = Wire::new(&gateway.url).with_header(AUTHORIZATION, token);
    let initialize = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "t", "version": "1" },
    } });
    let legacy = wire.post(initialize.to_string(), &[]).await.unwrap();
    let modern = wire.request("server/discover", json!({})).await.unwrap();
    [legacy, modern].map(|reply| reply.answer()["result"]["_meta"].clone())
}

#[tokio::test]
async fn the_only_server_is_described_with_its_meta_in_either_era() {
    for is_modern in [false, true] {
        let server = described(is_modern).await;
        let gateway = Backends::only(&server.url).start().await;
        let name = json!({ "name": "described", "version": "1" });
        let build = json!([7]);
        let expected = [
            json!({ "vendor/build": build }),
            json!({ "vendor/build": build, "io.modelcontextprotocol/serverInfo": name }),
        ];
        assert_eq!(meta(&gateway).await, expected, "{is_modern}");
        let gateway = gateway_of_two(&server, &server).await;
        let [legacy, modern] = meta(&gateway).await;
        assert_eq!((legacy, modern.get("vendor/build")), (Value::Null, None));
    }
}
