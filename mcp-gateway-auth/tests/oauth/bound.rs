//! Tokens that are bound to a key of their client (RFC 9449).

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Request, header};
use mcp_gateway_auth::Clock;
use mcp_gateway_auth::dpop::{DpopKey, DpopVerifier};
use mcp_gateway_auth::token::{BearerVerifier, BoundTokens, RevocationTarget};
use mcp_gateway_core::auth::{AuthError, AuthVerifier as _};
use serde_json::{Value, json};
use url::Url;

use super::harness::{
    CALLBACK, Harness, ISSUER, RESOURCE, Reply, but, machine, redemption, resources, wanted,
};

const TOKEN: &str = "/api/auth/oauth2/token";

/// Returns a proof for the token endpoint.
fn proof(key: &DpopKey, nonce: Option<&str>) -> String {
    let url = format!("{ISSUER}{TOKEN}").parse().unwrap();
    let proof = key.proof(&Method::POST, &url).with_nonce(nonce);
    proof.sign().unwrap()
}

/// Sends a token request with a proof of `key`.
async fn prove(harness: &Harness, form: &[(&str, &str)], key: &DpopKey) -> Reply {
    let proof = proof(key, None);
    harness.post_with(TOKEN, form, &[("dpop", &proof)]).await
}

fn refresh<'a>(client: &'a str, tokens: &'a Value) -> Vec<(&'a str, &'a str)> {
    vec![
        ("grant_type", "refresh_token"),
        ("client_id", client),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
    ]
}

/// Returns a code for `client` that is bound to the key with the thumbprint `key`.
async fn bound_code(harness: &Harness, client: &str, key: &str) -> String {
    let mut request = wanted(client);
    request.push(("dpop_jkt", key));
    let asked = harness.asked(&request, "alice").await;
    match asked.parameter("code") {
        Some(code) => code,
        None => {
            let decided = harness.decide(&asked, "alice", "allow").await;
            decided.parameter("code").unwrap()
        }
    }
}

/// Resource that accepts bound tokens.
struct Resource {
    verifier: BearerVerifier,
    url: Url,
}

impl Resource {
    fn new(harness: &Harness, are_required: bool) -> Self {
        let resource = &resources()[0];
        let url = RESOURCE.parse().unwrap();
        let bound = BoundTokens::new(DpopVerifier::new(Clock::system()), [&url]);
        let bound = match are_required {
            true => bound.required(),
            false => bound,
        };
        let tokens = Arc::new(harness.server.verifier(Some(resource)));
        let verifier = BearerVerifier::new(tokens)
            .with_clock(harness.clock.clone())
            .with_revocations(harness.server.revocations())
            .with_bound_tokens(bound);
        Self { verifier, url }
    }

    /// Returns the subject of a request with `token`, or its error.
    async fn call(&self, scheme: &str, token: &str, proof: Option<&str>) -> String {
        let mut request =
            Request::post("/mcp?x=1").header(header::AUTHORIZATION, format!("{scheme} {token}"));
        if let Some(proof) = proof {
            request = request.header("DPoP", proof);
        }
        let (request, ()) = request.body(()).unwrap().into_parts();
        match self.verifier.verify(&request).await {
            Ok(principal) => principal.subject().to_owned(),
            Err(error) => error.to_string(),
        }
    }

    fn proof(&self, key: &DpopKey, token: &str) -> String {
        let proof = key.proof(&Method::POST, &self.url).with_token(token);
        proof.sign().unwrap()
    }
}

#[tokio::test]
async fn o110_a_bound_token_is_useless_without_its_key() {
    let harness = Harness::new();
    let (key, other) = (DpopKey::generate().unwrap(), DpopKey::generate().unwrap());
    let client = harness.client().await;
    let code = harness.code(&client, "alice").await;
    let tokens = prove(&harness, &redemption(&client, &code), &key).await;
    let tokens = tokens.value();
    assert_eq!(tokens["token_type"], "DPoP");
    let token = tokens["access_token"].as_str().unwrap();
    let resource = Resource::new(&harness, false);

    let valid = resource.proof(&key, token);
    assert_eq!(resource.call("DPoP", token, Some(&valid)).await, "alice");
    let stolen = resource.call("DPoP", token, Some(&valid)).await;
    assert_eq!(stolen, "invalid proof of possession", "replayed");
    let foreign = resource.proof(&other, token);
    assert_eq!(
        resource.call("DPoP", token, Some(&foreign)).await,
        "invalid token"
    );
    let of_another = resource.proof(&key, "another");
    for proof in [None, Some("a.b.c"), Some(&*of_another)] {
        let error = resource.call("DPoP", token, proof).await;
        assert_eq!(error, "invalid proof of possession");
    }
    for scheme in ["Bearer", "bearer"] {
        let proof = resource.proof(&key, token);
        assert_eq!(
            resource.call(scheme, token, Some(&proof)).await,
            "invalid token"
        );
    }
    assert!(harness.bearer(RESOURCE, token).await.is_err());
}

