//! Clients whose tokens others issue find out who does.

use http::StatusCode;
use serde_json::{Value, json};

use super::harness::{Folder, Gateway};

const CONFIG: &str = "
servers: [{ name: demo, builtin: demo }]
gateways: [{ name: main }, { name: other }]
auth:
  issuers:
    - { issuer: 'https://idp.example.com', requiredScopes: [mcp] }
    - { issuer: 'https://another.example.com', requiredScopes: [mcp, tools] }
";

const TOKEN: (&str, &str) = ("MCP_GATEWAY_TOKEN", "the-token-of-olga-is-this");

const METADATA: &str = "/.well-known/oauth-protected-resource";

#[tokio::test]
async fn rfc_9728_clients_learn_which_identity_provider_issues_tokens() {
    let folder = Folder::new();
    let config = folder.write("gateway.yaml", CONFIG);
    let gateway = Gateway::serve_with(&config, &[TOKEN]).await;
    for (path, resource) in [
        ("", "/mcp"),
        ("/mcp", "/mcp"),
        ("/v1/mcp/other", "/v1/mcp/other"),
    ] {
        let (status, body) = gateway.get(&format!("{METADATA}{path}")).await;
        let document: Value = serde_json::from_str(&body).unwrap();
        assert_eq!(status, StatusCode::OK);
        let servers = json!(["https://idp.example.com", "https://another.example.com"]);
        assert_eq!(document["authorization_servers"], servers);
        assert_eq!(document["scopes_supported"], json!(["mcp", "tools"]));
        assert_eq!(document["resource"], format!("{}{resource}", gateway.url));
    }
    let absent = gateway.get(&format!("{METADATA}/v1/mcp/none")).await;
    assert_eq!(absent.0, StatusCode::NOT_FOUND);

    let wire = gateway.wire_of("/v1/mcp/other", None);
    let reply = wire.request("tools/list", json!({})).await.unwrap();
    let challenge = reply.headers["www-authenticate"].to_str().unwrap();
    let url = format!("{}{METADATA}/v1/mcp/other", gateway.url);
    for part in [
        format!("resource_metadata=\"{url}\""),
        "scope=\"mcp tools\"".to_owned(),
    ] {
        assert!(challenge.contains(&part), "{challenge}");
    }
    for path in [
        "/authorize",
        "/api/auth/login",
        "/.well-known/oauth-authorization-server",
    ] {
        assert_eq!(gateway.get(path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test]
async fn where_nobody_issues_tokens_there_is_nothing_to_find_out() {
    let folder = Folder::new();
    let tokens = "
servers: [{ name: demo, builtin: demo }]
auth: { tokens: [{ name: olga, token: { env: MCP_GATEWAY_TOKEN } }] }
";
    let config = folder.write("gateway.yaml", tokens);
    let gateway = Gateway::serve_with(&config, &[TOKEN]).await;
    let (status, _) = gateway.get(METADATA).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let wire = gateway.wire_of("/mcp", None);
    let reply = wire.request("tools/list", json!({})).await.unwrap();
    let challenge = reply.headers["www-authenticate"].to_str().unwrap();
    assert!(!challenge.contains("resource_metadata"), "{challenge}");
}
