//! Workloads, which call tools with the identity that their platform has given them.

use std::time::Duration;

use http::{Method, StatusCode};
use mcp_gateway_auth::Clock;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::harness::{Endpoint, Harness, ISSUER, Kind, Reply, SOON};
use crate::idp::Idp;

/// Returns the gateway of a platform that admits the builds of `acme/app`.
async fn harness(platform: &Idp) -> Harness {
    let rule = json!({
        "name": "app",
        "claims": { "repository": "acme/*", "environment": ["prod"] },
        "principal": "${repository}",
        "gateways": ["default"],
    });
    let workloads = json!([{ "issuer": platform.issuer, "rules": [rule] }]);
    Harness::new(Kind::Sqlite)
        .await
        .with_audit()
        .with_auth(json!({ "oauth": { "workloads": workloads } }))
}

/// Returns the identity token of a build of `repository`.
fn identity(platform: &Idp, repository: &str) -> String {
    let now = Clock::system().now();
    let claims = json!({
        "iss": platform.issuer, "sub": format!("repo:{repository}"), "aud": format!("{ISSUER}/token"),
        "jti": format!("{repository} {now}"), "iat": now, "exp": now + 300,
        "repository": repository, "environment": "prod",
    });
    platform.now().key.sign("JWT", &claims).unwrap()
}

/// Sends the request of SEP-1933: the grant, the assertion and the resource, without a client.
async fn exchange(endpoint: &Endpoint, assertion: &str) -> Reply {
    let form = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", assertion),
        ("resource", &*format!("{ISSUER}/mcp")),
    ];
    endpoint.token(&form).await.unwrap()
}

async fn get(endpoint: &Endpoint, path: &str, token: &str) -> Value {
    let bearer = format!("Bearer {token}");
    let headers = [("authorization", &*bearer)];
    let reply = endpoint.send(Method::GET, path, &headers, String::new());
    let reply = reply.await.unwrap();
    assert_eq!(reply.status, StatusCode::OK, "{reply:?}");
    reply.value
}

#[tokio::test(flavor = "multi_thread")]
async fn o89_a_workload_calls_a_tool_with_its_identity() {
    let platform = Idp::start(Clock::system().now()).await;
    let harness = harness(&platform).await;
    let replica = harness.start().await;
    let endpoint = replica.endpoint();
    let metadata = get(&endpoint, "/.well-known/oauth-authorization-server", "").await;
    let grants = metadata["grant_types_supported"].to_string();
    assert!(grants.contains("jwt-bearer"), "{grants}");

    let assertion = identity(&platform, "acme/app");
    let tokens = exchange(&endpoint, &assertion).await;
    assert_eq!(tokens.status, StatusCode::OK, "{tokens:?}");
    assert!(tokens.value.get("refresh_token").is_none());
    let token = tokens.text("access_token");
    let call = json!({ "name": "demo__echo", "arguments": { "text": "built" } });
    let reply = endpoint.wire(&token).request("tools/call", call).await;
    let result = reply.unwrap().answer()["result"].clone();
    assert_eq!(result["content"][0]["text"], "built", "{result}");

    for (assertion, error) in [
        (assertion, "invalid_grant"),
        (identity(&platform, "evil/app"), "invalid_grant"),
    ] {
        let reply = exchange(&endpoint, &assertion).await;
        assert_eq!(reply.status, StatusCode::BAD_REQUEST);
        assert_eq!(reply.text("error"), error);
    }

    let admin = ["token", "create", "operator", "--user", "admin"];
    let admin = harness.operate(&admin).await;
    let deadline = Instant::now() + SOON;
    let record = loop {
        let records = get(&endpoint, "/api/v1/audit?action=workload.exchange", &admin).await;
        match records["items"].as_array().unwrap().first() {
            Some(record) => break record.clone(),
            None => assert!(Instant::now() < deadline, "no record"),
        }
        sleep(Duration::from_millis(50)).await;
    };
    assert_eq!(
        record["actor"]["subject"], "workload:app:acme/app",
        "{record}"
    );
    assert_eq!(record["object"], "workload/app");
    let fields = json!([
        format!("issuer {}", platform.issuer),
        "subject repo:acme/app"
    ]);
    assert_eq!(record["fields"], fields);
}
