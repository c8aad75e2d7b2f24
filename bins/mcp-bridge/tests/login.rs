//! `mcp-bridge http` at a gateway that is its own authorization server. Needs the program
//! `mcp-gateway` next to the bridge, as `cargo test --workspace` builds it.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may panic"
)]

#[path = "../../../mcp-gateway-auth/tests/login/browser.rs"]
#[expect(dead_code, reason = "its other tests need more of it")]
mod browser;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_gateway_tests::process::Process;
use mcp_gateway_tests::wire::modern_request;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{sleep, timeout};
use url::Url;

use self::browser::Browser;

const PROGRAM: &str = env!("CARGO_BIN_EXE_mcp-bridge");

/// Deadline of each step on a busy machine.
const SOON: Duration = Duration::from_secs(30);

/// A gateway with an authorization server and one account.
struct Gateway {
    _process: Process,
    _folder: TempDir,
    endpoint: String,
    password: String,
}

impl Gateway {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("gateway.yaml");
        let store = folder.path().join("state/gateway.db");
        let text = format!(
            "store: {{ sqlite: {} }}\n\
             servers: [{{ name: demo, builtin: demo }}]\n\
             auth: {{ oauth: {{ clientMetadataDocuments: always }} }}\n",
            store.display()
        );
        fs::write(&config, text).unwrap();
        let serve = gateway(
            folder.path(),
            &["serve", "--listen", "127.0.0.1:0"],
            &config,
        );
        let mut process = Process::start(serve).unwrap();
        let endpoint = loop {
            let line = process.line(SOON).await.unwrap();
            if let Some(endpoint) = line.trim().strip_prefix("endpoint") {
                break endpoint.trim().to_owned();
            }
        };
        let mut command = gateway(folder.path(), &["user", "password", "admin"], &config);
        let done = command.output().await.unwrap();
        assert!(done.status.success(), "{done:?}");
        let lines = String::from_utf8(done.stdout).unwrap();
        Self {
            _process: process,
            _folder: folder,
            endpoint,
            password: lines.lines().last().unwrap().to_owned(),
        }
    }

    /// Logs in at `address` and decides. Returns the redirect URI with its parameters.
    async fn decide(&self, address: &Url, decision: &str) -> String {
        let mut browser = Browser::new();
        let page = browser.visit(address.as_str()).await;
        let form = [
            ("csrf", &*page.field("csrf")),
            ("return_to", &page.field("return_to")),
            ("name", "admin"),
            ("password", &self.password),
        ];
        let page = browser.post(page.url.as_str(), &form).await;
        let page = browser.visit(&page.next().unwrap()).await;
        assert!(page.body.contains("mcp-bridge"), "{}", page.body);
        let form = [("request", &*page.field("request")), ("decision", decision)];
        let consent = page.url.join("/api/auth/oauth2/consent").unwrap();
        let page = browser.post(consent.as_str(), &form).await;
        page.next().unwrap()
    }
}

/// Returns a command of the gateway.
fn gateway(folder: &Path, args: &[&str], config: &Path) -> Command {
    let program: PathBuf = Path::new(PROGRAM).with_file_name("mcp-gateway");
    assert!(program.exists(), "not built: {}", program.display());
    let mut command = Command::new(program);
    command
        .args(args)
        .arg("--config")
        .arg(config)
        .env("MCP_GATEWAY_DATA", folder)
        .env_remove("MCP_GATEWAY_TOKEN")
        .env_remove("MCP_GATEWAY_LOG");
    command
}

fn bridge(endpoint: &str, args: &[&str]) -> Process {
    let mut command = Command::new(PROGRAM);
    command
        .args(["http", endpoint, "--no-browser"])
        .args(args)
        .env_remove("MCP_BRIDGE_TOKEN")
        .env_remove("MCP_BRIDGE_LOG");
    Process::start(command).unwrap()
}

/// Waits for the address that the bridge prints.
async fn address(bridge: &Process) -> Url {
    let printed = async {
        loop {
            let errors = bridge.stderr();
            let mut lines = errors
                .split_inclusive('\n')
                .filter(|line| line.ends_with('\n'));
            if let Some(line) = lines.find(|line| line.starts_with("  http")) {
                break line.trim().parse().unwrap();
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(SOON, printed).await.unwrap()
}

async fn ask(bridge: &mut Process, method: &str, params: Value) -> Value {
    bridge.say(&modern_request(method, params)).await.unwrap();
    serde_json::from_str(&bridge.line(SOON).await.unwrap()).unwrap()
}

#[tokio::test]
async fn a_login_in_the_browser_is_for_all_calls() {
    let gateway = Gateway::start().await;
    let mut bridge = bridge(&gateway.endpoint, &[]);
    let back = gateway.decide(&address(&bridge).await, "allow").await;
    assert!(back.starts_with("http://127.0.0.1:"), "{back}");
    let page = Browser::new().get(&back).await;
    assert_eq!(page.status, 200, "{}", page.body);
    for text in ["one", "two"] {
        let call = json!({ "name": "demo__echo", "arguments": { "text": text } });
        let answer = ask(&mut bridge, "tools/call", call).await;
        assert_eq!(answer["result"]["content"][0]["text"], text, "{answer}");
    }
    bridge.hang_up();
    assert!(bridge.finish(SOON).await.unwrap().success());
}

#[tokio::test]
async fn a_denied_login_ends_the_bridge() {
    let gateway = Gateway::start().await;
    let mut bridge = bridge(&gateway.endpoint, &[]);
    let back = gateway.decide(&address(&bridge).await, "deny").await;
    Browser::new().get(&back).await;
    assert!(!bridge.finish(SOON).await.unwrap().success());
    let errors = bridge.stderr();
    assert!(
        errors.contains("authorization denied: access_denied"),
        "{errors}"
    );
}

#[tokio::test]
async fn a_server_that_requires_a_token_rejects_calls_without_login() {
    let gateway = Gateway::start().await;
    let mut bridge = bridge(&gateway.endpoint, &["--no-login"]);
    let answer = ask(&mut bridge, "tools/list", json!({})).await;
    assert!(answer["error"]["message"].is_string(), "{answer}");
    bridge.hang_up();
    assert!(bridge.finish(SOON).await.unwrap().success());
}
