//! The gateway as it is, over a server that says what it has been presented.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::time::Duration;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_tests::fixture::{Options, PATH, serve_http};
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(60);

async fn whoami(url: &str, token: &'static str) -> Value {
    let wire = Wire::new(url).with_header(AUTHORIZATION, HeaderValue::from_static(token));
    wire.call("crm__whoami", json!({})).await.unwrap().answer()
}

/// Credential of each caller.
async fn scenario(url: &str) {
    for (token, presented) in [
        ("Bearer token-of-alice", "Bearer crm-a"),
        ("Bearer token-of-bob", "Bearer crm-b"),
    ] {
        let answer = whoami(url, token).await;
        let headers = &answer["result"]["structuredContent"]["headers"];
        assert_eq!(headers["authorization"], json!([presented]), "{answer}");
    }
    let answer = whoami(url, "Bearer token-of-carol").await;
    let result = &answer["result"];
    assert_eq!(result["isError"], json!(true), "{answer}");
    let problem = &result["_meta"]["mcp-gateway/problem"];
    assert_eq!(problem["reason"], "not_connected", "{answer}");
    assert_eq!(problem["url"], "https://crm.example.com/tokens");
}

#[tokio::test]
async fn each_caller_has_an_account_of_their_own() {
    let crm = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let crm_url = format!("http://{}{PATH}", crm.local_addr().unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_credential-resolver"));
    command.env("CRM_URL", crm_url).env("LISTEN", "127.0.0.1:0");
    let mut gateway = Process::start(command).unwrap();
    let url = gateway.url(SOON).await.unwrap();

    tokio::select! {
        () = scenario(&url) => {}
        ended = serve_http(crm, Options::default()) => panic!("{ended:?}"),
    }
}
