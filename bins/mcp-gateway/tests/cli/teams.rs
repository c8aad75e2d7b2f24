//! A gateway that is for a team is not there for anybody else.

use http::StatusCode;
use serde_json::json;

use super::harness::{Folder, Gateway};

const CONFIG: &str = "
servers: [{ name: demo, builtin: demo }]
gateways: [{ name: main }, { name: ops, teams: [ops] }]
auth:
  tokens:
    - { name: olga, token: { env: MCP_GATEWAY_TOKEN }, teams: [ops] }
    - { name: bob, token: { env: BOB } }
";

#[tokio::test]
async fn a_gateway_of_a_team_looks_to_others_as_if_it_were_not_there() {
    let folder = Folder::new();
    let config = folder.write("gateway.yaml", CONFIG);
    let (olga, bob) = ("the-token-of-olga-is-this", "the-token-of-bob-is-this");
    let gateway = Gateway::serve_with(&config, &[("MCP_GATEWAY_TOKEN", olga), ("BOB", bob)]).await;
    let ask = async |path: &str, token: Option<&str>| {
        let wire = gateway.wire_of(path, token);
        let reply = wire.request("tools/list", json!({})).await.unwrap();
        let text = reply.body.replace(path, "PATH");
        (reply.status, text)
    };
    assert_eq!(ask("/v1/mcp/ops", Some(olga)).await.0, StatusCode::OK);
    assert_eq!(ask("/v1/mcp/main", Some(bob)).await.0, StatusCode::OK);
    for token in [Some(bob), Some("wrong"), None] {
        let (hidden, absent) = (
            ask("/v1/mcp/ops", token).await,
            ask("/v1/mcp/none", token).await,
        );
        assert_eq!(hidden.0, absent.0, "{token:?}");
        if token == Some(bob) {
            assert_eq!(hidden.0, StatusCode::NOT_FOUND);
            assert_eq!(hidden.1, absent.1);
        }
    }
}

#[tokio::test]
async fn category_tenant_names_are_not_in_the_metrics_of_others() {
    let folder = Folder::new();
    let config = format!("{CONFIG}\nmetrics: {{ token: {{ env: SCRAPER }} }}\n");
    let config = folder.write("gateway.yaml", &config);
    let (olga, bob) = ("the-token-of-olga-is-this", "the-token-of-bob-is-this");
    let scraper = "the-token-of-prometheus";
    let tokens = [
        ("MCP_GATEWAY_TOKEN", olga),
        ("BOB", bob),
        ("SCRAPER", scraper),
    ];
    let gateway = Gateway::serve_with(&config, &tokens).await;
    for (token, expected) in [(olga, 200), (scraper, 200), (bob, 404), ("wrong", 401)] {
        let (status, body) = gateway.get_with("/metrics", token).await;
        assert_eq!(status, expected, "{token}");
        assert_eq!(
            body.contains("mcp_server_name"),
            expected == 200,
            "{token}: {body}"
        );
    }
    // Without gateways of teams, nothing is hidden from callers.
    let open = CONFIG.replace(", { name: ops, teams: [ops] }", "");
    let config = folder.write("open.yaml", &open);
    let gateway = Gateway::serve_with(&config, &tokens[..2]).await;
    assert_eq!(gateway.get_with("/metrics", bob).await.0, 200);
}

#[tokio::test]
async fn servers_of_a_team_have_no_health_for_others() {
    let folder = Folder::new();
    let config = CONFIG.replace(
        "servers: [{ name: demo, builtin: demo }]",
        "servers: [{ name: demo, builtin: demo }, { name: secret, builtin: demo }]",
    );
    let config = config.replace("{ name: main }", "{ name: main, servers: [demo] }");
    let config = folder.write("gateway.yaml", &config);
    let (olga, bob) = ("the-token-of-olga-is-this", "the-token-of-bob-is-this");
    let gateway = Gateway::serve_with(&config, &[("MCP_GATEWAY_TOKEN", olga), ("BOB", bob)]).await;
    let health = async |token: &str| gateway.get_with("/health/servers", token).await.1;
    assert!(health(olga).await.contains("secret"));
    let others = health(bob).await;
    assert!(
        others.contains("demo") && !others.contains("secret"),
        "{others}"
    );
}
