//! Exchanges of the identities of callers.

use std::path::Path;

use mcp_gateway_platform::spec::{
    AssertionSource, AssignedConnection, ClientProof, ExchangeKind, RemoteAuth, SubjectKind,
    SubjectSource,
};

use super::*;

/// Server that is called with accounts, or with exchanged identities.
const TEXT: &str = r#"
auth: { login: { local: true } }
servers:
  - name: crm
    remote:
      url: https://crm.example
      auth:
        oauth: {}
        tokenExchange:
          issuer: https://idp.example
          client: { clientId: gateway, assertionFile: /var/run/token }
          profile: identityAssertion
          serverClient: { clientId: crm, clientSecret: { env: X } }
          scopes: [read]
gateways:
  - name: team
    assignments: [{ server: crm, connection: enterprise }]
"#;

#[test]
fn identities_are_exchanged_beside_accounts() {
    let config = read(TEXT);
    let spec = &config.platform.dynamic;
    let transport = &spec.servers[0].transport;
    assert!(matches!(transport.auth(), Some(RemoteAuth::OAuth(_))));
    let exchange = transport.exchange().unwrap();
    let source = AssertionSource::File(Path::new("/var/run/token").into());
    let is_grant = false;
    let expected = ClientProof::Assertion { source, is_grant };
    assert_eq!(exchange.client.proof, expected);
    let ExchangeKind::IdentityAssertion(client) = &exchange.kind else {
        panic!("{exchange:?}");
    };
    assert_eq!(client.id, "crm");
    assert_eq!(exchange.subject, SubjectKind::IdToken);
    let gateway = &spec.gateways[0];
    let assigned = &gateway.assignments[0].connection;
    assert_eq!(*assigned, AssignedConnection::Enterprise);
    assert_eq!(gateway.unusable("crm", Some(&spec.servers[0])), None);
}

#[test]
fn an_exchange_requires_no_login() {
    let text = "servers: [{ name: a, remote: { url: https://a, auth: { tokenExchange: { issuer: \
                https://i, tokenUrl: https://i/token, client: { clientId: a, assertion: { env: X } \
                }, audience: crm, resource: urn:crm, subjectTokenType: jwt } } } }]";
    let config = read(text);
    let server = &config.platform.dynamic.servers[0];
    let exchange = server.transport.exchange().unwrap();
    assert_eq!(exchange.kind, ExchangeKind::Standard);
    assert_eq!(exchange.subject, SubjectKind::Jwt);
    assert_eq!(exchange.token_url.as_deref(), Some("https://i/token"));
    assert_eq!(exchange.audience.as_deref(), Some("crm"));
    assert_eq!(exchange.resource.as_deref(), Some("urn:crm"));
    assert!(!server.is_connected_by_callers());
}

#[test]
fn the_identity_of_a_login_is_an_id_token() {
    let text = "auth: { login: { oidc: [{ name: i, issuer: https://i, clientId: g, keepIdToken: true }] } }\n\
                servers: [{ name: a, remote: { url: https://a, auth: { tokenExchange: { issuer: \
                https://i, client: { clientId: a, assertion: { env: X } }, subjectToken: login } } } }]";
    let config = read(text);
    assert!(config.platform.fixed.auth.login.providers[0].keeps_id_tokens);
    let exchange = config.platform.dynamic.servers[0].transport.exchange();
    let exchange = exchange.unwrap();
    assert_eq!(exchange.source, SubjectSource::Login);
    assert_eq!(exchange.subject, SubjectKind::IdToken);
}

#[test]
fn a_server_without_an_exchange_is_not_called_with_identities() {
    let start = TEXT.find("        tokenExchange:").unwrap();
    let end = TEXT.find("gateways:").unwrap();
    let lines = problems(&[&TEXT[..start], &TEXT[end..]].concat());
    let expected = "the server has no tokenExchange for the identities of callers";
    assert!(
        lines.iter().any(|line| line.contains(expected)),
        "{lines:#?}"
    );
}
