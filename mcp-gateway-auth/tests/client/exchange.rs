//! Identities of callers that are exchanged.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use mcp_gateway_auth::Clock;
use mcp_gateway_auth::client::{ExchangeProfile, ServerBackoffs};
use mcp_gateway_auth::token::{ExternalToken, RevocationTarget, Revocations};
use mcp_gateway_core::Caller;
use mcp_gateway_core::auth::{Assertion, Principal};
use mcp_gateway_core::credential::{Challenge, CredentialError, CredentialResolver, IdentityCause};
use proptest::prelude::*;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::provider::{CLAIMS, ID_JAG, Provider, bearer, confidential, exchanged, of};
use crate::refresh::target;

fn jag() -> ExchangeProfile {
    let client = confidential("crm");
    ExchangeProfile::IdentityAssertion { client }
}

/// Returns the cause of a missing identity, and the claims that are required.
fn cause<T>(result: Result<T, CredentialError>) -> (IdentityCause, Option<String>) {
    match result {
        Err(CredentialError::IdentityRequired { cause, claims, .. }) => {
            (cause, claims.map(|claims| claims.to_string()))
        }
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("exchanged"),
    }
}

#[tokio::test]
async fn an_identity_is_exchanged_once_for_all_calls_of_a_caller() {
    let provider = Provider::start().await;
    provider.delay("alice", Duration::from_millis(200));
    let exchange = provider.exchange(ExchangeProfile::Standard);
    let exchange = Arc::new(exchange.with_scope("read"));
    let alice = provider.caller("alice", "alice");
    let mut calls = JoinSet::new();
    for _ in 0..20 {
        let (exchange, alice) = (Arc::clone(&exchange), alice.clone());
        calls.spawn(async move { exchanged(&exchange, &alice).await.unwrap() });
    }
    let tokens = calls.join_all().await;
    assert!(tokens.iter().all(|token| token == "alice#1"), "{tokens:?}");
    let [form] = &provider.forms()[..] else {
        panic!("one request");
    };
    let expected = [
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", "alice"),
        (
            "subject_token_type",
            "urn:ietf:params:oauth:token-type:access_token",
        ),
        ("resource", &format!("{}/mcp", provider.base)),
        ("scope", "read"),
        ("client_id", "gateway"),
        ("client_secret", "s3cret"),
    ];
    for (name, value) in expected {
        assert_eq!(form[name], value, "{name}");
    }
    assert_eq!(form.get("audience"), None);
}

#[tokio::test]
async fn an_audience_replaces_the_resource() {
    let provider = Provider::start().await;
    let exchange = provider.exchange(ExchangeProfile::Standard);
    let exchange = exchange.with_audience("crm");
    let alice = provider.caller("alice", "alice");
    exchanged(&exchange, &alice).await.unwrap();
    let form = &provider.forms()[0];
    assert_eq!((&*form["audience"], form.get("resource")), ("crm", None));
}

#[tokio::test]
async fn o100_a_token_of_somebody_else_is_never_presented() {
    let provider = Provider::start().await;
    let exchange = provider.exchange(ExchangeProfile::Standard);
    let missing = |caller: Caller| {
        let exchange = &exchange;
        async move { cause(exchanged(exchange, &caller).await).0 }
    };
    let nobody = Principal::new("alice");
    assert_eq!(missing(of(nobody.clone())).await, IdentityCause::Missing);
    // A token of the gateway, or of another issuer.
    let own = nobody.with_assertion(Assertion::new("own"));
    assert_eq!(missing(of(own.clone())).await, IdentityCause::Missing);
    let other = own.with_extension(ExternalToken::new("https://other.example", [], u64::MAX));
    assert_eq!(missing(of(other)).await, IdentityCause::Missing);
    assert!(provider.forms().is_empty());
}

#[tokio::test]
async fn what_an_issuer_requires_is_said_by_its_code() {
    let provider = Provider::start().await;
    for profile in [ExchangeProfile::OnBehalfOf, ExchangeProfile::Standard] {
        let exchange = provider.exchange(profile);
        let table = [
            ("mfa", IdentityCause::Interaction, Some(CLAIMS)),
            ("unasked", IdentityCause::Interaction, None),
            ("expired", IdentityCause::Rejected, None),
            ("malformed", IdentityCause::Rejected, None),
            ("outsider", IdentityCause::Denied, None),
        ];
        for (token, expected, claims) in table {
            let caller = provider.caller("alice", token);
            let before = provider.forms().len();
            for _ in 0..3 {
                let found = cause(exchanged(&exchange, &caller).await);
                assert_eq!(found, (expected, claims.map(str::to_owned)), "{token}");
            }
            // The token is not presented again at once, but another one is.
            assert_eq!(provider.forms().len(), before + 1);
        }
        let caller = provider.caller("alice", "again");
        assert!(exchanged(&exchange, &caller).await.is_ok());
    }
}

