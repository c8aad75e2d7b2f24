//! Wrong addresses: TLS at a port without it, and paths that do not exist.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;

use mcp_gateway_tests::wire::Wire;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::harness::{Folder, Gateway, eventually, run};

/// Beginning of a client hello.
const HELLO: [u8; 11] = [0x16, 3, 1, 0, 6, 1, 0, 0, 2, 3, 3];

#[tokio::test]
async fn tls_at_a_plain_port_is_explained_once() {
    let gateway = Gateway::start(&["--listen", "127.0.0.1:0"]).await;
    let address = gateway.url.trim_start_matches("http://");
    for _ in 0..2 {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(&HELLO).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
    }
    let explained = "request is not HTTP; for https:// URLs, a reverse proxy must terminate TLS";
    eventually(async || gateway.stderr().contains(explained)).await;
    assert_eq!(gateway.stderr().matches(explained).count(), 1);

    let url = format!("https://{address}");
    let hint = format!("Use http://{address} unless a reverse proxy terminates TLS there.");
    for command in [
        format!("tools --url {url}"),
        format!("call demo__echo --url {url}"),
        format!("login {url} --no-browser"),
        format!("connect codex --url {url}"),
    ] {
        let done = run(&command.split(' ').collect::<Vec<_>>()).await;
        assert!(done.stderr.contains(&hint), "{command}: {done:?}");
    }
    let done = run(&["connect", "codex", "--url", "https://mcp.example.com"]).await;
    assert_eq!(done.stderr, "");
}

#[tokio::test]
async fn a_client_at_a_wrong_path_is_led_to_the_endpoint() {
    let gateway = Gateway::start(&["--listen", "127.0.0.1:0"]).await;
    let wire = Wire::new(format!("{}/api/mcp", gateway.url));
    let reply = wire.request("tools/list", json!({})).await.unwrap();
    assert_eq!(reply.status, 404);
    let message = reply.answer()["error"]["message"].to_string();
    assert!(
        message.contains("The default gateway is at /mcp"),
        "{message}"
    );
}

#[tokio::test]
async fn a_gateway_without_a_login_says_so() {
    let folder = Folder::new();
    let config = json!({ "servers": [], "audit": {}, "store": { "sqlite": folder.path("a.db") },
        "auth": { "tokens": [{ "name": "ada", "token": { "env": "MCP_GATEWAY_TOKEN" } }] } });
    let file = folder.write("gateway.yaml", &config.to_string());
    let env = [("MCP_GATEWAY_TOKEN", "a-token-of-ada-1234567")];
    let mut gateway = Gateway::serve_with(&file, &env).await;
    let banner = gateway.rest_of_banner("connect --url").await;
    assert!(banner.contains("login     none: the configuration has `auth` without `oauth`"));
    assert!(!banner.contains("/api/auth/account"), "{banner}");
    let (status, _, page) = gateway.page("/account").await;
    assert_eq!(status, 200, "{page}");
    for expected in [
        format!("{}/mcp", gateway.url),
        format!("connect --url {}", gateway.url),
    ] {
        assert!(page.contains(&expected), "{expected}: {page}");
    }
}

#[tokio::test]
async fn a_browser_at_the_address_of_a_gateway_sees_the_console() {
    let mut gateway = Gateway::start(&["--listen", "127.0.0.1:0"]).await;
    for (path, expected) in [
        ("/", "/console"),
        ("/account", "/api/auth/account"),
        ("/login", "/api/auth/account"),
    ] {
        let (status, location, _) = gateway.page(path).await;
        assert_eq!((status, location.as_deref()), (303, Some(expected)));
        let (status, text) = gateway.get(path).await;
        assert_eq!(status, 404, "{text}");
    }
    let banner = gateway.rest_of_banner("connect --url").await;
    for expected in ["claude mcp login mcp-gateway", "(a caller of its own:"] {
        assert!(banner.contains(expected), "{expected}: {banner}");
    }
}

#[tokio::test]
async fn a_damaged_state_folder_is_listed_and_removed() {
    let folder = Folder::new();
    let config = json!({ "servers": [], "store": { "sqlite": folder.path("data/a.db") } });
    let config = folder.write("gateway.yaml", &config.to_string());
    let damaged = folder.path("data/programs/memory/0123456789abcdef");
    let create = |path: &str| DirBuilder::new().recursive(true).mode(0o700).create(path);
    create(&damaged).unwrap();
    fs::write(format!("{damaged}/owner.json"), "{").unwrap();
    let listed = run(&["state", "list", "--config", &config]).await;
    assert!(listed.stdout.contains("memory  (damaged)"), "{listed:?}");
    let remove = [
        "state",
        "remove",
        "memory",
        "--owner",
        "(damaged)",
        "--config",
        &config,
    ];
    let removed = run(&remove).await;
    assert_eq!(removed.code, Some(0), "{removed:?}");
    assert!(!fs::exists(&damaged).unwrap());
}
