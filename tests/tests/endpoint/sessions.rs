//! Sessions that are forged, somebody else's, or over.

use http::StatusCode;
use serde_json::{Value, json};

use super::harness::{Harness, assert_error, initialize, request};

async fn ping(harness: &Harness, who: &str, session: &str) -> mcp_gateway_tests::wire::Reply {
    let headers = [
        ("mcp-session-id", session),
        ("mcp-protocol-version", "2025-11-25"),
    ];
    harness
        .wire_of(who)
        .post(request("ping", &json!({})), &headers)
        .await
        .unwrap()
}

/// A client begins anew after 404 and only then: 400, 401 and 200 were the mistakes of others.
#[tokio::test]
async fn a_session_that_was_made_up_is_unknown() {
    let harness = Harness::new().await;
    let real = harness.initialize("alice").await;
    let middle = real.len() / 2;
    let flipped = |at: usize| {
        let mut bytes = real.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    // agentgateway took such an identifier for one of its own, and used the session that it named.
    let forged = "eyJ0IjoibWNwIiwicyI6W3sidCI6InAxIiwicyI6InZpY3RpbSJ9XX0";
    for session in [
        "x",
        "",
        " ",
        "00000000-0000-0000-0000-000000000000",
        forged,
        "\u{e9}",
        &flipped(0),
        &flipped(middle),
        &flipped(real.len() - 2),
        &real[..middle],
        &format!("{real}{real}"),
        &format!("{real}="),
        &"A".repeat(20_000),
    ] {
        let reply = ping(&harness, "alice", session).await;
        assert_error(&reply, 404, -32600, &json!(7), session);
        assert_eq!(reply.answer()["error"]["data"]["reason"], "unknown_session");
    }
    let reply = ping(&harness, "alice", &real).await;
    assert_eq!(reply.status, StatusCode::OK, "{}", reply.body);
}

/// agentgateway: bob's valid token on alice's session is answered.
#[tokio::test]
async fn a_session_of_somebody_else_is_unknown() {
    let harness = Harness::new().await;
    let session = harness.initialize("alice").await;
    let foreign = ping(&harness, "bob", &session).await;
    assert_error(&foreign, 404, -32600, &json!(7), "foreign");
    let made_up = ping(&harness, "bob", "made up").await;
    assert_eq!(
        foreign.body, made_up.body,
        "an error tells that the session exists"
    );
    for method in ["GET", "DELETE"] {
        let mut raw = harness.raw().await;
        let host = raw.host().to_owned();
        let head = format!(
            "{method} /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer bob\r\n\
             Accept: text/event-stream\r\nMcp-Session-Id: {session}\r\n\r\n"
        );
        raw.write(head).await.unwrap();
        assert_eq!(
            raw.reply().await.unwrap().status,
            StatusCode::NOT_FOUND,
            "{method}"
        );
    }
    assert_eq!(
        ping(&harness, "alice", &session).await.status,
        StatusCode::OK
    );
}

/// Three gateways served a session after it had been deleted.
#[tokio::test]
async fn a_session_that_was_ended_is_over() {
    let harness = Harness::new().await;
    let session = harness.initialize("alice").await;
    let delete = async || {
        let mut raw = harness.raw().await;
        let host = raw.host().to_owned();
        let head = format!(
            "DELETE /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer alice\r\n\
             Mcp-Session-Id: {session}\r\nConnection: close\r\n\r\n"
        );
        raw.write(head).await.unwrap();
        raw.head().await.unwrap().0
    };
    assert_eq!(delete().await, StatusCode::NO_CONTENT);
    assert_error(
        &ping(&harness, "alice", &session).await,
        404,
        -32600,
        &json!(7),
        "ended",
    );
    assert_eq!(delete().await, StatusCode::NOT_FOUND);
    assert_eq!(harness.gateway.sessions.count(), 0);
}

#[tokio::test]
async fn a_session_of_another_gateway_is_unknown() {
    let (one, other) = (Harness::new().await, Harness::new().await);
    let session = one.initialize("alice").await;
    assert_eq!(
        ping(&other, "alice", &session).await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_request_without_a_session_says_how_to_begin_one() {
    let harness = Harness::new().await;
    for method in [
        "ping",
        "tools/list",
        "tools/call",
        "notifications/initialized",
    ] {
        let reply = harness
            .wire()
            .post(request(method, &json!({})), &[])
            .await
            .unwrap();
        assert_error(&reply, 400, -32600, &json!(7), method);
        let message = reply.answer()["error"]["message"].to_string();
        assert!(message.contains("initialize"), "{message}");
    }
    let notification = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let reply = harness.wire().post(notification, &[]).await.unwrap();
    assert_error(&reply, 400, -32600, &Value::Null, "notification");
}

#[tokio::test]
async fn a_session_is_begun_once() {
    let harness = Harness::new().await;
    let session = harness.initialize("alice").await;
    let again = harness.legacy(&session, initialize("2025-11-25")).await;
    // A client that lost its session begins a new one; the old one is not touched.
    let new = again
        .headers
        .get("mcp-session-id")
        .map(|id| id.to_str().unwrap());
    assert_ne!(new, Some(&*session));
    assert_eq!(
        ping(&harness, "alice", &session).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn an_answer_to_what_nobody_asked_does_nothing() {
    let harness = Harness::new().await;
    let session = harness.initialize("alice").await;
    for body in [
        r#"{"jsonrpc":"2.0","id":99,"result":{}}"#,
        r#"{"jsonrpc":"2.0","id":"x","error":{"code":1,"message":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":1.5,"result":{}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":99}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1.5}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"x"}}"#,
    ] {
        let reply = harness.legacy(&session, body).await;
        assert!(
            [202, 400].contains(&reply.status.as_u16()),
            "{body}: {}",
            reply.body
        );
    }
    harness.is_well().await;
}

#[tokio::test]
async fn two_requests_of_one_id_are_told_apart() {
    let harness = Harness::new().await;
    let session = harness.initialize("alice").await;
    let slow = json!({ "name": "slow", "arguments": { "seconds": 1.0, "steps": 1 } });
    let (first, second) = tokio::join!(
        harness.legacy(&session, request("tools/call", &slow.clone())),
        harness.legacy(&session, request("tools/call", &slow)),
    );
    let mut refused = 0;
    for reply in [first, second] {
        let answer = reply.answer();
        match answer["error"]["code"].as_i64() {
            Some(code) => {
                assert_eq!(code, -32600, "{answer}");
                refused += 1;
            }
            None => assert!(answer["result"].is_object(), "{answer}"),
        }
    }
    assert_eq!(refused, 1, "one of two with the same id");
}

#[tokio::test]
async fn events_that_never_were_cannot_be_resumed() {
    let harness = Harness::new().await;
    let session = harness.initialize("alice").await;
    for event in [
        "",
        "x",
        "0",
        "1-1",
        "99999999999999999999-1",
        "99-0",
        "-",
        "1/2/3",
    ] {
        let mut raw = harness.raw().await;
        let host = raw.host().to_owned();
        let head = format!(
            "GET /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer alice\r\n\
             Accept: text/event-stream\r\nLast-Event-ID: {event}\r\n\
             Mcp-Session-Id: {session}\r\n\r\n"
        );
        raw.write(head).await.unwrap();
        let reply = raw.reply().await.unwrap();
        assert_eq!(reply.status.as_u16(), 400, "{event}: {reply:?}");
        assert_eq!(
            reply.json()["error"]["data"]["reason"],
            "unknown_stream",
            "{event}"
        );
    }
}

#[tokio::test]
async fn one_session_cannot_read_the_stream_of_another() {
    let harness = Harness::new().await;
    let (one, other) = (
        harness.initialize("alice").await,
        harness.initialize("alice").await,
    );
    let secret = json!({
        "name": "slow",
        "arguments": { "seconds": 0.01, "steps": 2 },
        "_meta": { "progressToken": "mine" },
    });
    let reply = harness.legacy(&one, request("tools/call", &secret)).await;
    let events: Vec<_> = reply
        .body
        .lines()
        .filter_map(|line| line.strip_prefix("id:"))
        .collect();
    let event = events.first().unwrap().trim();
    for (session, status) in [(&other, 400), (&one, 200)] {
        let mut raw = harness.raw().await;
        let host = raw.host().to_owned();
        let head = format!(
            "GET /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer alice\r\n\
             Accept: text/event-stream\r\nLast-Event-ID: {event}\r\n\
             Mcp-Session-Id: {session}\r\n\r\n"
        );
        raw.write(head).await.unwrap();
        let (found, _) = raw.head().await.unwrap();
        assert_eq!(found.as_u16(), status, "{event}");
    }
}
