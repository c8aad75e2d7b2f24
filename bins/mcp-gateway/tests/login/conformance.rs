//! The official conformance suite, against the program.

use mcp_gateway_tests::conformance::{Asked, Revision, Scenario, Suite, Verdict};
use mcp_gateway_tests::environment::Environment;

use super::harness::{Gateway, Visitor};

fn assert_passed(scenarios: &[Scenario]) {
    for scenario in scenarios {
        println!("conformance {}", scenario.to_string().trim_end());
        assert_eq!(scenario.verdict(), Verdict::Passed, "{scenario}");
    }
}

#[tokio::test]
async fn the_authorization_server_passes() {
    let environment = Environment::installed().await.unwrap();
    let config = "
        auth:
          oauth:
            clientMetadataDocuments: always
            clients:
              - id: suite
                redirectUris: ['http://127.0.0.1/callback']
                grantTypes: [authorization_code]
        servers: [{ name: demo, builtin: demo }]
    ";
    let gateway = Gateway::start(config).await;
    let visitor = Visitor::new(&environment, &gateway);
    let asked = Asked {
        issuer: &gateway.url,
        client: "suite",
        resource: &gateway.endpoint(),
    };
    let suite = Suite::new(environment);
    let visit = async |url: String| visitor.visit(&url).await;
    let scenarios = suite.authorization(asked, visit).await.unwrap();
    let names: Vec<_> = scenarios.iter().map(|scenario| &*scenario.name).collect();
    let expected = [
        "authorization-code-grant",
        "authorization-server-metadata-endpoint",
    ];
    assert_eq!(names, expected);
    assert_passed(&scenarios);
}

#[tokio::test]
async fn pages_elsewhere_cannot_reach_it() {
    let config = "
        auth: { anonymous: true }
        servers: [{ name: demo, builtin: demo }]
    ";
    let gateway = Gateway::start(config).await;
    let suite = Suite::new(Environment::installed().await.unwrap());
    let (url, name) = (gateway.endpoint(), "dns-rebinding-protection");
    for revision in [Revision::V2025_11_25, Revision::V2026_07_28] {
        let scenario = suite.scenario(&url, name, revision).await.unwrap();
        assert_passed(&[scenario]);
    }
}
