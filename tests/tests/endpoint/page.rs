//! Web pages: `Origin`, `Host` and CORS.

use mcp_gateway_core::host_policy::HostPolicy;
use mcp_gateway_tests::wire::modern_request;
use serde_json::{Value, json};

use super::harness::{Harness, LIST_HEADERS, assert_error};

/// Of seven gateways that were probed one refused a foreign `Origin`, and none a foreign `Host`.
#[tokio::test]
async fn a_page_of_elsewhere_and_a_rebound_name_are_refused() {
    let harness = Harness::new().await;
    let body = modern_request("tools/list", json!({}));
    let table = [
        ("origin", "http://evil.example"),
        ("origin", "null"),
        ("origin", "http://localhost.evil.example"),
        ("origin", "http://127.0.0.1.evil.example"),
        ("origin", "file://"),
        ("origin", ""),
        ("host", "evil.example"),
        ("host", "localhost.evil.example"),
        ("host", "localhost:80@evil.example"),
    ];
    for (name, value) in table {
        let headers = [&LIST_HEADERS[..], &[(name, value)]].concat();
        let reply = harness.wire().post(body.clone(), &headers).await.unwrap();
        assert_error(&reply, 403, -32600, &Value::Null, value);
        assert!(
            !reply.headers.contains_key("access-control-allow-origin"),
            "{value}"
        );
    }
    for (name, value) in [("origin", "http://localhost:6274"), ("host", "localhost")] {
        let headers = [&LIST_HEADERS[..], &[(name, value)]].concat();
        let reply = harness.wire().post(body.clone(), &headers).await.unwrap();
        assert!(
            reply.answer()["result"].is_object(),
            "{value}: {}",
            reply.body
        );
    }
}

#[tokio::test]
async fn two_hosts_or_two_origins_are_none() {
    let harness = Harness::new().await;
    for extra in [
        "Host: evil.example\r\n",
        "Origin: http://localhost\r\nOrigin: http://evil.example\r\n",
    ] {
        let mut raw = harness.raw().await;
        let host = raw.host().to_owned();
        let request = format!(
            "POST /mcp HTTP/1.1\r\nHost: {host}\r\n{extra}Authorization: Bearer alice\r\n\
             Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{}}"
        );
        raw.write(request).await.unwrap();
        let reply = raw.reply().await.unwrap();
        assert!(
            [400, 403].contains(&reply.status.as_u16()),
            "{extra}: {reply:?}"
        );
        assert!(!reply.body.contains("neither"), "{extra}: {reply:?}");
    }
}

#[tokio::test]
async fn a_page_that_may_call_is_told_what_it_needs() {
    let guard = HostPolicy::new().with_origin("https://app.example");
    let harness = Harness::with(|builder| builder.with_host_policy(guard)).await;
    for origin in ["https://app.example", "http://localhost:1234"] {
        let mut raw = harness.raw().await;
        let host = raw.host().to_owned();
        let request = format!(
            "OPTIONS /mcp HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: authorization, content-type, mcp-method, mcp-name, \
             mcp-param-region, mcp-protocol-version, mcp-session-id, last-event-id\r\n\r\n"
        );
        raw.write(request).await.unwrap();
        let reply = raw.reply().await.unwrap();
        let text = |name: &str| {
            let value = reply.headers.get(name).map(|value| value.to_str().unwrap());
            value.unwrap_or_default().to_ascii_lowercase()
        };
        assert!(reply.status.is_success(), "{reply:?}");
        assert_eq!(text("access-control-allow-origin"), origin);
        for method in ["get", "post", "delete"] {
            assert!(
                text("access-control-allow-methods").contains(method),
                "{reply:?}"
            );
        }
        for name in [
            "authorization",
            "content-type",
            "mcp-param-region",
            "mcp-session-id",
            "last-event-id",
        ] {
            let allowed = text("access-control-allow-headers");
            assert!(
                allowed.contains(name) || allowed == "*",
                "{name}: {reply:?}"
            );
        }
        let body = modern_request("tools/list", json!({}));
        let headers = [&LIST_HEADERS[..], &[("origin", origin)]].concat();
        let reply = harness.wire().post(body, &headers).await.unwrap();
        assert_eq!(reply.headers["access-control-allow-origin"], origin);
        let exposed = reply.headers["access-control-expose-headers"]
            .to_str()
            .unwrap();
        assert!(
            exposed.to_ascii_lowercase().contains("mcp-session-id"),
            "{exposed}"
        );
    }
}

#[tokio::test]
async fn a_preflight_of_a_stranger_allows_nothing() {
    let harness = Harness::new().await;
    let mut raw = harness.raw().await;
    let host = raw.host().to_owned();
    let request = format!(
        "OPTIONS /mcp HTTP/1.1\r\nHost: {host}\r\nOrigin: http://evil.example\r\n\
         Access-Control-Request-Method: POST\r\n\r\n"
    );
    raw.write(request).await.unwrap();
    let reply = raw.reply().await.unwrap();
    assert!(
        !reply.headers.contains_key("access-control-allow-origin"),
        "{reply:?}"
    );
}

#[tokio::test]
async fn errors_can_be_read_by_the_page_that_caused_them() {
    let harness = Harness::new().await;
    let wire = mcp_gateway_tests::wire::Wire::new(&harness.gateway.url);
    let reply = wire
        .post("{", &[("origin", "http://localhost:1")])
        .await
        .unwrap();
    assert_eq!(reply.status.as_u16(), 401);
    assert_eq!(
        reply.headers["access-control-allow-origin"],
        "http://localhost:1"
    );
    let exposed = reply.headers["access-control-expose-headers"]
        .to_str()
        .unwrap();
    assert!(
        exposed.to_ascii_lowercase().contains("www-authenticate"),
        "{exposed}"
    );
}