#[tokio::test]
async fn entra_exchanges_on_behalf_of_the_caller() {
    let provider = Provider::start().await;
    let exchange = provider.exchange(ExchangeProfile::OnBehalfOf);
    let exchange = exchange.with_scope("api://crm/.default");
    let alice = provider.caller("alice", "alice");
    assert_eq!(exchanged(&exchange, &alice).await.unwrap(), "alice#1");
    let form = &provider.forms()[0];
    let expected = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("requested_token_use", "on_behalf_of"),
        ("assertion", "alice"),
        ("scope", "api://crm/.default"),
    ];
    for (name, value) in expected {
        assert_eq!(form[name], value, "{name}");
    }
    // Entra rejects requests with a resource indicator.
    assert_eq!(form.get("resource"), None);
}

#[tokio::test]
async fn an_identity_assertion_is_redeemed_where_the_server_says() {
    let provider = Provider::start().await;
    let exchange = provider.exchange(jag());
    let alice = provider.caller("alice", "alice");
    assert_eq!(exchanged(&exchange, &alice).await.unwrap(), "jag:alice#2");
    let [first, second] = &provider.forms()[..] else {
        panic!("two requests");
    };
    assert_eq!(first["requested_token_type"], ID_JAG);
    assert_eq!(first["audience"], provider.base);
    assert_eq!(first["resource"], format!("{}/mcp", provider.base));
    assert_eq!(first["client_id"], "gateway");
    let grant = "urn:ietf:params:oauth:grant-type:jwt-bearer";
    assert_eq!(second["grant_type"], grant);
    assert_eq!(second["assertion"], "jag:alice");
    assert_eq!(second["client_id"], "crm");
    // Something else is never presented as an assertion.
    let caller = provider.caller("bob", "ignorant");
    let failed = exchanged(&exchange, &caller).await;
    assert!(matches!(failed, Err(CredentialError::Unavailable(_))));
    assert_eq!(provider.forms().len(), 3);
}

#[tokio::test]
async fn a_server_that_is_down_delays_all_and_loses_nobody() {
    let provider = Provider::start().await;
    let backoffs = ServerBackoffs::new();
    let resolver = || {
        let exchange = provider.exchange(ExchangeProfile::Standard);
        exchange.with_backoffs(backoffs.clone())
    };
    let (one, other) = (resolver(), resolver());
    let (alice, bob) = (provider.caller("alice", "a"), provider.caller("bob", "b"));
    let token = exchanged(&one, &alice).await.unwrap();
    provider.set_down(true);
    let before = provider.forms().len();
    for _ in 0..10 {
        for exchange in [&one, &other] {
            let failed = exchanged(exchange, &bob).await;
            assert!(matches!(failed, Err(CredentialError::Unavailable(_))));
        }
    }
    // The first retry is immediate.
    assert_eq!(provider.forms().len(), before + 2);
    assert_eq!(exchanged(&one, &alice).await.unwrap(), token);
}

#[tokio::test]
async fn an_error_of_one_caller_delays_no_other() {
    let provider = Provider::start().await;
    let exchange = provider.exchange(ExchangeProfile::Standard);
    let outcast = provider.caller("alice", "outcast");
    for _ in 0..5 {
        let failed = exchanged(&exchange, &outcast).await;
        assert!(matches!(failed, Err(CredentialError::Unavailable(_))));
    }
    // The first retry is immediate.
    assert_eq!(provider.forms().len(), 2);
    let bob = provider.caller("bob", "b");
    assert_eq!(exchanged(&exchange, &bob).await.unwrap(), "b#3");
}

#[tokio::test]
async fn a_client_that_is_not_accepted_is_no_fault_of_the_caller() {
    let provider = Provider::start().await;
    let exchange = provider.exchange(ExchangeProfile::Standard);
    let caller = provider.caller("alice", "misconfigured");
    for _ in 0..5 {
        let failed = exchanged(&exchange, &caller).await;
        assert!(matches!(
            failed,
            Err(CredentialError::ClientRejected { .. })
        ));
    }
    assert_eq!(provider.forms().len(), 2);
}

