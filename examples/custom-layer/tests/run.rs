//! The gateway as it is, called too often.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::time::Duration;

use mcp_gateway_tests::fixture::{Options, PATH, serve_http};
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::wire::Wire;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(60);

/// Calls until the limit rejects one.
async fn scenario(wire: &Wire) {
    for _ in 0..3 {
        let reply = wire.call("tickets__whoami", json!({})).await.unwrap();
        assert_eq!(reply.status.as_u16(), 200, "{}", reply.body);
    }
    let reply = wire.call("tickets__whoami", json!({})).await.unwrap();
    assert_eq!(reply.status.as_u16(), 429, "{}", reply.body);
    assert_eq!(reply.answer()["error"]["data"]["reason"], "rate_limited");
    let retry_after = reply.headers["retry-after"].to_str().unwrap();
    assert!(
        (1..=60).contains(&retry_after.parse().unwrap()),
        "{retry_after}"
    );

    // Lists are not limited.
    let reply = wire.request("tools/list", json!({})).await.unwrap();
    assert_eq!(reply.status.as_u16(), 200, "{}", reply.body);
}

#[tokio::test]
async fn the_fourth_call_in_a_minute_is_refused() {
    let tickets = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tickets_url = format!("http://{}{PATH}", tickets.local_addr().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_custom-layer"));
    command
        .env("TICKETS_URL", tickets_url)
        .env("LISTEN", "127.0.0.1:0");
    let mut gateway = Process::start(command).unwrap();
    let wire = Wire::new(gateway.url(SOON).await.unwrap());

    tokio::select! {
        () = scenario(&wire) => {}
        ended = serve_http(tickets, Options::default()) => panic!("{ended:?}"),
    }
}
