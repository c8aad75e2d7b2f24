//! Credentials that are presented to servers, and insufficient ones.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use http::HeaderValue;
use http::header::AUTHORIZATION;
use mcp_gateway_core::credential::{CredentialError, CredentialResolver};
use mcp_gateway_core::route::Target;
use mcp_gateway_core::upstream::SessionPolicy;
use mcp_gateway_core::{Caller, Credential};
use mcp_gateway_tests::gateway::{Backends, TestGateway, remote};
use mcp_gateway_tests::script::{
    ReceivedRequest, Scripted, Steps, document, legacy, modern, response,
};
use mcp_gateway_tests::wire::Wire;
use serde_json::json;
use tokio::task::{JoinSet, yield_now};

use super::harness::{ERAS, Harness, reason};

/// Has a token for each caller, and takes its time to find it.
#[derive(Debug, Default)]
struct Vault(AtomicUsize);

#[async_trait]
impl CredentialResolver for Vault {
    async fn resolve(&self, caller: &Caller, _: &Target) -> Result<Credential, CredentialError> {
        for _ in 0..self.0.fetch_add(1, Ordering::Relaxed) % 7 {
            yield_now().await;
        }
        let user = caller.principal().subject();
        let token = HeaderValue::from_str(&format!("Bearer of-{user}")).unwrap();
        Ok(Credential::new(user).with_header(AUTHORIZATION, token))
    }
}

fn header<'a>(asked: &'a ReceivedRequest, name: &str) -> Option<&'a str> {
    let mut lines = asked.head.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
    Some(value.trim())
}

/// Answers with the credential that it sees; sessions have names of their own.
async fn server(is_modern: bool) -> Scripted {
    let sessions = AtomicUsize::new(0);
    let script = move |asked: &ReceivedRequest| -> Steps {
        if asked.method() == "initialize" {
            let number = sessions.fetch_add(1, Ordering::Relaxed);
            let result = json!({ "protocolVersion": "2025-11-25", "capabilities": { "tools": {} },
                "serverInfo": { "name": "s", "version": "1" } });
            let head = format!("Content-Type: application/json\r\nMcp-Session-Id: s-{number}\r\n");
            return response("200 OK", &head, &asked.result(&result).to_string());
        }
        let seen = header(asked, "authorization").unwrap_or("nothing");
        let says = || document(&asked.says(seen));
        let known = if is_modern {
            modern(asked)
        } else {
            legacy(asked)
        };
        known.unwrap_or_else(says)
    };
    Scripted::start(script).await.unwrap()
}

async fn calls(gateway: &TestGateway) {
    let mut calling = JoinSet::new();
    for number in 0..200 {
        let user = ["alice", "bob"][number % 2];
        let token = HeaderValue::from_str(&format!("Bearer {user}")).unwrap();
        let wire = Wire::new(&gateway.url).with_header(AUTHORIZATION, token);
        calling.spawn(async move {
            let reply = wire.call("lie", json!({ "user": user })).await.unwrap();
            let seen = reply.answer()["result"]["content"][0]["text"].clone();
            assert_eq!(seen, format!("Bearer of-{user}"), "{reply:?}");
        });
    }
    while let Some(done) = calling.join_next().await {
        done.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn o38_of_two_who_call_at_once_each_has_their_own_credential() {
    for is_modern in ERAS {
        for policy in [
            SessionPolicy::Shared,
            SessionPolicy::PerPrincipal,
            SessionPolicy::PerSession,
        ] {
            let server = server(is_modern).await;
            let upstream = remote("only", &server.url).with_session_policy(policy);
            let gateway = Backends::new()
                .with("only", "", upstream.build())
                .with_credentials(Arc::new(Vault::default()))
                .start()
                .await;
            calls(&gateway).await;
            let mut sessions = BTreeMap::<_, BTreeSet<_>>::new();
            for asked in server.asked() {
                let credential = header(&asked, "authorization")
                    .unwrap_or("nothing")
                    .to_owned();
                if let Some(user) = asked.message["params"]["arguments"]["user"].as_str() {
                    assert_eq!(credential, format!("Bearer of-{user}"), "{asked:?}");
                }
                if let Some(session) = header(&asked, "mcp-session-id") {
                    let of = sessions.entry(session.to_owned()).or_default();
                    of.insert(credential);
                }
            }
            assert_eq!(sessions.is_empty(), is_modern);
            for (session, credentials) in sessions {
                assert_eq!(credentials.len(), 1, "{session} is of {credentials:?}");
            }
        }
    }
}

#[tokio::test]
async fn category_quoted_secret_the_failure_of_a_handshake_quotes_no_credential() {
    for (kind, head) in [
        ("text/plain", "400 Bad Request"),
        ("application/json", "200 OK"),
    ] {
        let script = move |asked: &ReceivedRequest| {
            let seen = header(asked, "authorization").unwrap_or_default();
            let error = json!({ "code": -32000, "message": format!("no access with {seen}") });
            let body = json!({ "jsonrpc": "2.0", "id": asked.message["id"], "error": error });
            response(
                head,
                &format!("Content-Type: {kind}\r\n"),
                &body.to_string(),
            )
        };
        let server = Scripted::start(script).await.unwrap();
        let upstream = remote("only", &server.url).build();
        let gateway = Backends::new()
            .with("only", "", Arc::clone(&upstream) as _)
            .with_credentials(Arc::new(Vault::default()))
            .start()
            .await;
        let token = HeaderValue::from_static("Bearer someone-whose-name-is-long");
        let wire = Wire::new(&gateway.url).with_header(AUTHORIZATION, token);
        wire.call("lie", json!({})).await.unwrap();
        let details = upstream.last_failure_details().unwrap();
        let error = mcp_gateway_core::error_chain(&upstream.last_failure().unwrap());
        for text in [details, error] {
            assert!(!text.contains("of-someone"), "{kind}: {text}");
        }
        assert!(
            upstream.last_failure_details().unwrap().contains("***"),
            "{kind}"
        );
    }
}

#[tokio::test]
async fn o50_a_server_that_always_wants_more_is_not_asked_for_ever() {
    let insufficient = |_: &ReceivedRequest| {
        let challenge = "WWW-Authenticate: Bearer error=\"insufficient_scope\", scope=\"more\", \
            resource_metadata=\"http://127.0.0.1:1/\"\r\n";
        response("403 Forbidden", challenge, "")
    };
    for is_modern in ERAS {
        let harness = Harness::new(is_modern, insufficient).await;
        for round in 1..=3 {
            let reply = harness.call("liar__lie").await;
            assert_eq!(reason(&reply), "upstream_unauthorized");
            // It is the gateway that the server wants more of, not the caller.
            assert!(!reply.headers.contains_key("www-authenticate"), "{reply:?}");
            let asked = harness.liar.asked();
            let asked = asked.iter().filter(|asked| asked.tool() == "lie").count();
            assert!(asked <= 3 * round, "{asked} attempts for {round} calls");
        }
        harness.goes_on("a server that wants more").await;
    }
}
