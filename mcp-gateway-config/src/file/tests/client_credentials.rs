//! Tokens of the gateway itself.

use mcp_gateway_platform::spec::{ClientProof, RemoteAuth};

use super::*;

#[test]
fn the_client_of_a_server_has_a_secret() {
    let text = "servers: [{ name: a, remote: { url: https://a, auth: { clientCredentials: { clientId: \
                gateway, clientSecret: { env: X }, authMethod: client_secret_post, scopes: [read] } } } }]";
    let config = read(text);
    let server = &config.platform.dynamic.servers[0];
    let Some(RemoteAuth::ClientCredentials(client)) = server.transport.auth() else {
        panic!("{server:?}");
    };
    assert_eq!(client.client_id, "gateway");
    assert_eq!(client.scopes, ["read"]);
    let proof = ClientProof::Secret {
        secret: "value-of-the-variable-X".into(),
        method: Some("client_secret_post".to_owned()),
    };
    assert_eq!(client.proof, proof);
    // It is for all callers, so that nobody has to log in.
    assert!(!server.transport.requires_account());
}

#[test]
fn a_private_key_is_validated_without_being_shown() {
    let text = "servers: [{ name: a, remote: { url: https://a, auth: { clientCredentials: { clientId: \
                gateway, privateKey: { env: X } } } } }]";
    let lines = problems(text);
    assert_eq!(lines.len(), 1, "{lines:?}");
    let expected = "privateKey: expected a PKCS#8 private key in PEM, for ES256 or RS256";
    assert!(lines[0].ends_with(expected), "{lines:?}");
}
