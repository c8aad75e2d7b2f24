//! Revisions that do not exist, or do not fit together.

use mcp_gateway_tests::wire::modern_request;
use serde_json::json;

use super::harness::{Harness, assert_error, initialize, request};

const UNSUPPORTED: i64 = -32022;
const MISMATCH: i64 = -32020;

fn with_version(version: &str) -> String {
    modern_request("tools/list", json!({})).replacen("2026-07-28", version, 1)
}

#[tokio::test]
async fn a_revision_that_is_not_spoken_is_told_those_that_are() {
    let harness = Harness::new().await;
    for version in ["2027-01-01", "1.0", "", "2026-07-28 ", "dranz"] {
        let headers = [
            ("mcp-protocol-version", version),
            ("mcp-method", "tools/list"),
        ];
        let reply = harness
            .wire()
            .post(with_version(version), &headers)
            .await
            .unwrap();
        if version.trim() != version {
            assert_error(&reply, 400, MISMATCH, &json!(1), version);
            continue;
        }
        assert_error(&reply, 400, UNSUPPORTED, &json!(1), version);
        let data = &reply.answer()["error"]["data"];
        assert_eq!(data["requested"], version);
        assert_eq!(data["supported"][0], "2026-07-28", "{data}");
        assert!(
            data["supported"]
                .as_array()
                .unwrap()
                .contains(&json!("2025-11-25")),
            "{data}"
        );
    }
}

#[tokio::test]
async fn header_and_body_must_agree_on_the_revision() {
    let harness = Harness::new().await;
    let table = [
        (Some("2025-11-25"), "2026-07-28"),
        (None, "2026-07-28"),
        (Some("2026-07-28"), "2025-11-25"),
        (Some("2026-07-28"), "2027-01-01"),
        (Some("2027-01-01"), "2026-07-28"),
    ];
    for (header, body) in table {
        let mut headers = vec![("mcp-method", "tools/list")];
        headers.extend(header.map(|header| ("mcp-protocol-version", header)));
        let reply = harness
            .wire()
            .post(with_version(body), &headers)
            .await
            .unwrap();
        assert_error(
            &reply,
            400,
            MISMATCH,
            &json!(1),
            &format!("{header:?} {body}"),
        );
    }
    // Two headers are two opinions.
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-method", "tools/list"),
    ];
    let reply = harness
        .wire()
        .post(with_version("2026-07-28"), &headers)
        .await
        .unwrap();
    assert_error(&reply, 400, MISMATCH, &json!(1), "twice");
}

#[tokio::test]
async fn metadata_of_a_modern_request_is_checked() {
    let harness = Harness::new().await;
    let version = "io.modelcontextprotocol/protocolVersion";
    let capabilities = "io.modelcontextprotocol/clientCapabilities";
    let headers = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/list"),
    ];
    for (meta, code) in [
        (json!({}), -32602),
        (json!({ capabilities: {} }), -32602),
        (json!({ version: 7, capabilities: {} }), -32602),
        (json!({ version: "2026-07-28" }), -32602),
        (json!({ version: "2026-07-28", capabilities: 7 }), -32602),
        (json!({ version: "2026-07-28", capabilities: [] }), -32602),
        (
            json!({ version: "2026-07-28", capabilities: { "x": "y".repeat(5000) } }),
            -32602,
        ),
        (
            json!({ version: "2026-07-28", capabilities: {}, "io.modelcontextprotocol/logLevel": "loud" }),
            -32602,
        ),
    ] {
        let body = request("tools/list", &json!({ "_meta": meta }));
        let reply = harness.wire().post(body, &headers).await.unwrap();
        let answer = reply.answer();
        assert_eq!(answer["error"]["code"], code, "{meta}: {answer}");
        assert_eq!(answer["id"], 7, "{meta}");
    }
}

