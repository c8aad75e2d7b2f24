//! Methods, content types and what a client accepts.

use mcp_gateway_tests::wire::modern_request;
use serde_json::{Value, json};

use super::harness::{Harness, LIST_HEADERS, assert_error, initialize, request};

#[tokio::test]
async fn methods_that_the_endpoint_does_not_have_are_named() {
    let harness = Harness::new().await;
    for method in ["PUT", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"] {
        let mut raw = harness.raw().await;
        let host = raw.host().to_owned();
        let head = format!(
            "{method} /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer alice\r\n\
             Content-Length: 0\r\nConnection: close\r\n\r\n"
        );
        raw.write(head).await.unwrap();
        let (status, headers) = raw.head().await.unwrap();
        assert_eq!(status.as_u16(), 405, "{method}");
        // RFC 9110: "The origin server MUST generate an Allow header field in a 405 response".
        let allow = headers.get("allow").map(|allow| allow.to_str().unwrap());
        let allow = allow.unwrap_or_else(|| panic!("{method}: Allow is missing: {headers:?}"));
        for known in ["GET", "POST", "DELETE"] {
            assert!(allow.contains(known), "{method}: {allow}");
        }
    }
}

#[tokio::test]
async fn get_and_delete_need_a_session() {
    let harness = Harness::new().await;
    for (method, accept) in [
        ("GET", "application/json"),
        // No stream of 2024-11-05, which does not end, for a client that does not name it.
        ("GET", "*/*"),
        ("GET", "text/html, text/*;q=0.9"),
        ("DELETE", "*/*"),
    ] {
        let mut raw = harness.raw().await;
        let host = raw.host().to_owned();
        let head = format!(
            "{method} /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer alice\r\n\
             Accept: {accept}\r\n\r\n"
        );
        raw.write(head).await.unwrap();
        let reply = raw.reply().await.unwrap();
        assert_eq!(reply.status.as_u16(), 400, "{method}: {reply:?}");
        assert_eq!(
            reply.json()["error"]["data"]["reason"],
            "missing_session",
            "{method}"
        );
    }
}

#[tokio::test]
async fn a_body_that_does_not_say_it_is_json_is_not_read() {
    let harness = Harness::new().await;
    let body = modern_request("tools/list", json!({}));
    for kind in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "application/jsonp",
        "application/json-rpc",
        "",
    ] {
        let headers = [&LIST_HEADERS[..], &[("content-type", kind)]].concat();
        let reply = harness.wire().post(body.clone(), &headers).await.unwrap();
        assert_error(&reply, 415, -32600, &Value::Null, kind);
    }
    for kind in [
        "application/json; charset=utf-8",
        "Application/JSON",
        " application/json ;x=y",
    ] {
        let headers = [&LIST_HEADERS[..], &[("content-type", kind)]].concat();
        let reply = harness.wire().post(body.clone(), &headers).await.unwrap();
        assert!(
            reply.answer()["result"].is_object(),
            "{kind}: {}",
            reply.body
        );
    }
}

#[tokio::test]
async fn an_answer_has_a_type_that_the_client_takes() {
    let harness = Harness::new().await;
    let params = json!({
        "name": "slow",
        "arguments": { "seconds": 0.02, "steps": 2 },
        "_meta": { "progressToken": "t" },
    });
    let body = modern_request("tools/call", params);
    for (accept, kind) in [
        ("application/json, text/event-stream", "text/event-stream"),
        (
            "text/event-stream;q=0.1, application/json",
            "text/event-stream",
        ),
        ("*/*", "text/event-stream"),
        ("application/json", "application/json"),
    ] {
        let headers = [
            ("mcp-protocol-version", "2026-07-28"),
            ("mcp-method", "tools/call"),
            ("mcp-name", "slow"),
            ("accept", accept),
        ];
        let reply = harness.wire().post(body.clone(), &headers).await.unwrap();
        assert_eq!(
            reply.headers["content-type"], kind,
            "{accept}: {}",
            reply.body
        );
        assert!(
            reply.answer()["result"].is_object(),
            "{accept}: {}",
            reply.body
        );
    }
    let session = harness.initialize("alice").await;
    let mut raw = harness.raw().await;
    let host = raw.host().to_owned();
    let head = format!(
        "GET /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer alice\r\n\
         Accept: application/json\r\nMcp-Session-Id: {session}\r\n\r\n"
    );
    raw.write(head).await.unwrap();
    let reply = raw.reply().await.unwrap();
    assert_eq!(reply.status.as_u16(), 406, "{reply:?}");
}

#[tokio::test]
async fn nothing_is_answered_to_somebody_unknown() {
    let harness = Harness::new().await;
    let wire = mcp_gateway_tests::wire::Wire::new(&harness.gateway.url);
    for (token, body) in [
        (None, initialize("2025-11-25")),
        (None, modern_request("tools/list", json!({}))),
        (Some("Basic YWxpY2U6eA=="), request("ping", &json!({}))),
        (Some("bearer"), request("ping", &json!({}))),
        (None, "{".to_owned()),
    ] {
        let headers: Vec<_> = token
            .map(|token| ("authorization", token))
            .into_iter()
            .collect();
        let reply = wire.post(body.clone(), &headers).await.unwrap();
        assert_eq!(
            reply.status.as_u16(),
            401,
            "{token:?} {body}: {}",
            reply.body
        );
        let challenge = reply.headers["www-authenticate"].to_str().unwrap();
        assert!(challenge.starts_with("Bearer"), "{challenge}");
        assert!(reply.answer()["error"]["code"].is_i64(), "{}", reply.body);
    }
    assert_eq!(harness.gateway.sessions.count(), 0);
}
