//! Clients that write and read as TCP allows.

use std::time::Duration;

use mcp_gateway_tests::wire::modern_request;
use serde_json::json;

use super::harness::{Harness, SOON};

fn post(host: &str, body: &str) -> String {
    format!(
        "POST /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer alice\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn list(id: usize) -> String {
    let text = modern_request("tools/list", json!({}));
    text.replacen("\"id\":1", &format!("\"id\":{id}"), 1)
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let harness = Harness::new().await;
    let mut raw = harness.raw().await;
    let host = raw.host().to_owned();
    let mut all: Vec<_> = (0..20).map(|id| post(&host, &list(id))).collect();
    all.insert(10, post(&host, "{"));
    raw.write(all.concat()).await.unwrap();
    for id in (0..10).map(Some).chain([None]).chain((10..20).map(Some)) {
        let reply = raw.reply().await.unwrap();
        match id {
            Some(id) => assert_eq!(reply.json()["id"], id, "{reply:?}"),
            None => assert_eq!(reply.json()["error"]["code"], -32700, "{reply:?}"),
        }
    }
}

/// Closing the connection is how a client of the modern era cancels, and half of it looks the same.
#[tokio::test]
async fn a_client_that_closes_half_of_the_connection_cancels() {
    let harness = Harness::new().await;
    let slow = json!({ "name": "slow", "arguments": { "seconds": 600, "steps": 1 } });
    let body = modern_request("tools/call", slow);
    let mut raw = harness.raw().await;
    let host = raw.host().to_owned();
    let request = post(&host, &body).replace("tools/list", "tools/call\r\nMcp-Name: slow");
    raw.write(request).await.unwrap();
    let counts = async || {
        let answer = harness.wire().call("slow_counts", json!({})).await.unwrap();
        answer.answer()["result"]["structuredContent"].clone()
    };
    while counts().await["started"] != 1 {}
    raw.finish().await.unwrap();
    raw.rest().await.unwrap();
    let start = std::time::Instant::now();
    while counts().await["cancelled"] != 1 {
        assert!(start.elapsed() < SOON, "{}", counts().await);
    }
}

#[tokio::test]
async fn a_body_that_comes_byte_by_byte_is_a_body() {
    let harness = Harness::new().await;
    let mut raw = harness.raw().await;
    let host = raw.host().to_owned();
    let request = post(&host, &list(6));
    for byte in request.as_bytes() {
        raw.write([*byte]).await.unwrap();
    }
    assert_eq!(raw.reply().await.unwrap().json()["id"], 6);

    let body = list(7);
    let chunks: String = body
        .chars()
        .map(|char| format!("1\r\n{char}\r\n"))
        .collect();
    let chunked = post(&host, "").replace("Content-Length: 0", "Transfer-Encoding: chunked");
    raw.write(format!("{chunked}{chunks}0\r\n\r\n"))
        .await
        .unwrap();
    assert_eq!(raw.reply().await.unwrap().json()["id"], 7);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_no_request() {
    let harness = Harness::new().await;
    for end in [true, false] {
        let mut raw = harness.raw().await;
        let host = raw.host().to_owned();
        let request = post(&host, &list(8));
        raw.write(&request.as_bytes()[..request.len() - 10])
            .await
            .unwrap();
        if end {
            raw.finish().await.unwrap();
            let rest = raw.rest().await.unwrap();
            let text = String::from_utf8_lossy(&rest).into_owned();
            assert!(!text.contains("\"result\""), "{text}");
        }
    }
    harness.is_well().await;
}

/// The clock of the test goes forward when nobody has anything to do.
#[tokio::test(start_paused = true)]
async fn a_client_that_never_finishes_its_request_is_told_so() {
    let harness = Harness::new().await;
    let mut raw = harness.raw().await;
    let host = raw.host().to_owned();
    let request = post(&host, &list(9));
    raw.write(&request.as_bytes()[..request.len() - 10])
        .await
        .unwrap();
    let start = tokio::time::Instant::now();
    let line = loop {
        match raw.line().await {
            Ok(line) => break line,
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert_eq!(line, "HTTP/1.1 408 Request Timeout");
    assert!(
        start.elapsed() < Duration::from_secs(130),
        "{:?}",
        start.elapsed()
    );

    // A head that does not end is not answered at all.
    let mut raw = harness.raw().await;
    raw.write("POST /mcp HTTP/1.1\r\nHost: loc").await.unwrap();
    let end = loop {
        match raw.rest().await {
            Ok(rest) => break rest,
            Err(error) if error.kind() == std::io::ErrorKind::TimedOut => {}
            Err(error) => panic!("{error}"),
        }
    };
    assert!(!String::from_utf8_lossy(&end).starts_with("HTTP/1.1 2"));
}

#[tokio::test]
async fn a_client_that_expects_to_be_told_to_go_on_is() {
    let harness = Harness::new().await;
    let mut raw = harness.raw().await;
    let host = raw.host().to_owned();
    let body = list(10);
    let request = post(&host, &body).replace("Accept:", "Expect: 100-continue\r\nAccept:");
    let (head, _) = request.split_at(request.len() - body.len());
    raw.write(head).await.unwrap();
    assert_eq!(raw.line().await.unwrap(), "HTTP/1.1 100 Continue");
    assert_eq!(raw.line().await.unwrap(), "");
    raw.write(&body).await.unwrap();
    assert_eq!(raw.reply().await.unwrap().json()["id"], 10);
}

#[tokio::test]
async fn a_thousand_clients_that_go_away_leave_nothing() {
    let harness = Harness::new().await;
    for id in 0..1000 {
        let mut raw = harness.raw().await;
        let host = raw.host().to_owned();
        let request = post(&host, &list(id));
        let cut = request.len() * (id % 10 + 1) / 10;
        raw.write(&request.as_bytes()[..cut]).await.unwrap();
    }
    harness.is_well().await;
    assert!(harness.gateway.sessions.count() <= 1);
}

/// Clients that write the head and the body apart, as Python's do, would see their next request fail.
#[tokio::test]
async fn a_connection_outlasts_a_refusal_of_which_the_body_comes_later() {
    let harness = Harness::new().await;
    let mut raw = harness.raw().await;
    let host = raw.host().to_owned();
    let body = list(11);
    let refused = [
        (401, "Authorization: Bearer alice\r\n", ""),
        (
            403,
            "Accept:",
            "Origin: https://elsewhere.example\r\nAccept:",
        ),
        (405, "POST /mcp", "PUT /mcp"),
        (415, "application/json\r\n", "text/plain\r\n"),
        (403, host.as_str(), "elsewhere.example"),
    ];
    for (status, what, instead) in refused {
        let request = post(&host, &body).replacen(what, instead, 1);
        let (head, body) = request.split_at(request.len() - body.len());
        raw.write_apart(head, body).await.unwrap();
        let refusal = raw.reply().await.unwrap();
        assert_eq!(refusal.status, status, "{refusal:?}");
        assert!(!refusal.headers.contains_key("connection"), "{refusal:?}");
        raw.write(post(&host, &list(12))).await.unwrap();
        assert_eq!(raw.reply().await.unwrap().json()["id"], 12, "{status}");
    }
}

#[tokio::test]
async fn a_refusal_says_where_it_ends_the_connection() {
    let harness = Harness::new().await;
    let nobody = |host: &str, length: usize, more: &str| {
        format!("POST /mcp HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n{more}\r\n")
    };
    for (length, sent, more) in [
        // Nobody wants to read so much.
        (10_000_000, 300_000, ""),
        // Nobody wants to wait for so long.
        (100, 99, ""),
        // Nothing is to be read of what was not asked for.
        (100, 0, "Expect: 100-continue\r\n"),
    ] {
        let mut raw = harness.raw().await;
        let head = nobody(raw.host(), length, more);
        raw.write(format!("{head}{}", "x".repeat(sent)))
            .await
            .unwrap();
        let refusal = raw.reply().await.unwrap();
        assert_eq!(refusal.status, 401, "{refusal:?}");
        assert_eq!(refusal.headers["connection"], "close", "{refusal:?}");
        assert_eq!(raw.rest().await.unwrap(), b"");
    }
}
