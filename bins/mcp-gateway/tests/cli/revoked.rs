//! Open streams end when their callers lose access.

use std::time::Duration;

use http::StatusCode;
use rustix::process::Signal;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::harness::{Folder, Gateway, SOON, eventually, in_background};

const ALICE: &str = "the-token-of-alice-is-this";
const BOB: &str = "the-token-of-bob-is-this";

/// A configuration with the gateway and the tokens.
fn config(gateway: &str, tokens: &str) -> String {
    format!(
        "servers: [{{ name: demo, builtin: demo }}, {{ name: other, builtin: demo }}]
gateways: [{gateway}, {{ name: other }}]
auth: {{ tokens: [{tokens}] }}
"
    )
}

const GATEWAY: &str = "{ name: main, teams: [a, b] }";
const ALICES: &str = "{ name: alice, token: { env: MCP_GATEWAY_TOKEN }, teams: [a] }";
const BOBS: &str = "{ name: bob, token: { env: BOB }, teams: [b] }";

/// All kinds of streams of one caller, each read to its end.
struct Streams {
    standalone: JoinHandle<String>,
    subscription: JoinHandle<String>,
    call: JoinHandle<String>,
    call_in_session: JoinHandle<String>,
    channel: JoinHandle<String>,
}

impl Streams {
    async fn open(gateway: &Gateway, path: &'static str, token: &'static str) -> Self {
        let wire = gateway.wire_of(path, Some(token));
        let initialize = json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "initialize",
            "params": { "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {} },
        });
        let reply = wire.post(initialize.to_string(), &[]).await.unwrap();
        let session = reply.headers["mcp-session-id"].to_str().unwrap().to_owned();
        let wait = json!({ "name": "demo__wait", "arguments": { "seconds": 60 } });
        let call = wire.begin("demo__wait", json!({ "seconds": 60 })).await;
        let call = call.unwrap();
        let params = json!({ "notifications": { "toolsListChanged": true } });
        let listening = wire.clone();
        let in_session = (wire.clone(), session.clone());
        let mut wait_in_session = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call" });
        wait_in_session["params"] = wait;
        wait_in_session["params"]["_meta"] = json!({ "progressToken": 1 });
        Self {
            standalone: gateway.read(path, token, Some(&session)).await,
            channel: gateway.read(path, token, None).await,
            subscription: in_background(async move {
                let reply = listening.request("subscriptions/listen", params).await;
                reply.unwrap().body
            }),
            call: in_background(async move { call.reply().await.unwrap().body }),
            call_in_session: in_background(async move {
                let (wire, session) = in_session;
                let headers = [
                    ("mcp-session-id", &*session),
                    ("mcp-protocol-version", "2025-11-25"),
                ];
                let reply = wire.post(wait_in_session.to_string(), &headers).await;
                reply.unwrap().body
            }),
        }
    }

    fn each(self) -> [(&'static str, JoinHandle<String>); 5] {
        [
            ("standalone", self.standalone),
            ("subscription", self.subscription),
            ("call", self.call),
            ("call in session", self.call_in_session),
            ("channel", self.channel),
        ]
    }
}

/// Applies a configuration that takes alice's access away, and asserts that her streams end, and
/// bob's do not.
async fn lose_access(what: &str, changed: &str) {
    let folder = Folder::new();
    let both = format!("{ALICES}, {BOBS}");
    let file = folder.write("gateway.yaml", &config(GATEWAY, &both));
    let gateway = Gateway::serve_with(&file, &[("MCP_GATEWAY_TOKEN", ALICE), ("BOB", BOB)]).await;
    let alices = Streams::open(&gateway, "/v1/mcp/main", ALICE).await;
    let bobs = Streams::open(&gateway, "/v1/mcp/main", BOB).await;
    folder.write("gateway.yaml", changed);
    gateway.signal(Signal::HUP);
    for (stream, read) in alices.each() {
        let read = timeout(SOON, read).await;
        let text = read.unwrap_or_else(|_| panic!("{what}: {stream} does not end"));
        let text = text.unwrap();
        assert!(!text.contains("Waited"), "{what}: {stream}: {text}");
        match stream {
            "subscription" => assert!(text.contains("\"complete\""), "{what}: {text}"),
            "call" => assert!(text.contains("invalid_token"), "{what}: {text}"),
            _ => {}
        }
    }
    for (stream, read) in bobs.each() {
        // A gateway that is removed ends for everybody.
        let ends = timeout(Duration::from_millis(100), read).await.is_ok();
        assert_eq!(ends, what == "gateway", "{what}: {stream} of bob");
    }
    let wire = gateway.wire_of("/v1/mcp/main", Some(ALICE));
    let reply = wire.request("tools/list", json!({})).await.unwrap();
    assert_ne!(reply.status, StatusCode::OK, "{what}");
}

#[tokio::test]
async fn j31_streams_end_with_a_token_that_is_removed() {
    lose_access("token", &config(GATEWAY, BOBS)).await;
}

#[tokio::test]
async fn j31_streams_end_with_the_access_of_a_team() {
    let both = format!("{ALICES}, {BOBS}");
    lose_access("team", &config("{ name: main, teams: [b] }", &both)).await;
}

#[tokio::test]
async fn j31_streams_end_with_a_gateway_that_is_removed() {
    let both = format!("{ALICES}, {BOBS}");
    lose_access("gateway", &config("{ name: new }", &both)).await;
}

/// A gateway that is built anew, because one of its properties has changed, keeps its streams.
#[tokio::test]
async fn streams_follow_a_gateway_with_other_properties() {
    let folder = Folder::new();
    let demo = |more: &str, gateway: &str| {
        let server = "{ name: demo, builtin: demo }, { name: other, builtin: demo }";
        format!("servers: [{server}{more}]\ngateways: [{{ name: main{gateway} }}]\n")
    };
    let file = folder.write("gateway.yaml", &demo("", ""));
    let gateway = Gateway::serve(&file).await;
    let session = gateway.initialize().await;
    let listening = gateway.wire();
    let params = json!({ "notifications": { "toolsListChanged": true } });
    let change = async {
        let subscription = in_background(async move {
            let reply = listening.request("subscriptions/listen", params).await;
            reply.unwrap().body
        });
        // Gives the subscription time to be acknowledged.
        tokio::time::sleep(Duration::from_secs(2)).await;
        folder.write("gateway.yaml", &demo("", ", pageSize: 2"));
        gateway.signal(Signal::HUP);
        eventually(async || gateway.tools().await.len() == 2).await;
        let next = ", { name: next, builtin: demo }";
        folder.write("gateway.yaml", &demo(next, ", pageSize: 2"));
        gateway.signal(Signal::HUP);
        eventually(async || gateway.get("/health/servers").await.1.contains("next")).await;
        let drain = async {
            // Gives the notification time to arrive before the stream is ended.
            tokio::time::sleep(Duration::from_secs(3)).await;
            folder.write("gateway.yaml", &demo(next, "").replace("main", "another"));
            gateway.signal(Signal::HUP);
            subscription.await.unwrap()
        };
        let text = timeout(SOON, drain).await.unwrap();
        assert!(text.contains("notifications/tools/list_changed"), "{text}");
        let last: Value = {
            let last = text
                .lines()
                .rfind(|line| line.starts_with("data: "))
                .unwrap();
            serde_json::from_str(&last["data: ".len()..]).unwrap()
        };
        assert_eq!(last["result"]["resultType"], "complete", "{text}");
    };
    let changed = "notifications/tools/list_changed";
    gateway.hears(&session, changed, change).await;
}
