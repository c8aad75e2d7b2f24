use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderValue, Request};
use mcp_gateway_auth::dpop::{DpopKey, DpopVerifier};
use mcp_gateway_auth::jose::{Algorithm, Validation};
use mcp_gateway_auth::token::{
    BearerVerifier, BoundTokens, ChainVerifier, ExternalIssuers, Issuer, RevocationTarget,
    Revocations, TokenVerifier, VerifiedToken,
};
use mcp_gateway_auth::{Clock, StaticTokens};
use mcp_gateway_core::auth::{AuthError, AuthVerifier, Principal};
use serde_json::{Value, json};

use crate::harness::{AUDIENCE, ISSUER, NOW, Pair, access_token, claims, header, key_set, with};

const OTHER: &str = "https://other.example.com";

/// Counts verifications.
#[derive(Debug)]
struct Counted<V>(V, AtomicUsize);

#[async_trait]
impl<V: TokenVerifier> TokenVerifier for Counted<V> {
    async fn verify_token(&self, token: &str) -> Result<Option<VerifiedToken>, AuthError> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.verify_token(token).await
    }
}

/// Two issuers with different keys under the same key ID.
struct Two {
    a: Pair,
    b: Pair,
    clock: Clock,
}

impl Two {
    fn new() -> Self {
        Self {
            a: Pair::p256(),
            b: Pair::p256(),
            clock: Clock::fixed(NOW),
        }
    }

    fn issuers(&self) -> ExternalIssuers {
        let a = Issuer::new(access_token(), key_set(&[self.a.jwk(Some("k1"))]));
        let other = Validation::access_token(OTHER, AUDIENCE);
        let b = Issuer::new(other, key_set(&[self.b.jwk(Some("k1"))]));
        ExternalIssuers::new([a, b]).with_clock(self.clock.clone())
    }

    fn bearer(&self) -> (BearerVerifier, Arc<Counted<ExternalIssuers>>) {
        let counted = Arc::new(Counted(self.issuers(), AtomicUsize::new(0)));
        let verifier = BearerVerifier::new(counted.clone()).with_clock(self.clock.clone());
        (verifier, counted)
    }

    fn token(&self) -> String {
        self.a.token(&header(), &claims())
    }
}

fn request(uri: &str, token: &str) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.uri = uri.parse().unwrap();
    let value = HeaderValue::try_from(format!("Bearer {token}")).unwrap();
    parts.headers.insert(AUTHORIZATION, value);
    parts
}

async fn call(verifier: &BearerVerifier, token: &str) -> String {
    name(verifier.verify(&request("/mcp", token)).await)
}

fn name(result: Result<Principal, AuthError>) -> String {
    match result {
        Ok(principal) => principal.subject().to_owned(),
        Err(error) => error.to_string(),
    }
}

const INVALID: &str = "invalid token";

#[tokio::test]
async fn j28_a_key_of_one_issuer_is_worth_nothing_at_another() {
    let two = Two::new();
    let issuers = two.issuers();
    let verify = async |pair: &Pair, iss: &str| {
        let token = pair.token(&header(), &with(claims(), "iss", json!(iss)));
        match issuers.verify_token(&token).await {
            Ok(Some(token)) => token.principal().subject().to_owned(),
            Ok(None) => "unknown".to_owned(),
            Err(error) => error.to_string(),
        }
    };
    assert_eq!(verify(&two.a, ISSUER).await, format!("{ISSUER}#alice"));
    assert_eq!(verify(&two.b, OTHER).await, format!("{OTHER}#alice"));
    assert_eq!(verify(&two.a, OTHER).await, INVALID);
    assert_eq!(verify(&two.b, ISSUER).await, INVALID);
    assert_eq!(verify(&two.a, "https://evil.example").await, "unknown");
    assert_eq!(verify(&two.a, &format!("{ISSUER}/")).await, "unknown");
}