#[tokio::test]
async fn o110_a_resource_may_require_bound_tokens() {
    let harness = Harness::new();
    let (_, tokens) = harness.tokens("alice").await;
    let token = tokens["access_token"].as_str().unwrap();
    assert_eq!(tokens["token_type"], "Bearer");
    let (open, strict) = (
        Resource::new(&harness, false),
        Resource::new(&harness, true),
    );
    assert_eq!(open.call("Bearer", token, None).await, "alice");
    assert_eq!(strict.call("Bearer", token, None).await, "invalid token");
    // The scheme makes no bound token of it.
    let key = DpopKey::generate().unwrap();
    let proof = open.proof(&key, token);
    for resource in [&open, &strict] {
        assert_eq!(
            resource.call("DPoP", token, Some(&proof)).await,
            "invalid token"
        );
    }
    let (request, ()) = Request::post("/mcp").body(()).unwrap().into_parts();
    let missing = strict.verifier.verify(&request).await;
    assert!(matches!(missing, Err(AuthError::MissingToken)));
}

#[tokio::test]
async fn an_accepted_request_is_verified_again_without_another_proof() {
    let harness = Harness::new();
    let key = DpopKey::generate().unwrap();
    let client = harness.client().await;
    let code = harness.code(&client, "alice").await;
    let tokens = prove(&harness, &redemption(&client, &code), &key)
        .await
        .value();
    let token = tokens["access_token"].as_str().unwrap();
    let resource = Resource::new(&harness, true);
    let request = Request::post("/mcp")
        .header(header::AUTHORIZATION, format!("DPoP {token}"))
        .header("dpop", resource.proof(&key, token));
    let (request, ()) = request.body(()).unwrap().into_parts();
    let verifier = &resource.verifier;
    assert!(verifier.verify(&request).await.is_ok());
    assert!(verifier.verify_again(&request).await.is_ok());
    assert!(verifier.verify(&request).await.is_err());
    harness
        .server
        .revocations()
        .revoke(RevocationTarget::Subject, "alice", u64::MAX);
    assert!(verifier.verify_again(&request).await.is_err());
}

#[tokio::test]
async fn o115_a_code_is_redeemed_with_the_key_of_its_request_alone() {
    let harness = Harness::new();
    let client = harness.client().await;
    let (key, other) = (DpopKey::generate().unwrap(), DpopKey::generate().unwrap());
    let code = bound_code(&harness, &client, key.thumbprint()).await;
    let form = redemption(&client, &code);
    assert!(
        prove(&harness, &form, &other)
            .await
            .is_error(400, "invalid_grant")
    );
    assert_eq!(harness.post(TOKEN, &form).await.error(), "invalid_grant");
    let tokens = prove(&harness, &form, &key).await;
    assert_eq!(tokens.value()["token_type"], "DPoP", "{}", tokens.text);

    let mut malformed = wanted(&client);
    malformed.push(("dpop_jkt", "short"));
    let asked = harness.asked(&malformed, "alice").await;
    assert_eq!(asked.parameter("error").as_deref(), Some("invalid_request"));
}

#[tokio::test]
async fn o115_a_refresh_token_of_a_public_client_is_bound_to_its_key() {
    let harness = Harness::new();
    let client = harness.client().await;
    let (key, other) = (DpopKey::generate().unwrap(), DpopKey::generate().unwrap());
    let code = harness.code(&client, "alice").await;
    let first = prove(&harness, &redemption(&client, &code), &key).await;
    let first = first.value();
    let form = refresh(&client, &first);
    assert!(
        prove(&harness, &form, &other)
            .await
            .is_error(400, "invalid_grant")
    );
    assert_eq!(harness.post(TOKEN, &form).await.error(), "invalid_grant");
    let second = prove(&harness, &form, &key).await.value();
    assert_eq!(second["token_type"], "DPoP");
    // A thief without the key cannot end the grant either, by a replay after its rotation.
    harness.clock.advance(Duration::from_secs(31));
    assert_eq!(harness.post(TOKEN, &form).await.error(), "invalid_grant");
    let third = prove(&harness, &refresh(&client, &second), &key).await;
    assert_eq!(third.value()["token_type"], "DPoP", "{}", third.text);
}

#[tokio::test]
async fn a_client_may_bind_a_token_of_an_unbound_grant() {
    let harness = Harness::new();
    let (client, tokens) = harness.tokens("alice").await;
    let (key, other) = (DpopKey::generate().unwrap(), DpopKey::generate().unwrap());
    let bound = prove(&harness, &refresh(&client, &tokens), &key)
        .await
        .value();
    assert_eq!(bound["token_type"], "DPoP");
    let again = prove(&harness, &refresh(&client, &bound), &other)
        .await
        .value();
    assert_eq!(again["token_type"], "DPoP");
    let unbound = harness.post(TOKEN, &refresh(&client, &again)).await.value();
    assert_eq!(unbound["token_type"], "Bearer");

    harness.server.set_clients([machine("build", "s3cret")]);
    let form = [("grant_type", "client_credentials"), ("client_id", "build")];
    let form = [&form[..], &[("client_secret", "s3cret")]].concat();
    let own = prove(&harness, &form, &key).await;
    assert_eq!(own.value()["token_type"], "DPoP", "{}", own.text);
}

