//! Held definitions are neither listed nor found nor called, whatever a server does.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that fails may panic"
)]

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http_body_util::BodyExt as _;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_core::call::Prepared;
use mcp_gateway_core::catalog::{Definition, DefinitionKind};
use mcp_gateway_core::credential::NoCredentials;
use mcp_gateway_core::jsonrpc::{Id, Request};
use mcp_gateway_core::layer::attach_credentials::AttachCredentialsLayer;
use mcp_gateway_core::layer::authorize::AuthorizeLayer;
use mcp_gateway_core::layer::dispatch::{DispatchLayer, ToolSearch};
use mcp_gateway_core::layer::forward::Forward;
use mcp_gateway_core::limit::Limits;
use mcp_gateway_core::policy::AllowAll;
use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
use mcp_gateway_core::route::PrefixRouter;
use mcp_gateway_core::upstream::{PooledServer, ServerPool, Upstream, UpstreamError};
use mcp_gateway_core::{Call, Caller, ClientInfo, Reply, error_chain};
use mcp_gateway_pins::{HeldDefinitions, PinnedDefinitions, Pins};
use proptest::prelude::*;
use tower::{ServiceBuilder, ServiceExt as _};

/// Names of tools.
const NAMES: [&str; 5] = ["add", "find", "list", "send", "sum"];

/// Versions of the tools, by name; `None` for a tool that does not exist.
type Versions = [Option<u8>; NAMES.len()];

/// Server whose tools have the versions of the moment.
#[derive(Debug, Default)]
struct Changing(Mutex<Versions>);

fn definition(name: &str, version: u8) -> String {
    format!(
        r#"{{"name":"{name}","description":"Tool number {version}","inputSchema":{{"type":"object"}}}}"#
    )
}

#[async_trait]
impl Upstream for Changing {
    async fn send(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
        let id = call.request().id();
        if call.request().method() != &Method::ToolsList {
            return Ok(Reply::result(
                id,
                r#"{"content":[{"type":"text","text":"called"}]}"#,
            ));
        }
        let versions = *self.0.lock().unwrap();
        let tools = NAMES.iter().zip(versions);
        let tools = tools.filter_map(|(name, version)| Some(definition(name, version?)));
        let tools: Vec<_> = tools.collect();
        Ok(Reply::result(
            id,
            &format!(r#"{{"tools":[{}]}}"#, tools.join(",")),
        ))
    }
}

/// Sends a request through the layers; returns the reply, or the error.
async fn send(pool: &ServerPool, search: bool, method: Method, params: &str) -> String {
    let router = Arc::new(PrefixRouter::by_name(["s"]).unwrap());
    let policy = Arc::new(AllowAll::new());
    let dispatch = DispatchLayer::new(router, policy.clone());
    let dispatch = match search {
        true => dispatch.with_tool_search(ToolSearch::new()),
        false => dispatch,
    };
    let stack = ServiceBuilder::new()
        .layer(dispatch)
        .layer(AuthorizeLayer::new(policy).with_pool(pool.clone()))
        .layer(AttachCredentialsLayer::new(Arc::new(NoCredentials::new())).with_pool(pool.clone()))
        .service(Forward::new(pool.clone()));
    let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
    let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
    let request = Request::new(&Id::from(1), &method, params);
    match stack.oneshot(Call::trusted(request, caller)).await {
        Ok(Reply::Json { body, .. }) => {
            let body = body.collect().await.unwrap().to_bytes();
            String::from_utf8(body.to_vec()).unwrap()
        }
        Ok(Reply::Events(_)) => panic!("a stream"),
        Err(error) => error_chain(&error),
    }
}

/// Returns the tools whose name is in `text` with the prefix of the server.
fn named(text: &str) -> BTreeSet<&'static str> {
    let names = NAMES.iter().copied();
    names
        .filter(|name| text.contains(&format!("\"s__{name}\"")))
        .collect()
}

/// Returns the tools that `call` reaches.
async fn called(pool: &ServerPool, by_search: bool) -> BTreeSet<&'static str> {
    let mut called = BTreeSet::new();
    for name in NAMES {
        let params = match by_search {
            true => format!(
                r#"{{"name":"run_tool","arguments":{{"tool_name":"s__{name}","tool_args":{{}}}}}}"#
            ),
            false => format!(r#"{{"name":"s__{name}","arguments":{{}}}}"#),
        };
        let reply = send(pool, by_search, Method::ToolsCall, &params).await;
        match reply.contains("called") {
            true => {
                called.insert(name);
            }
            false => assert!(reply.contains("unknown tool"), "{reply}"),
        }
    }
    called
}

proptest! {
    #[test]
    fn category_rug_pull_held_is_neither_listed_nor_callable_by_any_route(
        approved: Versions, moments in prop::collection::vec(any::<Versions>(), 1..4)
    ) {
        // Few versions, so that many are approved.
        let few = |versions: Versions| versions.map(|it| it.map(|it| it % 2));
        let approved = few(approved);
        let pins = NAMES.iter().zip(approved).filter_map(|(name, version)| {
            let json = definition(name, version?);
            Some(Definition::new(DefinitionKind::Tool, name, &json))
        });
        let held = Arc::new(HeldDefinitions::new("s"));
        let pinned = PinnedDefinitions::new(Arc::new(Pins::from_iter(pins)), Arc::clone(&held));
        let server = Arc::new(Changing::default());
        let pooled = PooledServer::new(Arc::clone(&server) as _, Limits::default());
        let pool = ServerPool::new();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            pool.insert("s", pooled.with_definitions(Arc::new(pinned)));
            for moment in moments.into_iter().map(few) {
                *server.0.lock().unwrap() = moment;
                let offered: BTreeSet<_> = NAMES.iter().zip(moment.into_iter().zip(approved))
                    .filter(|(_, (now, approved))| now.is_some() && now == approved)
                    .map(|(name, _)| *name)
                    .collect();
                assert_eq!(called(&pool, false).await, offered);
                assert_eq!(called(&pool, true).await, offered);
                let listed = send(&pool, false, Method::ToolsList, "{}").await;
                assert_eq!(named(&listed), offered);
                let params = r#"{"name":"search_tools","arguments":{"query":"tool number","limit":20}}"#;
                let found = send(&pool, true, Method::ToolsCall, params).await;
                assert_eq!(named(&found.replace('\\', "")), offered, "{found}");
                let present = moment.iter().flatten().count();
                assert!(held.all().len() >= present - offered.len());
            }
        });
    }
}