#[tokio::test]
async fn j28_a_chain_ends_with_the_one_whose_token_it_is() {
    let two = Two::new();
    let statics = StaticTokens::new().with_token("handed-out", Principal::new("robot"));
    let last = Arc::new(Counted(statics, AtomicUsize::new(0)));
    let chain = ChainVerifier::new()
        .with(Arc::new(two.issuers()))
        .with(last.clone());
    let verifier = BearerVerifier::new(Arc::new(chain)).with_clock(two.clock.clone());
    assert_eq!(
        call(&verifier, &two.token()).await,
        format!("{ISSUER}#alice")
    );
    let forged = two.b.token(&header(), &claims());
    assert_eq!(call(&verifier, &forged).await, INVALID);
    assert_eq!(last.1.load(Ordering::SeqCst), 0);
    assert_eq!(call(&verifier, "handed-out").await, "robot");
    assert_eq!(call(&verifier, "made-up").await, INVALID);
    assert_eq!(last.1.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn j31_what_is_revoked_is_refused_at_once() {
    let two = Two::new();
    let revocations = Revocations::new(two.clock.clone());
    let (verifier, asked) = two.bearer();
    let verifier = verifier.with_revocations(revocations.clone());
    let token = two.token();
    let subject = format!("{ISSUER}#alice");
    for (what, id) in [
        (RevocationTarget::Token, "1"),
        (RevocationTarget::Client, "editor"),
        (RevocationTarget::Subject, subject.as_str()),
    ] {
        assert_eq!(call(&verifier, &token).await, subject);
        revocations.revoke(what, id, NOW + 600);
        assert_eq!(call(&verifier, &token).await, INVALID, "{what:?}");
        // Also tokens that are not cached.
        let (fresh, _) = two.bearer();
        let fresh = fresh.with_revocations(revocations.clone());
        assert_eq!(call(&fresh, &token).await, INVALID, "{what:?}");
        revocations.reinstate(what, id, NOW - 10);
    }
    assert_eq!(asked.1.load(Ordering::SeqCst), 1);
    revocations.revoke(RevocationTarget::Token, "2", NOW + 600);
    revocations.revoke(RevocationTarget::Subject, "alice", NOW + 600);
    assert_eq!(call(&verifier, &token).await, subject);
}

#[tokio::test]
async fn j32_the_same_subject_of_two_issuers_is_two_people() {
    let two = Two::new();
    let (verifier, _) = two.bearer();
    let other = two.b.token(&header(), &with(claims(), "iss", json!(OTHER)));
    let a = verifier
        .verify(&request("/mcp", &two.token()))
        .await
        .unwrap();
    let b = verifier.verify(&request("/mcp", &other)).await.unwrap();
    assert_ne!(a, b);
    // A subject always belongs to its own issuer, whatever it looks like.
    let forged = with(claims(), "sub", json!(format!("x#{OTHER}#alice")));
    let forged = two.a.token(&header(), &forged);
    let c = verifier.verify(&request("/mcp", &forged)).await.unwrap();
    assert!(c.subject().starts_with("https://idp.example.com#"));
}

#[tokio::test]
async fn a_token_is_verified_once_and_not_believed_after_it_expires() {
    let two = Two::new();
    let (verifier, asked) = two.bearer();
    let token = two.token();
    for _ in 0..10 {
        assert_eq!(call(&verifier, &token).await, format!("{ISSUER}#alice"));
    }
    assert_eq!(asked.1.load(Ordering::SeqCst), 1);
    two.clock.advance(Duration::from_secs(300 + 60));
    assert_eq!(call(&verifier, &token).await, INVALID);
    assert_eq!(asked.1.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_token_can_be_verified_again_after_a_while() {
    let two = Two::new();
    let (verifier, asked) = two.bearer();
    let verifier = verifier.with_recheck(Duration::from_secs(60));
    let token = two.token();
    for expected in [1, 1, 2, 2, 3] {
        assert_eq!(call(&verifier, &token).await, format!("{ISSUER}#alice"));
        assert_eq!(asked.1.load(Ordering::SeqCst), expected);
        two.clock.advance(Duration::from_secs(30));
    }
}

#[tokio::test]
async fn o31_tokens_in_addresses_are_refused() {
    let two = Two::new();
    let (verifier, asked) = two.bearer();
    let token = two.token();
    for uri in [
        format!("/mcp?access_token={token}"),
        format!("/mcp?a=b&access_token={token}"),
        "/mcp?access_token=".to_owned(),
        format!("/mcp?access%5Ftoken={token}"),
    ] {
        let mut parts = request(&uri, &token);
        assert_eq!(name(verifier.verify(&parts).await), INVALID, "{uri}");
        parts.headers.remove(AUTHORIZATION);
        assert_eq!(name(verifier.verify(&parts).await), INVALID, "{uri}");
    }
    assert_eq!(asked.1.load(Ordering::SeqCst), 0);
    let parts = request("/mcp?my_access_token=1", &token);
    assert!(verifier.verify(&parts).await.is_ok());
}

#[tokio::test]
async fn tokens_that_are_bound_to_a_key_are_no_bearer_tokens() {
    let two = Two::new();
    let (verifier, _) = two.bearer();
    for cnf in [json!({"jkt": "a"}), json!({"x5t#S256": "a"}), json!({})] {
        let token = two.a.token(&header(), &with(claims(), "cnf", cnf));
        assert_eq!(call(&verifier, &token).await, INVALID);
    }
}

#[tokio::test]
async fn o110_a_bound_token_of_another_issuer_needs_its_key() {
    let two = Two::new();
    let (verifier, _) = two.bearer();
    let url = "https://gw.example.com/mcp".parse().unwrap();
    let bound = BoundTokens::new(DpopVerifier::new(Clock::system()), [&url]);
    let verifier = verifier.with_bound_tokens(bound);
    let (key, other) = (DpopKey::generate().unwrap(), DpopKey::generate().unwrap());
    let cnf = json!({ "jkt": key.thumbprint() });
    let token = two.a.token(&header(), &with(claims(), "cnf", cnf));
    let alice = format!("{ISSUER}#alice");
    for (key, expected) in [(&key, &*alice), (&other, INVALID)] {
        let proof = key.proof(&http::Method::GET, &url).with_token(&token);
        let mut parts = request("/mcp", "");
        let value = format!("DPoP {token}").parse().unwrap();
        parts.headers.insert(AUTHORIZATION, value);
        parts
            .headers
            .insert("dpop", proof.sign().unwrap().parse().unwrap());
        assert_eq!(name(verifier.verify(&parts).await), expected);
    }
    assert_eq!(call(&verifier, &token).await, INVALID);
}

#[tokio::test]
async fn a_scope_that_is_required_is_named_when_it_is_missing() {
    let pair = Pair::p256();
    let issuer = Issuer::new(access_token(), key_set(&[pair.jwk(Some("k1"))]))
        .with_required_scope("mcp:call");
    let issuers = ExternalIssuers::new([issuer]).with_clock(Clock::fixed(NOW));
    for (name, value, expected) in [
        ("scope", json!("mcp:call"), true),
        ("scope", json!("a  mcp:call b"), true),
        ("scp", json!("mcp:call"), true),
        ("scp", json!(["a", "mcp:call"]), true),
        ("scope", json!("mcp:callback"), false),
        ("scope", Value::Null, false),
    ] {
        let token = pair.token(&header(), &with(claims(), name, value.clone()));
        match issuers.verify_token(&token).await {
            Ok(Some(_)) => assert!(expected, "{value}"),
            Err(AuthError::InsufficientScope { scopes }) => {
                assert!(!expected && scopes == ["mcp:call".into()], "{value}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn all_required_scopes_are_named_when_one_is_missing() {
    let pair = Pair::p256();
    let issuer = Issuer::new(access_token(), key_set(&[pair.jwk(Some("k1"))]))
        .with_required_scope("mcp:read")
        .with_required_scope("mcp:call");
    let issuers = ExternalIssuers::new([issuer]).with_clock(Clock::fixed(NOW));
    let token = pair.token(&header(), &with(claims(), "scope", json!("mcp:read")));
    match issuers.verify_token(&token).await {
        Err(AuthError::InsufficientScope { scopes }) => {
            assert_eq!(scopes, ["mcp:read".into(), "mcp:call".into()]);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_provider_with_its_own_rules_gets_them() {
    let pair = Pair::rsa();
    let expectation = Validation::new(ISSUER, AUDIENCE)
        .with_types(["JWT"])
        .with_algorithms([Algorithm::Rs256]);
    let issuer = Issuer::new(expectation, key_set(&[pair.jwk(Some("k1"))]));
    let issuers = ExternalIssuers::new([issuer]).with_clock(Clock::fixed(NOW));
    let verify = async |alg: &str, typ: Value| {
        let header = with(with(header(), "alg", json!(alg)), "typ", typ);
        issuers.verify_token(&pair.token(&header, &claims())).await
    };
    assert!(verify("RS256", json!("JWT")).await.is_ok());
    for (alg, typ) in [
        ("PS256", json!("JWT")),
        ("RS256", json!("at+jwt")),
        ("RS256", Value::Null),
    ] {
        assert!(verify(alg, typ.clone()).await.is_err(), "{alg} {typ}");
    }
}

#[tokio::test]
async fn nothing_of_a_token_is_shown() {
    let two = Two::new();
    let (verifier, _) = two.bearer();
    let token = two.token();
    assert_eq!(call(&verifier, &token).await, format!("{ISSUER}#alice"));
    let shown = format!("{verifier:?}");
    for part in token.split('.') {
        assert!(!shown.contains(part));
    }
    assert!(!shown.contains("alice"), "{shown}");
}
