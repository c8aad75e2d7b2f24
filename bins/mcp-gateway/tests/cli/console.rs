//! The console, in a browser.

use std::path::PathBuf;

use mcp_gateway_tests::environment::Environment;
use mcp_gateway_tests::guide::root;
use mcp_gateway_tests::process::Process;
use serde_json::json;
use tokio::process::Command;

use crate::harness::{Folder, Gateway, SOON};

/// The folder for pictures of the pages, below that of the repository.
///
/// The documentation shows one, and a change of the overview is followed by
/// `MCP_GATEWAY_SCREENSHOTS=docs/images cargo test -p mcp-gateway-server --test cli console::`.
const PICTURES: &str = "MCP_GATEWAY_SCREENSHOTS";

/// Three servers, of which one is pinned and one is down; a rule, and a quota.
const CONFIG: &str = "
servers:
  - { name: notes, builtin: demo }
  - { name: held, builtin: demo, pinned: store }
  - { name: down, remote: { url: 'http://127.0.0.1:9/mcp' } }
audit: {}
limits:
  calls:
    - { name: daily, quota: 1000 per day, per: [user] }
policy:
  rules:
    - { name: no deletion, effect: deny, tools: ['delete*'], reason: nothing is deleted here }
";

#[tokio::test]
async fn an_administrator_makes_a_gateway_on_the_pages_and_a_client_uses_it() {
    let environment = Environment::installed().await.unwrap();
    let folder = Folder::new();
    let config = folder.write("gateway.yaml", CONFIG);
    let env = [("MCP_GATEWAY_DATA", &*folder.path("data"))];
    let gateway = Gateway::serve_with(&config, &env).await;
    // Something to see: calls, one of which is rejected.
    for tool in ["notes__echo", "notes__echo", "notes__delete"] {
        let call = json!({ "name": tool, "arguments": { "text": "hello" } });
        gateway.wire().request("tools/call", call).await.unwrap();
    }
    let mut command = Command::new(&environment.node);
    command
        .arg(root().join("tests/clients/login/console.mjs"))
        .arg(&gateway.url)
        .args(std::env::var_os(PICTURES).map(|folder| root().join(PathBuf::from(folder))))
        .env("CHROMIUM", &environment.chromium)
        .env("NODE_MODULES", &environment.node_modules)
        .env("CONSOLE_TOKEN", &gateway.token);
    let mut process = Process::start(command).unwrap();
    let status = process.finish(SOON * 30).await.unwrap();
    let lines = process.rest();
    assert!(status.success(), "{lines:#?}\n{}", process.stderr());
    println!("{}", lines.join("\n"));

    let wire = gateway.wire_at("/v1/mcp/support");
    let listed = wire
        .request("tools/list", json!({}))
        .await
        .unwrap()
        .answer();
    let tools = listed["result"]["tools"].as_array().unwrap().iter();
    let names: Vec<_> = tools.map(|tool| tool["name"].clone()).collect();
    assert_eq!(names, ["notes__echo"]);
    let call = json!({ "name": "notes__echo", "arguments": { "text": "from the page" } });
    let answer = wire.request("tools/call", call).await.unwrap().answer();
    assert!(answer.to_string().contains("from the page"), "{answer}");
}

#[tokio::test]
async fn r1_the_console_is_for_those_who_sign_in() {
    let gateway = Gateway::serve(&Folder::new().write("gateway.yaml", CONFIG)).await;
    for path in ["/console", "/console/servers", "/console/servers/notes"] {
        let (status, location, _) = gateway.page(path).await;
        assert_eq!(status, 303, "{path}");
        assert!(location.unwrap().starts_with("/console/sign-in?"), "{path}");
    }
    // The token of a client is none for the pages.
    let (status, _) = gateway.get_with("/console/servers", &gateway.token).await;
    assert_eq!(status, 303);
    let (status, _, page) = gateway.page("/console/sign-in").await;
    assert_eq!(status, 200);
    assert!(page.contains("Log in with your account"), "{page}");
}
