//! Identity tokens of callers at servers.

use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::header::AUTHORIZATION;
use mcp_gateway_auth::token::{BearerVerifier, ChainVerifier, ExternalIssuers, Issuer};
use mcp_gateway_auth::{Clock, StaticTokens, TokenForwarding};
use mcp_gateway_core::auth::{AuthVerifier as _, Principal};
use mcp_gateway_core::credential::{CredentialError, CredentialResolver as _};
use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
use mcp_gateway_core::route::{Feature, Target};
use mcp_gateway_core::{Caller, ClientInfo, Credential};
use serde_json::{Value, json};

use crate::harness::{AUDIENCE, ISSUER, NOW, Pair, access_token, claims, header, key_set, with};

const NOTES: &str = "https://notes.example.com";

/// A gateway that accepts the JWTs of an issuer, and static tokens.
struct Site {
    clock: Clock,
    pair: Pair,
    verifier: BearerVerifier,
}

impl Site {
    fn new() -> Self {
        let (clock, pair) = (Clock::fixed(NOW), Pair::p256());
        let issuer = Issuer::new(access_token(), key_set(&[pair.jwk(Some("k1"))]));
        let issuers = ExternalIssuers::new([issuer]).with_clock(clock.clone());
        let tokens = StaticTokens::new().with_token("the-token-of-alice", Principal::new("alice"));
        let chain = ChainVerifier::new()
            .with(Arc::new(tokens))
            .with(Arc::new(issuers));
        let verifier = BearerVerifier::new(Arc::new(chain))
            .with_clock(clock.clone())
            .with_external_assertion();
        Self {
            clock,
            pair,
            verifier,
        }
    }

    fn forwarding(&self) -> TokenForwarding {
        TokenForwarding::new([NOTES.to_owned()]).with_clock(self.clock.clone())
    }

    /// Returns a token for the gateway and for the server, with `changes` to its claims.
    fn token(&self, changes: &[(&str, Value)]) -> String {
        let both = with(claims(), "aud", json!([AUDIENCE, NOTES]));
        let claims = changes.iter().fold(both, |claims, (name, value)| {
            with(claims, name, value.clone())
        });
        self.pair.token(&header(), &claims)
    }

    async fn principal(&self, token: &str) -> Principal {
        let request = Request::get("/mcp").header(AUTHORIZATION, format!("Bearer {token}"));
        let (request, ()) = request.body(()).unwrap().into_parts();
        self.verifier.verify(&request).await.unwrap()
    }

    async fn credential(&self, token: &str) -> Result<Credential, CredentialError> {
        resolve(&self.forwarding(), self.principal(token).await).await
    }
}

async fn resolve(
    forwarding: &TokenForwarding,
    principal: Principal,
) -> Result<Credential, CredentialError> {
    let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
    let caller = Caller::new(principal, "main", client);
    let target = Target::new("notes", Feature::Server);
    forwarding.resolve(&caller, &target).await
}

fn is_missing(result: &Result<Credential, CredentialError>) -> bool {
    matches!(result, Err(CredentialError::IdentityTokenRequired { .. }))
}

#[tokio::test]
async fn j36_a_token_for_the_server_is_forwarded_as_it_is() {
    let site = Site::new();
    let token = site.token(&[]);
    let credential = site.credential(&token).await.unwrap();
    let [(name, value)] = credential.headers() else {
        panic!("{credential:?}");
    };
    assert_eq!(
        (name, value.to_str().unwrap()),
        (&AUTHORIZATION, &*format!("Bearer {token}"))
    );
    assert!(value.is_sensitive());
    let shown = format!("{credential:?}{:?}", site.principal(&token).await);
    assert!(!shown.contains(&token[..20]), "{shown}");
}

#[tokio::test]
async fn j36_other_tokens_are_not_forwarded() {
    let site = Site::new();
    let gateway_only = site.token(&[("aud", json!(AUDIENCE))]);
    assert!(is_missing(&site.credential(&gateway_only).await));
    assert!(is_missing(&site.credential("the-token-of-alice").await));
    // Without its text, or its description, there is nothing to forward.
    let principal = site.principal(&site.token(&[])).await;
    let forwarding = site.forwarding();
    let cached = principal.clone().without_assertion();
    assert!(is_missing(&resolve(&forwarding, cached).await));
    let assertion = principal.assertion().unwrap().clone();
    let own = Principal::new("alice").with_assertion(assertion);
    assert!(is_missing(&resolve(&forwarding, own).await));
    let other = site.forwarding().with_issuer("https://other.example.com");
    assert!(is_missing(&resolve(&other, principal.clone()).await));
    let named = other.with_issuer(ISSUER);
    assert!(resolve(&named, principal).await.is_ok());
}

#[tokio::test]
async fn j36_a_token_is_not_forwarded_after_its_expiry() {
    let site = Site::new();
    let principal = site.principal(&site.token(&[])).await;
    let lifetime = claims()["exp"].as_u64().unwrap() - NOW;
    site.clock.advance(Duration::from_secs(lifetime - 1));
    let forwarding = site.forwarding();
    assert!(resolve(&forwarding, principal.clone()).await.is_ok());
    site.clock.advance(Duration::from_secs(1));
    assert!(is_missing(&resolve(&forwarding, principal).await));
}

#[tokio::test]
async fn j36_an_account_belongs_to_one_caller_with_the_same_rights() {
    let site = Site::new();
    let account = async |changes: &[(&str, Value)]| {
        let credential = site.credential(&site.token(changes)).await.unwrap();
        credential.account().to_string()
    };
    let first = account(&[]).await;
    let exp = claims()["exp"].as_u64().unwrap() + 60;
    assert_eq!(account(&[("exp", json!(exp))]).await, first, "refreshed");
    for changes in [
        ("sub", json!("somebody else")),
        ("client_id", json!("another client")),
        ("scope", json!("fewer")),
    ] {
        assert_ne!(account(std::slice::from_ref(&changes)).await, first);
    }
}

#[tokio::test]
async fn configured_headers_are_presented_too() {
    let site = Site::new();
    let tenant = Credential::new("configuration").with_header(
        http::HeaderName::from_static("x-tenant"),
        http::HeaderValue::from_static("acme"),
    );
    let forwarding = site.forwarding().with_headers_of(tenant);
    let principal = site.principal(&site.token(&[])).await;
    let credential = resolve(&forwarding, principal).await.unwrap();
    assert_eq!(credential.headers().len(), 2);
    assert_eq!(credential.headers()[0].1, "acme");
}
