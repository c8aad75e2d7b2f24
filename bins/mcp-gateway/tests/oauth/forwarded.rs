//! Identity tokens of callers at servers that accept the same issuer.

use std::time::Duration;

use http::{Method, StatusCode};
use mcp_gateway_auth::Clock;
use mcp_gateway_tests::script::{ReceivedRequest, Scripted, document};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::harness::{Endpoint, Harness, Kind, Replica, SOON};
use crate::idp::Idp;

/// Audience of the server.
const NOTES: &str = "https://notes.example.com";

/// A gateway that forwards tokens of `idp` to one of two servers.
struct Site {
    harness: Harness,
    replica: Replica,
    idp: Idp,
    notes: Scripted,
    other: Scripted,
}

impl Site {
    async fn start() -> Self {
        let idp = Idp::start(Clock::system().now()).await;
        let script = |asked: &ReceivedRequest| document(&asked.says("seen"));
        let notes = Scripted::modern(script).await.unwrap();
        let other = Scripted::modern(script).await.unwrap();
        let forward = json!({ "forward": { "audiences": [NOTES] } });
        let harness = Harness::new(Kind::Sqlite)
            .await
            .with_audit()
            .with_auth(json!({
                "issuers": [{ "issuer": idp.issuer, "types": ["JWT"], "audience": "gateway" }],
            }))
            .with_servers(json!([
                { "name": "notes", "remote": { "url": notes.url, "auth": forward } },
                { "name": "other", "remote": { "url": other.url } },
            ]));
        let replica = harness.start().await;
        Self {
            harness,
            replica,
            idp,
            notes,
            other,
        }
    }

    /// Returns the records of the audit log, once one contains `text`.
    async fn audit_with(&self, text: &str) -> String {
        let admin = ["token", "create", "operator", "--user", "admin"];
        let admin = format!("Bearer {}", self.harness.operate(&admin).await);
        let (endpoint, deadline) = (self.replica.endpoint(), Instant::now() + SOON);
        loop {
            let headers = [("authorization", &*admin)];
            let audit = endpoint.send(Method::GET, "/api/v1/audit", &headers, String::new());
            let audit = audit.await.unwrap();
            assert_eq!(audit.status, StatusCode::OK, "{audit:?}");
            let records = audit.value.to_string();
            if records.contains(text) {
                return records;
            }
            assert!(Instant::now() < deadline, "{records}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    /// Returns a token of the identity provider for `subject`.
    fn token(&self, subject: &str, audiences: &[&str]) -> String {
        let now = Clock::system().now();
        let claims = json!({
            "iss": self.idp.issuer, "sub": subject, "aud": audiences, "iat": now, "exp": now + 300,
        });
        self.idp.now().key.sign("JWT", &claims).unwrap()
    }
}

async fn call(endpoint: &Endpoint, token: &str, tool: &str) -> Value {
    let arguments = json!({ "name": tool, "arguments": {} });
    let reply = endpoint.wire(token).request("tools/call", arguments).await;
    reply.unwrap().answer()["result"].clone()
}

/// Returns the bearer tokens that `server` has received with calls.
fn received(server: &Scripted) -> Vec<String> {
    let asked = server.asked();
    let calls = asked.iter().filter(|asked| asked.tool() == "echo");
    let heads = calls.flat_map(|asked| asked.head.lines());
    let headers = heads.filter_map(|line| line.split_once(": Bearer "));
    let tokens = headers.filter(|(name, _)| name.eq_ignore_ascii_case("authorization"));
    tokens.map(|(_, token)| token.to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn j36_a_server_receives_the_identity_token_of_each_caller() {
    let site = Site::start().await;
    let endpoint = site.replica.endpoint();
    let ada = site.token("ada", &["gateway", NOTES]);
    let bob = site.token("bob", &["gateway", NOTES]);
    for token in [&ada, &bob, &ada] {
        let result = call(&endpoint, token, "notes__echo").await;
        assert_eq!(result["content"][0]["text"], "seen", "{result}");
        let result = call(&endpoint, token, "other__echo").await;
        assert_eq!(result["content"][0]["text"], "seen", "{result}");
    }
    assert_eq!(received(&site.notes), [&*ada, &*bob, &*ada]);
    assert_eq!(
        received(&site.other),
        [""; 0],
        "forwarded where that is configured"
    );

    let narrow = site.token("ada", &["gateway"]);
    let machine = site.harness.operate(&["token", "create", "ci"]).await;
    for token in [&narrow, &machine] {
        let result = call(&endpoint, token, "notes__echo").await;
        let problem = &result["_meta"]["mcp-gateway/problem"];
        assert_eq!(problem["reason"], "identity_token_required", "{result}");
        assert_eq!(
            problem["required"],
            format!("one with the audience {NOTES}")
        );
    }
    assert_eq!(received(&site.notes).len(), 3);

    let records = site.audit_with("@notes").await;
    let account = format!("token/{}#ada@notes", site.idp.issuer);
    assert!(records.contains(&account), "{records}");
    assert!(!records.contains(&ada), "{records}");
}
