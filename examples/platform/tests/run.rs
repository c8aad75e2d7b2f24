//! The service as it is, with a login of its own and a server that is reached over HTTP.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::time::Duration;

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_tests::fixture::{Options, PATH, serve_http};
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::wire::Wire;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(60);

/// Calls without a token, which is answered by a challenge, and with one.
async fn scenario(url: &str) {
    let stranger = Wire::new(url);
    let refused = stranger.request("tools/list", json!({})).await.unwrap();
    assert_eq!(refused.status.as_u16(), 401);
    let challenge = refused.headers["www-authenticate"].to_str().unwrap();
    assert!(challenge.contains("resource_metadata="), "{challenge}");

    let token = HeaderValue::from_static("Bearer a-secret-of-alice-0123456789");
    let alice = stranger.with_header(AUTHORIZATION, token);
    let list = alice.request("tools/list", json!({})).await.unwrap();
    let list = list.answer();
    let tools = list["result"]["tools"].as_array().unwrap();
    let has = |name: &str| tools.iter().any(|tool| tool["name"] == name);
    assert!(has("docs__whoami"), "{list}");
}

#[tokio::test]
async fn a_web_service_has_gateways_and_login_of_a_file() {
    let docs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let docs_url = format!("http://{}{PATH}", docs.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("gateway.yaml");
    let text = format!(
        "store: memory\nauth:\n  tokens: [{{ name: alice, token: {{ env: \
         ALICE }} }}]\n  oauth: {{}}\nservers:\n  - {{ name: docs, remote: {{ url: \"{docs_url}\" \
         }} }}\n"
    );
    std::fs::write(&config, text).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_platform"));
    command
        .env("CONFIG", &config)
        .env("LISTEN", "127.0.0.1:0")
        .env("ALICE", "a-secret-of-alice-0123456789");
    let mut service = Process::start(command).unwrap();
    let url = service.url(SOON).await.unwrap();

    tokio::select! {
        () = scenario(&url) => {}
        ended = serve_http(docs, Options::default()) => panic!("{ended:?}"),
    }

    service.interrupt().unwrap();
    let status = service.finish(SOON).await.unwrap();
    assert!(status.success(), "{}", service.stderr());
}
