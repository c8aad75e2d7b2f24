//! The contracts hold for the implementations of the workspace, and find broken ones.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of tests are not in functions that are tests"
)]

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use http::request::Parts;
use http::{HeaderValue, header};
use mcp_gateway_auth::{StaticCredentials, StaticTokens};
use mcp_gateway_core::auth::{AllowAnonymous, AuthError, AuthVerifier, Principal};
use mcp_gateway_core::call::Prepared;
use mcp_gateway_core::credential::{CredentialError, CredentialResolver, NoCredentials};
use mcp_gateway_core::jsonrpc::{Id, Request};
use mcp_gateway_core::observe::{CallReport, Observer};
use mcp_gateway_core::policy::{AllowAll, Decision, Policy, PolicyRequest};
use mcp_gateway_core::protocol::{Capabilities, Era, Method, ProtocolVersion};
use mcp_gateway_core::reply::CallOutcome;
use mcp_gateway_core::route::{
    Feature, PrefixMode, PrefixRouter, ResolvedName, Target, ToolRouter,
};
use mcp_gateway_core::runtime::{InProcess, PooledHttpClient, Process, Remote};
use mcp_gateway_core::upstream::{SessionPolicy, Upstream, UpstreamError, UpstreamServer};
use mcp_gateway_core::{BoxError, Call, Caller, ClientInfo, Credential, Reply};
use mcp_gateway_testkit::{backend, observer, policy, resolver, router, upstream, verifier};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, DuplexStream, split};

fn bearer(token: &str) -> Parts {
    let request = http::Request::builder().header(header::AUTHORIZATION, format!("Bearer {token}"));
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
    for mode in [
        PrefixMode::Always,
        PrefixMode::Never,
        PrefixMode::OnCollision,
    ] {
        let router = PrefixRouter::by_name(["docs", "time"]).unwrap();
        let router = router.with_tool_prefix(mode).with_max_tool_name(48);
        let router = router.with_tool_alias("docs", "a__b", "search");
        router::contract(&router.with_listed_tools_only("time"), &names);
    }
}

#[test]
fn policies_keep_their_contract() {
    let (callers, targets) = calls().into_iter().unzip::<_, _, Vec<_>, Vec<_>>();
    policy::contract(&AllowAll::new(), &callers, &targets);
}

#[tokio::test]
async fn resolvers_keep_their_contract() {
    resolver::contract(&NoCredentials::new(), &calls()).await;
    let key = HeaderValue::from_static("Bearer 2aee1c40");
    let key = Credential::new("configuration").with_header(header::AUTHORIZATION, key);
    resolver::contract(&StaticCredentials::new([("docs", key)]), &calls()).await;
}

#[tokio::test]
async fn upstreams_keep_their_contract() {
    for era in [ProtocolVersion::LATEST, ProtocolVersion::LATEST_LEGACY] {
        for sessions in [SessionPolicy::Shared, SessionPolicy::PerPrincipal] {
            let backend = InProcess::new(move |stream| serve(stream, era));
            let builder = UpstreamServer::builder("docs", backend);
            let server = builder.with_session_policy(sessions).build();
            upstream::contract(&*server, call).await;
        }
    }
}

