//! The service as it is, over a program from PyPI and a server that is reached over HTTP.

#![expect(clippy::unwrap_used, reason = "a test that fails may panic")]

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::fixture::{Options, PATH, serve_http};
use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::wire::Wire;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::process::Command;
use tokio::time::sleep;

const SOON: Duration = Duration::from_secs(60);

/// Puts an `uvx` into `folder` that runs the programs of the test environment.
fn uvx(environment: &Environment, folder: &Path) {
    let programs = environment.servers.join("bin");
    let script = format!("#!/bin/sh\nexec '{}'/\"$1\"\n", programs.display());
    let path = folder.join("uvx");
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// Calls with a token and without one.
async fn scenario(url: &str) {
    let stranger = Wire::new(url);
    let token = HeaderValue::from_static("Bearer a-secret-of-alice");
    let alice = stranger.clone().with_header(AUTHORIZATION, token);

    let refused = stranger.request("tools/list", json!({})).await.unwrap();
    assert_eq!(refused.status.as_u16(), 401);

    // A list does not wait for a program that takes long to start.
    let began = Instant::now();
    loop {
        let list = alice.request("tools/list", json!({})).await.unwrap();
        let list = list.answer();
        let tools = list["result"]["tools"].as_array().unwrap();
        let has = |name: &str| tools.iter().any(|tool| tool["name"] == name);
        assert!(has("docs__whoami"), "{list}");
        if has("time__convert_time") {
            break;
        }
        assert!(began.elapsed() < SOON, "{list}");
        sleep(Duration::from_millis(100)).await;
    }

    let arguments =
        json!({ "source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo" });
    let called = alice.call("time__convert_time", arguments).await.unwrap();
    let text = called.answer()["result"]["content"][0]["text"].take();
    let converted: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
    assert_eq!(converted["time_difference"], "+9.0h", "{converted}");
}

#[tokio::test]
async fn one_endpoint_has_the_tools_of_both_servers() {
    let docs = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let docs_url = format!("http://{}{PATH}", docs.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    uvx(&Environment::installed().await.unwrap(), folder.path());
    let path = format!("{}:{}", folder.path().display(), env::var("PATH").unwrap());
    let mut command = Command::new(env!("CARGO_BIN_EXE_axum-embed"));
    command
        .env("PATH", path)
        .env("DOCS_URL", docs_url)
        .env("TOKEN", "a-secret-of-alice")
        .env("LISTEN", "127.0.0.1:0");
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
