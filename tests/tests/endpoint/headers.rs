//! Headers that mirror the body, and do not.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mcp_gateway_tests::wire::modern_request;
use serde_json::json;

use super::harness::{Harness, SOON, assert_error};

const MISMATCH: i64 = -32020;

fn sentinel(text: &str) -> String {
    format!("=?base64?{}?=", STANDARD.encode(text))
}

/// Headers that do not say what the body says: a call of `echo`.
const WRONG: [&[(&str, &str)]; 16] = [
    &[("mcp-method", "tools/list"), ("mcp-name", "echo")],
    &[("mcp-method", "TOOLS/CALL"), ("mcp-name", "echo")],
    &[("mcp-method", ""), ("mcp-name", "echo")],
    &[("mcp-name", "echo")],
    &[("mcp-method", "tools/call")],
    &[("mcp-method", "tools/call"), ("mcp-name", "")],
    &[("mcp-method", "tools/call"), ("mcp-name", "add")],
    &[("mcp-method", "tools/call"), ("mcp-name", "Echo")],
    &[CALL, ("mcp-name", "echo"), ("mcp-name", "echo")],
    &[CALL, ("mcp-method", "tools/list"), ("mcp-name", "echo")],
    &[CALL, ("mcp-name", "=?base64?YWRk?=")],
    &[CALL, ("mcp-name", "=?base64?%%%?=")],
    &[CALL, ("mcp-name", "=?base64?ZWNobw?=")],
    &[CALL, ("mcp-name", "=?base64?/w==?=")],
    &[CALL, ("mcp-name", "=?BASE64?ZWNobw==?=")],
    &[CALL, ("mcp-name", "=?base64??=")],
];

const CALL: (&str, &str) = ("mcp-method", "tools/call");

#[tokio::test]
async fn headers_that_disagree_with_the_body_are_refused() {
    let harness = Harness::new().await;
    let params = json!({ "name": "echo", "arguments": { "message": "a" } });
    let echo = modern_request("tools/call", params);
    for wrong in WRONG {
        let headers = [&[("mcp-protocol-version", "2026-07-28")], wrong].concat();
        let reply = harness.wire().post(echo.clone(), &headers).await.unwrap();
        assert_error(&reply, 400, MISMATCH, &json!(1), &format!("{wrong:?}"));
    }
    for name in ["echo".to_owned(), sentinel("echo")] {
        let headers = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", &name),
        ];
        let reply = harness.wire().post(echo.clone(), &headers).await.unwrap();
        assert!(
            reply.answer()["result"].is_object(),
            "{name}: {}",
            reply.body
        );
    }
}

#[tokio::test]
async fn headers_of_arguments_that_disagree_are_refused_and_never_passed_on() {
    let harness = Harness::new().await;
    let arguments = json!({ "count": 7, "text": "Grüße", "place": { "region": "north" } });
    let params = json!({ "name": "header_types", "arguments": arguments });
    let body = modern_request("tools/call", params);
    let text = sentinel("Grüße");
    let right = [
        ("mcp-protocol-version", "2026-07-28"),
        ("mcp-method", "tools/call"),
        ("mcp-name", "header_types"),
        ("mcp-param-count", "7"),
        ("mcp-param-text", &text),
        ("mcp-param-region", "north"),
    ];
    let reply = harness.wire().post(body.clone(), &right).await.unwrap();
    let answer = reply.answer();
    let headers = &answer["result"]["structuredContent"]["headers"];
    assert_eq!(headers["mcp-param-count"], json!(["7"]), "{answer}");
    assert_eq!(headers["mcp-param-text"], json!([text]), "{answer}");

    for (at, wrong) in [
        (3, "8"),
        (3, "x"),
        (4, "Gruss"),
        (4, "=?base64?!?="),
        (5, "south"),
    ] {
        let mut headers = right;
        headers[at].1 = wrong;
        let reply = harness.wire().post(body.clone(), &headers).await.unwrap();
        assert_error(&reply, 400, MISMATCH, &json!(1), wrong);
    }
    let missing: Vec<_> = right
        .iter()
        .copied()
        .filter(|(name, _)| *name != "mcp-param-count")
        .collect();
    let reply = harness.wire().post(body, &missing).await.unwrap();
    assert_error(&reply, 400, MISMATCH, &json!(1), "missing");
}

#[tokio::test]
async fn oversized_headers_are_refused_and_the_gateway_goes_on() {
    let harness = Harness::new().await;
    for head in [
        format!("X-Large: {}\r\n", "x".repeat(200_000)),
        (0..500)
            .map(|at| format!("X-Many-{at}: x\r\n"))
            .collect::<String>(),
        format!("Mcp-Name: {}\r\n", "n".repeat(100_000)),
    ] {
        let mut raw = harness.raw().await;
        let host = raw.host().to_owned();
        let request = format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\n{head}\r\n");
        // The server may close before all of it is written.
        let _ = raw.write(request).await;
        let rest = tokio::time::timeout(SOON, raw.rest())
            .await
            .unwrap()
            .unwrap();
        let rest = String::from_utf8_lossy(&rest).into_owned();
        let refused = ["HTTP/1.1 431", "HTTP/1.1 400"]
            .iter()
            .any(|start| rest.starts_with(start));
        assert!(refused || rest.is_empty(), "{rest}");
    }
    harness.is_well().await;
}

#[tokio::test]
async fn headers_of_heads_that_are_no_http_are_refused() {
    let harness = Harness::new().await;
    for head in [
        "POST /mcp\r\n\r\n",
        "POST /mcp HTTP/9.9\r\n\r\n",
        "\0\0\0\0\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nBad Header: x\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "POST /mcp HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let mut raw = harness.raw().await;
        raw.write(head).await.unwrap();
        raw.finish().await.unwrap();
        let rest = raw.rest().await.unwrap();
        let text = String::from_utf8_lossy(&rest);
        assert!(!text.starts_with("HTTP/1.1 2"), "{head:?}: {text}");
    }
    harness.is_well().await;
}