/// A call of the tool `search` with the ID `id`.
fn call(id: &Id) -> Call<Prepared> {
    let request = Request::new(id, &Method::ToolsCall, r#"{"name":"search"}"#);
    let target = Target::new("docs", Feature::Tool("search".into()));
    let stage = Prepared::trusted(target, Credential::none());
    Call::trusted(request, Arc::new(caller("ada"))).prepared(stage)
}

/// Serves one tool to a client of the protocol version `version`.
async fn serve(stream: DuplexStream, version: ProtocolVersion) -> Result<(), BoxError> {
    let (reader, mut writer) = split(stream);
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        let request: Value = serde_json::from_str(&line)?;
        let (Some(id), Some(method)) = (request.get("id"), request["method"].as_str()) else {
            continue;
        };
        let mut answer = match (method, version.era()) {
            ("initialize", Era::Legacy) => json!({ "result": {
                "protocolVersion": version.as_str(),
                "capabilities": { "tools": { "listChanged": true } },
                "serverInfo": { "name": "docs", "version": "1" },
            } }),
            ("server/discover", Era::Modern) => json!({ "result": {
                "resultType": "complete",
                "supportedVersions": [version.as_str()],
                "capabilities": { "tools": { "listChanged": true } },
                "serverInfo": { "name": "docs", "version": "1" },
            } }),
            ("tools/list", _) => json!({ "result": {
                "resultType": "complete",
                "ttlMs": 60_000,
                "tools": [{ "name": "search", "inputSchema": { "type": "object" } }],
            } }),
            ("tools/call", _) => json!({ "result": { "resultType": "complete", "content": [] } }),
            _ => json!({ "error": { "code": -32601, "message": "Method not found" } }),
        };
        answer["jsonrpc"] = "2.0".into();
        answer["id"] = id.clone();
        writer.write_all(format!("{answer}\n").as_bytes()).await?;
    }
    Ok(())
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

#[derive(Debug)]
struct SameId;

#[async_trait]
impl Upstream for SameId {
    async fn send(&self, _: Call<Prepared>) -> Result<Reply, UpstreamError> {
        Ok(Reply::result(&Id::from(7), "{}"))
    }
}

#[tokio::test]
#[should_panic(expected = "the ID of its request")]
async fn an_upstream_that_mixes_up_responses_is_found() {
    upstream::contract(&SameId, call).await;
}

#[derive(Debug)]
struct ListsEverything;

#[async_trait]
impl Upstream for ListsEverything {
    async fn send(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
        Ok(Reply::result(call.request().id(), "{}"))
    }

    fn is_known_to_list(&self, _: &Feature) -> bool {
        true
    }
}

#[tokio::test]
#[should_panic(expected = "is known")]
async fn an_upstream_that_lists_invented_names_is_found() {
    upstream::contract(&ListsEverything, call).await;
}

#[derive(Debug, Default)]
struct Counted(AtomicUsize);

impl Observer for Counted {
    fn on_call_end(&self, _: &CallReport<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn an_observer_receives_every_outcome_of_both_methods() {
    let counted = Arc::new(Counted::default());
    let reports = observer::contract(counted.clone());
    assert_eq!(
        (reports.len(), counted.0.load(Ordering::Relaxed)),
        (960, 960)
    );
    let of = |wanted: CallOutcome| {
        let found = reports.iter().filter(|(_, outcome)| *outcome == wanted);
        found.count()
    };
    let error = CallOutcome::Error { code: -32602 };
    assert_eq!((of(CallOutcome::Cancelled), of(error)), (160, 160));
    // A server that failed, and one that could not be reached.
    assert_eq!(
        (of(CallOutcome::Failed), of(CallOutcome::Success)),
        (320, 160)
    );
    assert_eq!(of(CallOutcome::ToolError), 160);
    let prompts = reports
        .iter()
        .filter(|(method, _)| *method == Method::PromptsGet);
    assert_eq!(prompts.count(), 480);
}

/// Panics on a report without a feature.
#[derive(Debug)]
struct NeedsFeature;

impl Observer for NeedsFeature {
    fn on_call_end(&self, call: &CallReport<'_>) {
        call.feature.unwrap();
    }
}

#[tokio::test]
#[should_panic(expected = "does not panic")]
async fn an_observer_that_panics_is_found() {
    observer::contract(Arc::new(NeedsFeature));
}

/// Waits on the path of the reply.
#[derive(Debug)]
struct Waits;

impl Observer for Waits {
    fn on_call_end(&self, _: &CallReport<'_>) {
        thread::sleep(Duration::from_millis(25));
    }
}

#[tokio::test]
#[should_panic(expected = "does not block")]
async fn an_observer_that_blocks_is_found() {
    observer::contract(Arc::new(Waits));
}