#[tokio::test]
async fn o102_an_exchanged_token_ends_with_the_access_of_its_principal() {
    let provider = Provider::start().await;
    let exchange = provider.exchange(ExchangeProfile::Standard);
    let (alice, bob) = (provider.caller("alice", "a"), provider.caller("bob", "b"));
    assert_eq!(exchanged(&exchange, &alice).await.unwrap(), "a#1");
    assert_eq!(exchanged(&exchange, &bob).await.unwrap(), "b#2");
    exchange.forget("alice");
    assert_eq!(exchanged(&exchange, &bob).await.unwrap(), "b#2");
    assert_eq!(exchanged(&exchange, &alice).await.unwrap(), "a#3");
}

#[tokio::test]
async fn o102_revoked_principals_lose_their_exchanged_tokens() {
    let provider = Provider::start().await;
    let revocations = Revocations::new(Clock::fixed(1000));
    let exchange = provider.exchange(ExchangeProfile::Standard);
    let exchange = exchange.with_revocations(revocations.clone());
    let (alice, bob) = (provider.caller("alice", "a"), provider.caller("bob", "b"));
    assert_eq!(exchanged(&exchange, &alice).await.unwrap(), "a#1");
    assert_eq!(exchanged(&exchange, &bob).await.unwrap(), "b#2");
    revocations.revoke(RevocationTarget::Subject, "alice", 2000);
    // Whoever calls next.
    assert_eq!(exchanged(&exchange, &bob).await.unwrap(), "b#2");
    revocations.reinstate(RevocationTarget::Subject, "alice", 1000);
    for _ in 0..2 {
        assert_eq!(exchanged(&exchange, &alice).await.unwrap(), "a#3");
    }
}

#[tokio::test]
async fn a_rejected_token_is_exchanged_anew_unless_it_is_new() {
    let provider = Provider::start().await;
    let exchange = provider.exchange(jag());
    let alice = provider.caller("alice", "alice");
    let credential = exchange.resolve(&alice, &target()).await.unwrap();
    let challenge = Challenge::new(StatusCode::UNAUTHORIZED, &HeaderMap::new());
    let server = target();
    let rejected = exchange.rejected(&alice, &server, &credential, &challenge);
    assert!(rejected.await.unwrap().is_none());
    exchange.forget("alice");
    let next = exchange.resolve(&alice, &target()).await.unwrap();
    // A call with the earlier token takes the present one.
    let taken = exchange.rejected(&alice, &server, &credential, &challenge);
    assert_eq!(bearer(&taken.await.unwrap().unwrap()), bearer(&next));
    assert_eq!(provider.forms().len(), 4);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Whatever overlaps: each call has the token of its own caller, for the token that it has
    /// presented.
    #[test]
    fn o101_two_callers_never_share_an_exchanged_token(
        calls in prop::collection::vec((0_usize..3, 0_usize..2, 0_u64..4), 1..40),
    ) {
        Runtime::new().unwrap().block_on(async {
            let provider = Provider::start().await;
            let exchange = Arc::new(provider.exchange(jag()));
            let mut running = JoinSet::new();
            for (name, token, delay) in calls {
                let name = ["alice", "bob", "carol"][name];
                // Two of them present the same token, as if it were stolen.
                let token = ["shared".to_owned(), format!("of-{name}")][token].clone();
                provider.delay(&token, Duration::from_millis(delay));
                let (exchange, caller) = (Arc::clone(&exchange), provider.caller(name, &token));
                running.spawn(async move {
                    if delay == 3 {
                        exchange.forget(name);
                    }
                    let credential = exchange.resolve(&caller, &target()).await.unwrap();
                    let expected = format!("jag:{token}#");
                    assert!(bearer(&credential).starts_with(&expected));
                    // Sessions are shared by account.
                    let account = format!("exchanged/{name}@notes");
                    assert_eq!(&**credential.account(), account);
                    (name, bearer(&credential))
                });
            }
            let found = running.join_all().await;
            for (name, token) in &found {
                let others = found.iter().filter(|(other, _)| other != name);
                assert!(others.into_iter().all(|(_, other)| other != token));
            }
        });
    }
}
