//! Parts of a caller's request that reach a server.

use http::HeaderName;
use serde_json::{Value, json};

use mcp_gateway_tests::wire::modern_request;

use super::harness::{Harness, request};

const SENT: [(&str, &str); 12] = [
    ("cookie", "session=secret"),
    ("proxy-authorization", "Basic c2VjcmV0"),
    ("x-api-key", "secret"),
    ("x-request-id", "their-request"),
    ("x-forwarded-for", "10.0.0.1"),
    ("forwarded", "for=10.0.0.1"),
    ("te", "trailers"),
    ("x-allowed", "yes"),
    (
        "traceparent",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    ),
    ("user-agent", "spy/1"),
    ("referer", "http://secret.example/"),
    ("accept-language", "de"),
];

fn headers_of(answer: &Value) -> Value {
    let headers = answer["result"]["structuredContent"]["headers"].clone();
    assert!(headers.is_object(), "{answer}");
    headers
}

async fn whoami_of_both(harness: &Harness, extra: &[(&str, &str)]) -> [Value; 2] {
    let params = json!({ "name": "whoami", "arguments": {} });
    let modern = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "whoami"),
    ];
    let body = modern_request("tools/call", params.clone());
    let headers = [&modern[..], extra].concat();
    let modern = harness.wire().post(body, &headers).await.unwrap().answer();
    let session = harness.initialize("alice").await;
    let legacy = [
        ("mcp-session-id", &*session),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    let headers = [&legacy[..], extra].concat();
    let legacy = harness
        .wire()
        .post(request("tools/call", &params), &headers)
        .await
        .unwrap();
    [headers_of(&modern), headers_of(&legacy.answer())]
}

/// agentgateway and FastMCP passed on the caller's `Authorization`, and more.
#[tokio::test]
async fn nothing_of_the_caller_reaches_a_server_that_is_not_listed() {
    let harness = Harness::new().await;
    for headers in whoami_of_both(&harness, &SENT).await {
        let text = headers.to_string();
        for secret in [
            "alice",
            "secret",
            "10.0.0.1",
            "spy/1",
            "their-request",
            "\"de\"",
            "yes",
        ] {
            assert!(!text.contains(secret), "{secret}: {text}");
        }
        for (name, _) in SENT {
            let named = headers.get(name).is_some();
            assert!(
                !named || name == "user-agent" || name == "traceparent",
                "{name}: {text}"
            );
        }
        assert!(headers.get("authorization").is_none(), "{text}");
        let gateway = harness
            .gateway
            .url
            .trim_start_matches("http://")
            .trim_end_matches("/mcp");
        assert_ne!(
            headers["host"][0], gateway,
            "the host of the gateway is not that of the server"
        );
    }
}

#[tokio::test]
async fn listed_headers_are_passed_on_and_no_others() {
    let names = [
        "x-allowed",
        "x-request-id",
        "authorization",
        "cookie",
        "te",
        "host",
        "mcp-name",
        "connection",
    ];
    let names = names.map(HeaderName::from_static);
    let harness = Harness::with(|builder| builder.with_forwarded_headers(names)).await;
    let extra = [
        &SENT[..],
        &[("X-Allowed", "twice"), ("connection", "x-api-key")],
    ]
    .concat();
    for headers in whoami_of_both(&harness, &extra).await {
        assert_eq!(headers["x-allowed"], json!(["yes", "twice"]), "{headers}");
        assert_eq!(
            headers["x-request-id"],
            json!(["their-request"]),
            "{headers}"
        );
        for name in [
            "authorization",
            "cookie",
            "te",
            "x-api-key",
            "forwarded",
            "proxy-authorization",
        ] {
            assert!(headers.get(name).is_none(), "{name}: {headers}");
        }
        assert!(!headers.to_string().contains("alice"), "{headers}");
    }
}

#[tokio::test]
async fn the_session_of_a_client_is_not_that_of_the_server() {
    let harness = Harness::new().await;
    let session = harness.initialize("alice").await;
    let params = json!({ "name": "whoami", "arguments": {} });
    let answer = harness
        .legacy(&session, request("tools/call", &params))
        .await
        .answer();
    assert!(!answer.to_string().contains(&session), "{answer}");
}
