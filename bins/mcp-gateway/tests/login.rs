//! Users log in to the program, and clients call it for them.
//!
//! Everything here is real: the program, the clients, the browser and the identity provider.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may panic"
)]
#![expect(clippy::print_stdout, reason = "what the figures come from is printed")]

#[path = "login/bound.rs"]
mod bound;
#[path = "../../../mcp-gateway-auth/tests/login/browser.rs"]
#[expect(dead_code, reason = "its other tests need more of it")]
mod browser;
#[path = "login/client.rs"]
mod client;
#[path = "login/conformance.rs"]
mod conformance;
#[path = "login/harness.rs"]
mod harness;
#[path = "login/pages.rs"]
mod pages;
#[path = "login/provider.rs"]
mod provider;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use mcp_gateway_tests::environment::Environment;
use serde_json::json;
use tokio::time::sleep;

use self::client::{Call, Client, Connected};
use self::harness::{Gateway, Visitor};

/// Access tokens that expire soon, and a server to call.
const SHORT: &str = "
auth: { oauth: { accessTokenLifetime: 1s, clientMetadataDocuments: always } }
servers: [{ name: demo, builtin: demo }]
";

/// Name and password of a login.
const CLIENTS: [Client; 6] = [
    Client::Python2,
    Client::Python1,
    Client::TypeScript,
    Client::FastMcp,
    Client::McpRemote,
    Client::Inspector,
];

/// A token is accepted for a minute longer than it says, because clocks differ.
const LEEWAY: Duration = Duration::from_secs(60);

#[tokio::test]
async fn clients_log_in_and_stay_so() {
    let environment = Environment::installed().await.unwrap();
    let gateway = Gateway::start(SHORT).await;
    let mut clients: Vec<Connected> = Vec::new();
    // One after the other: what is measured here is not what two cores can do at once.
    for client in CLIENTS {
        let visitor = Visitor::new(&environment, &gateway);
        clients.push(client.connect(visitor, &gateway).await);
    }
    let again = clients
        .into_iter()
        .map(|client| call_again(client, &gateway));
    let lines = join_all(again).await;
    println!("{}", lines.join("\n"));
}

/// Calls once more when the token of the first call has expired.
async fn call_again(mut connected: Connected, gateway: &Gateway) -> String {
    let first = connected.call().await;
    assert_eq!(first.text, "hello");
    let waited = expiry(gateway, &first).await;
    let second = connected.call().await;
    assert_eq!(second.text, "hello");
    assert_ne!(first.token, second.token, "{:?}", connected.client);
    let visits = connected.visitor.visits();
    let log = gateway.stderr();
    assert_eq!(visits.len(), 1, "{:?}: {visits:?}\n{log}", connected.client);
    format!(
        "login {}: called, and called again {} s later with a new token; 1 login",
        connected.client.name(),
        waited.as_secs(),
    )
}

/// Waits until the token of `call` is refused.
async fn expiry(gateway: &Gateway, call: &Call) -> Duration {
    let wire = gateway.wire(&call.token);
    let begin = Instant::now();
    loop {
        let reply = wire.request("tools/list", json!({})).await.unwrap();
        if reply.status == 401 {
            let challenge = reply.headers["www-authenticate"].to_str().unwrap();
            assert!(challenge.contains("invalid_token"), "{challenge}");
            return begin.elapsed();
        }
        assert_eq!(reply.status, 200);
        assert!(begin.elapsed() < LEEWAY + harness::SOON);
        sleep(Duration::from_secs(1)).await;
    }
}