#[tokio::test]
async fn a_request_of_an_unsupported_revision_learns_the_supported_ones() {
    let harness = Harness::new().await;
    let headers = [("mcp-protocol-version", "1999-01-01")];
    let body = request("tools/list", &json!({}));
    let reply = harness.wire().post(body, &headers).await.unwrap();
    assert_error(&reply, 400, UNSUPPORTED, &json!(7), "1999-01-01");
    let supported = &reply.answer()["error"]["data"]["supported"];
    assert!(supported.as_array().unwrap().contains(&json!("2025-11-25")));
}

#[tokio::test]
async fn a_session_agrees_on_a_revision_and_keeps_to_it() {
    let harness = Harness::new().await;
    // One gateway answered 2025-11-25 whatever it was asked for.
    for (asked, agreed) in [
        ("2025-11-25", "2025-11-25"),
        ("2025-06-18", "2025-06-18"),
        ("2025-03-26", "2025-03-26"),
        ("2026-07-28", "2025-11-25"),
        ("1999-01-01", "2025-11-25"),
        ("", "2025-11-25"),
    ] {
        let reply = harness.wire().post(initialize(asked), &[]).await.unwrap();
        assert_eq!(
            reply.answer()["result"]["protocolVersion"],
            agreed,
            "{asked}"
        );
    }
    // Three gateways answered such a request with 200.
    let session = harness.initialize("alice").await;
    for (version, code) in [
        ("2027-01-01", UNSUPPORTED),
        ("x", UNSUPPORTED),
        ("2026-07-28", 0),
    ] {
        let headers = [
            ("mcp-session-id", &*session),
            ("mcp-protocol-version", version),
        ];
        let reply = harness
            .wire()
            .post(request("ping", &json!({})), &headers)
            .await
            .unwrap();
        assert_eq!(reply.status.as_u16(), 400, "{version}: {}", reply.body);
        if code != 0 {
            assert_error(&reply, 400, code, &json!(7), version);
        }
    }
}

#[tokio::test]
async fn initialize_needs_what_it_is_for() {
    let harness = Harness::new().await;
    for params in [
        json!({}),
        json!({ "protocolVersion": 7 }),
        json!({ "protocolVersion": "2025-11-25", "capabilities": 7 }),
        json!({ "protocolVersion": "2025-11-25", "capabilities": { "x": "y".repeat(5000) } }),
    ] {
        let reply = harness
            .wire()
            .post(request("initialize", &params.clone()), &[])
            .await
            .unwrap();
        assert_eq!(
            reply.answer()["error"]["code"],
            -32602,
            "{params}: {}",
            reply.body
        );
        assert!(!reply.headers.contains_key("mcp-session-id"), "{params}");
    }
    assert_eq!(harness.gateway.sessions.count(), 0);
}

#[tokio::test]
async fn methods_that_do_not_exist_are_not_found() {
    let harness = Harness::new().await;
    let session = harness.initialize("alice").await;
    // agentgateway: 500 and -32603; two others: -32602.
    for method in ["no/such/method", "vendor/x", "tools/callx", "TOOLS/LIST"] {
        let reply = harness.wire().request(method, json!({})).await.unwrap();
        let code = &reply.answer()["error"]["code"];
        assert_eq!(
            (reply.status.as_u16(), code),
            (404, &json!(-32601)),
            "{method}"
        );
        let reply = harness.legacy(&session, request(method, &json!({}))).await;
        let code = &reply.answer()["error"]["code"];
        assert_eq!(
            (reply.status.as_u16(), code),
            (200, &json!(-32601)),
            "{method}"
        );
    }
    // Those that the modern era has removed.
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
    ] {
        let reply = harness.wire().request(method, json!({})).await.unwrap();
        assert_error(&reply, 404, -32601, &json!(1), method);
    }
    // Those that the legacy era does not have.
    for method in ["server/discover", "subscriptions/listen"] {
        let reply = harness.legacy(&session, request(method, &json!({}))).await;
        assert_error(&reply, 200, -32601, &json!(7), method);
    }
}
