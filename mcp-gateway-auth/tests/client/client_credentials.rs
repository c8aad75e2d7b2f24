//! Tokens that the gateway obtains for itself.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, StatusCode};
use mcp_gateway_auth::client::{ClientCredentials, ClientIdentity, ClientKey, ServiceClient};
use mcp_gateway_auth::jose::{Algorithm, SigningKey};
use mcp_gateway_core::Credential;
use mcp_gateway_core::credential::{Challenge, CredentialError, CredentialResolver};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::harness::{Harness, tokens};
use crate::refresh::{caller, target};

fn with_secret(harness: &Harness) -> ClientCredentials {
    let service = ClientIdentity::confidential("gateway", "s3cret").into();
    credentials(harness, service)
}

fn credentials(harness: &Harness, service: ServiceClient) -> ClientCredentials {
    ClientCredentials::new(harness.client(), service, Credential::new("gateway"))
}

async fn token(credentials: &ClientCredentials) -> Result<String, CredentialError> {
    let credential = credentials.resolve(&caller(), &target()).await?;
    Ok(bearer(&credential))
}

fn bearer(credential: &Credential) -> String {
    let mut headers = credential.headers().iter();
    let (_, value) = headers.find(|(name, _)| name == AUTHORIZATION).unwrap();
    value.to_str().unwrap().to_owned()
}

/// Reports `credential` as rejected with `status`, and returns the token of the next one.
async fn reject(
    credentials: &ClientCredentials,
    credential: &Credential,
    status: StatusCode,
) -> Option<String> {
    let mut headers = HeaderMap::new();
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    let challenge = Challenge::new(status, &headers);
    let (caller, target) = (caller(), target());
    let next = credentials.rejected(&caller, &target, credential, &challenge);
    next.await.unwrap().as_ref().map(bearer)
}

#[tokio::test]
async fn calls_at_the_same_time_share_one_token() {
    let harness = Harness::start().await;
    harness.respond(200, tokens("a-1", 3600, None));
    harness.delay(Duration::from_millis(200));
    let credentials = Arc::new(with_secret(&harness));
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let credentials = Arc::clone(&credentials);
        calls.spawn(async move { token(&credentials).await.unwrap() });
    }
    let found = calls.join_all().await;
    assert!(found.iter().all(|token| token == "Bearer a-1"), "{found:?}");
    let [request] = &harness.requests()[..] else {
        panic!("one request");
    };
    assert_eq!(request["grant_type"], "client_credentials");
    assert_eq!(request["resource"], harness.url());
    assert_eq!(request["scope"], "read write");
    assert_eq!(request["client_id"], "gateway");
    let basic = format!("Basic {}", STANDARD.encode("gateway:s3cret"));
    assert_eq!(request["authorization"], basic);
    assert_eq!(request.get("client_secret"), None);
}

#[tokio::test]
async fn the_configured_method_and_scope_are_used() {
    let harness = Harness::start().await;
    harness.respond(200, tokens("a-1", 3600, None));
    let mut identity = ClientIdentity::confidential("gateway", "s3cret");
    identity.auth_method = Some("client_secret_post".to_owned());
    let credentials = credentials(&harness, identity.into()).with_scope("read");
    assert_eq!(token(&credentials).await.unwrap(), "Bearer a-1");
    let request = harness.last();
    assert_eq!(request["scope"], "read");
    assert_eq!(request["client_secret"], "s3cret");
    assert_eq!(request.get("authorization"), None);
}

