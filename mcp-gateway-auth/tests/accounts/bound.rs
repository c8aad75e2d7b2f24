use bytes::Bytes;
use http::Request;
use mcp_gateway_core::Credential;
use mcp_gateway_core::auth::Principal;
use serde_json::Value;

use crate::harness::{HOUR, Harness, bearer};
use crate::provider::Proof;

/// Returns the proof of a request with `credential`.
fn proof(credential: &Credential) -> Option<Proof> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = "https://mcp.example.com/mcp".parse().unwrap();
    for (name, value) in credential.headers() {
        request.headers_mut().insert(name, value.clone());
    }
    credential.signer()?.sign(&mut request);
    Proof::read(request.headers())
}

#[tokio::test]
async fn o72_the_tokens_of_an_account_are_bound_to_its_key() {
    let harness = Harness::start().await;
    harness.provider.habits(|habits| habits.binds_tokens = true);
    harness.connect_user("alice").await;
    harness.connect_user("bob").await;
    let (one, other) = (harness.replica().await, harness.replica().await);
    let mut keys = Vec::new();
    for replica in [&one, &other, &one] {
        let credential = replica.credential(Principal::new("alice")).await.unwrap();
        let proof = proof(&credential).unwrap();
        assert!(bearer(&credential).starts_with("DPoP "));
        assert_eq!(proof.claims["htu"], "https://mcp.example.com/mcp");
        assert!(proof.claims["ath"].is_string());
        keys.push(proof.header["jwk"].clone());
        // Refreshed by the next replica.
        harness.clock.advance(HOUR);
    }
    let proofs = harness.provider.proofs();
    assert_eq!(harness.provider.refreshes().len(), 2);
    let of_alice = [&proofs[0], &proofs[2], &proofs[3]];
    for (proof, key) in of_alice.into_iter().zip(&keys) {
        assert_eq!(proof.header["jwk"], *key);
        assert_eq!(proof.header["jwk"], keys[0]);
        let token_endpoint = format!("{}/token", harness.provider.base);
        assert_eq!(proof.claims["htu"], token_endpoint);
        assert_eq!(proof.claims["ath"], Value::Null);
    }
    assert_ne!(proofs[1].header["jwk"], keys[0]);
    assert!(
        !harness
            .stored()
            .await
            .contains(keys[0]["x"].as_str().unwrap())
    );
}

#[tokio::test]
async fn a_token_request_is_repeated_with_the_nonce_of_the_server() {
    let harness = Harness::start().await;
    harness.provider.habits(|habits| {
        habits.binds_tokens = true;
        habits.nonce = Some("n-1");
    });
    harness.connect_user("alice").await;
    let replica = harness.replica().await;
    harness.provider.habits(|habits| habits.nonce = Some("n-2"));
    harness.clock.advance(HOUR);
    replica.token("alice").await.unwrap();
    let proofs = harness.provider.proofs();
    let nonces: Vec<_> = proofs
        .iter()
        .map(|it| it.claims["nonce"].as_str())
        .collect();
    assert_eq!(nonces, [None, Some("n-1"), None, Some("n-2")]);
    let ids: std::collections::BTreeSet<_> =
        proofs.iter().map(|it| it.claims["jti"].as_str()).collect();
    assert_eq!(ids.len(), 4);
}

#[tokio::test]
async fn a_server_that_binds_no_tokens_gets_no_proof() {
    let harness = Harness::start().await;
    harness.connect_user("alice").await;
    let replica = harness.replica().await;
    let credential = replica.credential(Principal::new("alice")).await.unwrap();
    assert!(bearer(&credential).starts_with("Bearer "));
    assert!(credential.signer().is_none() && proof(&credential).is_none());
    let requests = harness.provider.requests();
    assert_eq!(requests.len(), 1);
}

#[tokio::test]
async fn the_authorization_request_names_the_key() {
    let harness = Harness::start().await;
    for binds_tokens in [true, false] {
        harness
            .provider
            .habits(|habits| habits.binds_tokens = binds_tokens);
        let client = mcp_gateway_auth::client::OAuthClient::new(
            crate::harness::egress(),
            harness.provider.url(),
        );
        let client = client.unwrap();
        let challenge = client.challenge().await.unwrap().unwrap();
        let target = client.discover(&challenge).await.unwrap();
        let identity = mcp_gateway_auth::client::ClientIdentity::public("gateway");
        let redirect_uri = "http://127.0.0.1:1/callback".parse().unwrap();
        let authorization = client.authorize(&target, &identity, &redirect_uri, None);
        let authorization = authorization.unwrap();
        let mut query = authorization.url().query_pairs();
        let named = query.find(|(name, _)| name == "dpop_jkt");
        assert_eq!(
            named.map(|(_, value)| value.len()),
            binds_tokens.then_some(43)
        );
    }
}
