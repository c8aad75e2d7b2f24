//! Clients that the platform identifies.

use mcp_gateway_auth::client::{ClientCredentials, ServiceClient, WorkloadAssertion};
use mcp_gateway_core::Credential;
use mcp_gateway_core::auth::Assertion;
use mcp_gateway_core::credential::CredentialResolver;

use crate::harness::{Harness, tokens};
use crate::refresh::{caller, target};

#[tokio::test]
async fn an_assertion_of_the_platform_authenticates_or_is_the_grant() {
    let token = WorkloadAssertion::fixed(Assertion::new("workload"));
    let bearer = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
    let table = [
        (
            ServiceClient::with_assertion("gateway", token.clone()),
            [
                ("grant_type", Some("client_credentials")),
                ("client_assertion", Some("workload")),
                ("client_assertion_type", Some(kind)),
                ("assertion", None),
            ],
        ),
        (
            ServiceClient::with_assertion_grant("gateway", token),
            [
                ("grant_type", Some(bearer)),
                ("assertion", Some("workload")),
                ("client_assertion", None),
                ("client_assertion_type", None),
            ],
        ),
    ];
    for (client, expected) in table {
        let harness = Harness::start().await;
        harness.respond(200, tokens("a-1", 3600, None));
        let credentials = ClientCredentials::new(harness.client(), client, Credential::none());
        credentials.resolve(&caller(), &target()).await.unwrap();
        let form = harness.last();
        assert_eq!(form["client_id"], "gateway");
        assert_eq!(form["resource"], harness.url());
        for (name, value) in expected {
            assert_eq!(form.get(name).map(String::as_str), value, "{name}");
        }
    }
}

#[tokio::test]
async fn a_rejected_assertion_is_not_presented_again_at_once() {
    let harness = Harness::start().await;
    harness.respond(400, serde_json::json!({ "error": "invalid_grant" }));
    let assertion = WorkloadAssertion::fixed(Assertion::new("expired"));
    let client = ServiceClient::with_assertion_grant("gateway", assertion);
    let credentials = ClientCredentials::new(harness.client(), client, Credential::none());
    for _ in 0..3 {
        assert!(credentials.resolve(&caller(), &target()).await.is_err());
    }
    assert_eq!(harness.requests().len(), 1);
}