#[tokio::test]
async fn a_token_is_replaced_before_it_expires() {
    let harness = Harness::start().await;
    harness.respond(200, tokens("a-1", 1, None));
    harness.respond(200, tokens("a-2", 3600, None));
    let credentials = with_secret(&harness);
    assert_eq!(token(&credentials).await.unwrap(), "Bearer a-1");
    let replaced = async {
        while token(&credentials).await.unwrap() != "Bearer a-2" {
            sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(30), replaced).await.unwrap();
    assert_eq!(harness.requests().len(), 2);
}

#[tokio::test]
async fn a_rejected_token_is_replaced_once() {
    let harness = Harness::start().await;
    for name in ["a-1", "a-2"] {
        harness.respond(200, tokens(name, 3600, None));
    }
    let credentials = with_secret(&harness);
    let first = credentials.resolve(&caller(), &target()).await.unwrap();
    // Another token has no further scopes.
    assert_eq!(
        reject(&credentials, &first, StatusCode::FORBIDDEN).await,
        None
    );
    // Just after it was issued, another one would be rejected as well.
    assert_eq!(
        reject(&credentials, &first, StatusCode::UNAUTHORIZED).await,
        None
    );
    let earlier = Credential::new("gateway")
        .with_header(AUTHORIZATION, HeaderValue::from_static("Bearer a-0"));
    // A call with an earlier token takes the present one.
    let next = reject(&credentials, &earlier, StatusCode::UNAUTHORIZED).await;
    assert_eq!(next.as_deref(), Some("Bearer a-1"));
    assert_eq!(harness.requests().len(), 1);
    sleep(Duration::from_millis(5100)).await;
    let (one, other) = tokio::join!(
        reject(&credentials, &first, StatusCode::UNAUTHORIZED),
        reject(&credentials, &first, StatusCode::UNAUTHORIZED),
    );
    assert_eq!(one.as_deref(), Some("Bearer a-2"));
    assert_eq!(other.as_deref(), Some("Bearer a-2"));
    assert_eq!(harness.requests().len(), 2);
}

#[tokio::test]
async fn errors_delay_requests_by_their_class() {
    let table = [
        (429, json!({ "error": "slow_down" }), "120", 120, 1),
        (503, json!("<html>"), "86400", 300, 1),
        // The first retry is immediate.
        (502, json!({}), "", 1, 2),
    ];
    for (status, body, retry_after, seconds, requests) in table {
        let harness = Harness::start().await;
        harness.retry_after(retry_after);
        for _ in 0..requests {
            harness.respond(status, body.clone());
        }
        let credentials = with_secret(&harness);
        for _ in 0..requests {
            assert!(token(&credentials).await.is_err());
        }
        let Err(CredentialError::Unavailable(source)) = token(&credentials).await else {
            panic!("{status}");
        };
        let text = source.to_string();
        let expected = format!("suspended for {seconds}s");
        assert!(text.contains(&expected), "{status}: {text}");
        assert_eq!(harness.requests().len(), requests);
    }
}

#[tokio::test]
async fn category_quoted_secret_an_error_of_the_token_endpoint_quotes_no_secret() {
    let harness = Harness::start().await;
    let basic = STANDARD.encode("gateway:s3cret-of%2Bgateway");
    let description = format!("no client with s3cret-of+gateway, s3cret-of%2Bgateway or {basic}");
    let error = json!({ "error": "temporarily_unavailable", "error_description": description });
    harness.respond(401, error);
    let service = ClientIdentity::confidential("gateway", "s3cret-of+gateway").into();
    let failed = token(&credentials(&harness, service)).await;
    let Err(CredentialError::Unavailable(source)) = failed else {
        panic!("no token");
    };
    let text = source.to_string();
    assert!(text.contains("no client with ***, *** or ***"), "{text}");
}

#[tokio::test]
async fn a_rejected_client_is_told_from_an_outage() {
    for (status, code) in [(400, "invalid_scope"), (500, "invalid_client")] {
        let harness = Harness::start().await;
        harness.respond(status, json!({ "error": code }));
        let credentials = with_secret(&harness);
        // The second call is answered without a request.
        for _ in 0..2 {
            let rejected = token(&credentials).await.unwrap_err();
            let CredentialError::ClientRejected { code: found } = rejected else {
                panic!("{rejected}");
            };
            assert_eq!(&*found, code);
        }
        assert_eq!(harness.requests().len(), 1);
    }
}

#[tokio::test]
async fn missing_scopes_of_the_gateway_are_named() {
    let harness = Harness::start().await;
    harness.respond(200, tokens("a-1", 3600, None));
    let credentials = with_secret(&harness);
    let first = credentials.resolve(&caller(), &target()).await.unwrap();
    let mut headers = HeaderMap::new();
    let value = "Bearer error=\"insufficient_scope\", scope=\"files:read files:write\"";
    headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static(value));
    let challenge = Challenge::new(StatusCode::FORBIDDEN, &headers);
    let (caller, target) = (caller(), target());
    let next = credentials.rejected(&caller, &target, &first, &challenge);
    let Err(CredentialError::InsufficientScope { scopes, url: None }) = next.await else {
        panic!("expected the scopes");
    };
    assert_eq!(&*scopes, "files:read files:write");
}

#[tokio::test]
async fn a_key_signs_a_new_assertion_for_each_request() {
    let harness = Harness::start().await;
    let issuer = harness.url().replace("/mcp", "");
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let endpoint = format!("{issuer}/token");
    let mut ids = Vec::new();
    for (key, kid, audience) in [
        (ClientKey::new(key.clone()), key.kid(), &issuer),
        (
            ClientKey::new(key.clone())
                .with_id("k-1")
                .with_audience(&endpoint),
            "k-1",
            &endpoint,
        ),
    ] {
        harness.respond(200, tokens("a-1", 3600, None));
        let credentials = credentials(&harness, ServiceClient::with_key("gateway", key));
        assert_eq!(token(&credentials).await.unwrap(), "Bearer a-1");
        let request = harness.last();
        assert_eq!(request["client_id"], "gateway");
        let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
        assert_eq!(request["client_assertion_type"], kind);
        let parts: Vec<_> = request["client_assertion"].split('.').collect();
        let part = |index: usize| -> Value {
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(parts[index]).unwrap()).unwrap()
        };
        let header = json!({ "alg": "ES256", "typ": "JWT", "kid": kid });
        assert_eq!(part(0), header);
        let claims = part(1);
        assert_eq!(claims["iss"], "gateway");
        assert_eq!(claims["sub"], "gateway");
        assert_eq!(claims["aud"], *audience);
        let lifetime = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
        assert_eq!(lifetime, 60);
        ids.push(claims["jti"].clone());
    }
    assert_ne!(ids[0], ids[1]);
}
