//! The contracts hold for the implementations of the workspace, and find broken ones.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of tests are not in functions that are tests"
)]

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use http::request::Parts;
use http::{HeaderValue, Request, header};
use mcp_gateway_auth::StaticTokens;
use mcp_gateway_core::auth::{AllowAnonymous, AuthError, AuthVerifier, Principal};
use mcp_gateway_core::credential::{CredentialError, CredentialResolver, NoCredentials};
use mcp_gateway_core::policy::{AllowAll, Decision, Policy, PolicyRequest};
use mcp_gateway_core::protocol::{Capabilities, ProtocolVersion};
use mcp_gateway_core::route::{Feature, PrefixRouter, ResolvedName, Target, ToolRouter};
use mcp_gateway_core::runtime::{InProcess, PooledHttpClient, Process, Remote};
use mcp_gateway_core::{Caller, ClientInfo, Credential};
use mcp_gateway_testkit::{backend, policy, resolver, router, verifier};

fn bearer(token: &str) -> Parts {
    let request = Request::builder().header(header::AUTHORIZATION, format!("Bearer {token}"));
    request.body(()).unwrap().into_parts().0
}

fn caller(subject: &str) -> Caller {
    let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
    Caller::new(Principal::new(subject), "main", client)
}

fn calls() -> [(Caller, Target); 2] {
    ["ada", "bob"].map(|name| (caller(name), Target::new("docs", Feature::Server)))
}

#[tokio::test]
async fn verifiers_keep_their_contract() {
    let (ada, bob) = (
        "the token of ada, long enough",
        "the token of bob, long enough",
    );
    let tokens = StaticTokens::new()
        .with_token(ada, Principal::new("ada"))
        .with_token(bob, Principal::new("bob"));
    let accepted = [bearer(ada), bearer(bob)];
    verifier::contract(&tokens, &accepted, &verifier::malformed_tokens()).await;
    verifier::contract(&AllowAnonymous::new(), &accepted, &[]).await;
}

#[test]
fn routers_keep_their_contract() {
    let names = ["search", "a__b", "_", "x.y/z", "名前"];
    let by_name = PrefixRouter::by_name(["docs", "time"]).unwrap();
    router::contract(&by_name, &names);
    let one = PrefixRouter::new([("docs", "")]).unwrap();
    router::contract(&one, &names);
}

#[test]
fn policies_keep_their_contract() {
    let (callers, targets) = calls().into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
    policy::contract(&AllowAll::new(), &callers, &targets);
}

#[tokio::test]
async fn resolvers_keep_their_contract() {
    resolver::contract(&NoCredentials::new(), &calls()).await;
}

#[tokio::test]
async fn backends_keep_their_contract() {
    let url = "http://127.0.0.1:9/mcp".parse().unwrap();
    backend::contract(&Remote::new(url, PooledHttpClient::new().unwrap())).await;
    backend::contract(&InProcess::new(async |_| Ok(()))).await;
    backend::contract(&Process::new("cat", "cat")).await;
}

/// Breaks one rule of each contract.
#[derive(Debug)]
struct Broken;

#[async_trait]
impl AuthVerifier for Broken {
    async fn verify(&self, _: &Parts) -> Result<Principal, AuthError> {
        Ok(Principal::new("anybody"))
    }
}

impl ToolRouter for Broken {
    fn servers(&self) -> Arc<[Arc<str>]> {
        ["docs".into(), "time".into()].into()
    }

    fn resolve<'a>(&self, name: &'a str) -> Option<ResolvedName<'a>> {
        Some(ResolvedName::new("docs".into(), name))
    }

    fn expose<'a>(&self, _: &str, name: &'a str) -> Option<Cow<'a, str>> {
        Some(name.into())
    }
}

impl Policy for Broken {
    fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
        match request.caller().principal().subject() {
            "ada" => Decision::Allow,
            _ => Decision::deny("not ada"),
        }
    }

    fn is_uniform(&self) -> bool {
        true
    }
}

#[async_trait]
impl CredentialResolver for Broken {
    async fn resolve(&self, caller: &Caller, _: &Target) -> Result<Credential, CredentialError> {
        let token = HeaderValue::from_str(caller.principal().subject()).unwrap();
        Ok(Credential::new("shared").with_header(header::AUTHORIZATION, token))
    }
}

#[tokio::test]
#[should_panic(expected = "a request to reject")]
async fn a_verifier_that_accepts_everybody_is_found() {
    verifier::contract(&Broken, &[], &verifier::malformed_tokens()).await;
}

#[test]
#[should_panic(expected = "resolves to its origin")]
fn a_router_that_mixes_up_servers_is_found() {
    router::contract(&Broken, &["search"]);
}

#[test]
#[should_panic(expected = "for all callers")]
fn a_policy_that_is_not_as_uniform_as_it_says_is_found() {
    let (callers, targets) = calls().into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
    policy::contract(&Broken, &callers, &targets);
}

#[tokio::test]
#[should_panic(expected = "\"shared\" at docs")]
async fn a_resolver_that_shares_an_account_between_callers_is_found() {
    resolver::contract(&Broken, &calls()).await;
}