#[tokio::test]
async fn o112_a_proof_is_accepted_once_by_the_token_endpoint() {
    let harness = Harness::new();
    let (client, tokens) = harness.tokens("alice").await;
    let key = DpopKey::generate().unwrap();
    let used = proof(&key, None);
    let send = async |tokens: &Value, proofs: &[(&str, &str)]| {
        harness
            .post_with(TOKEN, &refresh(&client, tokens), proofs)
            .await
    };
    let next = send(&tokens, &[("dpop", &used)]).await.value();
    let url = format!("{ISSUER}/other").parse().unwrap();
    let elsewhere = key.proof(&Method::POST, &url).sign().unwrap();
    let (one, two) = (proof(&key, None), proof(&key, None));
    for proofs in [
        vec![("dpop", &*used)],
        vec![("dpop", &elsewhere)],
        vec![("dpop", &one), ("dpop", &two)],
        vec![("dpop", "")],
    ] {
        let reply = send(&next, &proofs).await;
        assert!(reply.is_error(400, "invalid_dpop_proof"), "{}", reply.text);
    }
    // A rejected proof costs the client nothing.
    let fresh = proof(&key, None);
    assert_eq!(send(&next, &[("dpop", &fresh)]).await.status, 200);
}

#[tokio::test]
async fn o114_a_nonce_of_any_replica_is_required_if_configured() {
    let harness = Harness::with(|builder| builder.with_dpop_nonces());
    let replica = harness.replica_with(|builder| builder.with_dpop_nonces());
    let (client, tokens) = harness.tokens("alice").await;
    let key = DpopKey::generate().unwrap();
    let form = refresh(&client, &tokens);
    let refused = prove(&harness, &form, &key).await;
    assert!(refused.is_error(400, "use_dpop_nonce"), "{}", refused.text);
    let nonce = refused.header("dpop-nonce").to_owned();
    let signed = proof(&key, Some(&nonce));
    let accepted = replica.post_with(TOKEN, &form, &[("dpop", &signed)]).await;
    assert_eq!(accepted.status, 200, "{}", accepted.text);
    assert!(!accepted.header("dpop-nonce").is_empty());
    let signed = proof(&key, Some("forged"));
    let form = refresh(&client, &tokens);
    let refused = harness.post_with(TOKEN, &form, &[("dpop", &signed)]).await;
    assert_eq!(refused.error(), "use_dpop_nonce");
}

#[tokio::test]
async fn rfc_9449_a_client_may_require_bound_tokens() {
    let harness = Harness::new();
    let metadata = json!({ "redirect_uris": [CALLBACK], "dpop_bound_access_tokens": true });
    let registered = harness.register(&metadata).await;
    assert_eq!(registered["dpop_bound_access_tokens"], true);
    let client = registered["client_id"].as_str().unwrap();
    let code = harness.code(client, "alice").await;
    let form = redemption(client, &code);
    let refused = harness.post(TOKEN, &form).await;
    assert!(
        refused.is_error(400, "invalid_dpop_proof"),
        "{}",
        refused.text
    );
    let key = DpopKey::generate().unwrap();
    assert_eq!(prove(&harness, &form, &key).await.status, 200);
    let metadata = json!({ "redirect_uris": [CALLBACK], "dpop_bound_access_tokens": "yes" });
    let path = "/api/auth/oauth2/register";
    let refused = harness.json(Method::POST, path, None, &metadata).await;
    assert_eq!(refused.error(), "invalid_client_metadata");
}

#[tokio::test]
async fn rfc_9449_the_binding_is_described_to_resource_servers_and_clients() {
    let harness = Harness::new();
    harness
        .server
        .set_clients([machine("rs", "s3cret").with_introspection()]);
    let key = DpopKey::generate().unwrap();
    let client = harness.client().await;
    let code = bound_code(&harness, &client, key.thumbprint()).await;
    let tokens = prove(&harness, &redemption(&client, &code), &key)
        .await
        .value();
    let form = [("token", tokens["access_token"].as_str().unwrap())];
    let basic = [("authorization", "Basic cnM6czNjcmV0")];
    let described = harness
        .post_with("/api/auth/oauth2/introspect", &form, &basic)
        .await;
    let described = described.value();
    assert_eq!(described["token_type"], "DPoP");
    assert_eq!(described["cnf"], json!({ "jkt": key.thumbprint() }));

    let metadata = harness
        .get("/.well-known/oauth-authorization-server", None)
        .await;
    let algorithms = &metadata.value()["dpop_signing_alg_values_supported"];
    let algorithms = algorithms.as_array().unwrap();
    assert!(algorithms.contains(&json!("ES256")) && !algorithms.contains(&json!("none")));
    let unbound = but(&redemption(&client, "forged"), "code", None);
    assert_eq!(
        harness.post(TOKEN, &unbound).await.error(),
        "invalid_request"
    );
}
