//! Merged answers to `server/discover`.
//!
//! See [MCP 2026-07-28,
//! versioning](https://modelcontextprotocol.io/specification/2026-07-28/basic/versioning).

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::extensions::ForeignExtensions;
use super::fan_out::{is_failure, is_late, successes};
use super::{RoutedService, Shared, tasks};
use crate::error::UpstreamError;
use crate::protocol::{ProtocolVersion, meta};
use crate::reply;
use crate::upstream::DiscoverResult;
use crate::{Call, Error, Reply};

impl Shared {
    /// Merges the capabilities of the servers into the answer to `server/discover`.
    pub(super) async fn discover<S: RoutedService>(
        &self,
        inner: S,
        call: &Call,
    ) -> Result<Reply, Error> {
        let mut answers = Vec::new();
        let params = call.request().meta_params();
        for (server, answer) in self.call_all(&inner, call, &params).await {
            let info = match answer {
                Ok(reply) => info(reply).await.map_err(Error::of_server(&server)),
                Err(error) => Err(error),
            };
            answers.push((server, info));
        }
        let slow = answers.iter().any(|(_, info)| is_late(info));
        let unknown = answers.iter().any(|(_, info)| is_failure(info));
        // A gateway is reachable even if all of its servers are down.
        let servers = successes(answers).unwrap_or_default();
        let mut capabilities = capabilities(&servers);
        if self.router.servers().len() > 1 {
            ForeignExtensions::of(&servers).remove_shared(&mut capabilities);
            tasks::remove_unserved(&mut capabilities, call.client().era());
        }
        if !self.isolates_tasks() {
            tasks::remove_list(&mut capabilities);
        }
        if unknown {
            // Clients ask for tools only if the capability is declared, and a session outlasts an
            // outage.
            merge(&mut capabilities, &tools());
        }
        if slow {
            // It will have answered by the time that the client lists its features.
            merge(&mut capabilities, &lists());
        }
        if self.router.servers().len() != 1 && self.router.changes().is_some() {
            // The gateway notifies of added and removed servers, regardless of the servers' own
            // capabilities. One server is described as it describes itself: reloads are rare, and
            // subscribers are notified of them nevertheless.
            tell_of_changes(&mut capabilities);
        }
        let result = self.described(&servers, &capabilities);
        Ok(Reply::result(call.request().id(), &result.to_string()))
    }

    /// Returns the `DiscoverResult` of the gateway.
    fn described(
        &self,
        servers: &[(Arc<str>, DiscoverResult)],
        capabilities: &Map<String, Value>,
    ) -> Value {
        let only = match servers {
            [(server, info)] if self.router.is_transparent(server) => Some(info),
            _ => None,
        };
        let info = only
            .and_then(|info| serde_json::from_str(info.server_info.as_ref()?).ok())
            .unwrap_or_else(
                || json!({ "name": &*self.identity.name, "version": &*self.identity.version }),
            );
        let mut members = only.map(|info| info.meta.clone()).unwrap_or_default();
        members.insert(meta::SERVER_INFO.to_owned(), info);
        let versions: Vec<_> = ProtocolVersion::ALL
            .iter()
            .map(|version| version.as_str())
            .collect();
        let mut result = json!({
            "resultType": "complete",
            "supportedVersions": versions,
            "capabilities": capabilities,
            "ttlMs": 0,
            "cacheScope": "private",
            "_meta": members,
        });
        if let Some(instructions) = self.instructions(servers) {
            result["instructions"] = instructions.into();
        }
        result
    }

    /// Returns the instructions of the gateway, or those of its servers under one heading each.
    fn instructions(&self, servers: &[(Arc<str>, DiscoverResult)]) -> Option<String> {
        if let Some(instructions) = &self.identity.instructions {
            return Some(instructions.to_string());
        }
        let own = servers
            .iter()
            .filter_map(|(server, info)| Some((server, info.instructions.as_ref()?)));
        let own: Vec<_> = own.collect();
        match &*own {
            [] => None,
            [(server, only)] if self.router.is_transparent(server) => Some((*only).clone()),
            several => {
                let part = |(server, text): &(&Arc<str>, &String)| format!("## {server}\n\n{text}");
                Some(several.iter().map(part).collect::<Vec<_>>().join("\n\n"))
            }
        }
    }
}

/// Parses the reply of a server.
pub(super) async fn info(reply: Reply) -> Result<DiscoverResult, UpstreamError> {
    let response = reply::into_response(reply, MAX_FACTS).await?;
    match response.result() {
        Ok(result) => DiscoverResult::from_discover(result),
        Err(error) => Err(UpstreamError::invalid(error)),
    }
}

/// Merges the capabilities of the servers.
fn capabilities(servers: &[(Arc<str>, DiscoverResult)]) -> Map<String, Value> {
    let mut capabilities = Map::new();
    for (_, info) in servers {
        if let Value::Object(more) = &info.capabilities {
            merge(&mut capabilities, more);
        }
    }
    capabilities
}

/// Returns the capabilities of a server with tools.
fn tools() -> Map<String, Value> {
    Map::from_iter([("tools".to_owned(), json!({ "listChanged": true }))])
}

/// Returns the capabilities of a server with all lists.
fn lists() -> Map<String, Value> {
    let lists = ["prompts", "resources", "tools"];
    let changes = lists.map(|kind| (kind.to_owned(), json!({ "listChanged": true })));
    Map::from_iter(changes)
}

/// Declares that lists change and that clients are notified.
fn tell_of_changes(capabilities: &mut Map<String, Value>) {
    merge(capabilities, &tools());
    for kind in ["prompts", "resources"] {
        if let Some(Value::Object(features)) = capabilities.get_mut(kind) {
            features.insert("listChanged".to_owned(), Value::Bool(true));
        }
    }
}

/// Adds the capabilities of another server: the gateway has a capability if any server has it.
fn merge(capabilities: &mut Map<String, Value>, more: &Map<String, Value>) {
    for (key, value) in more {
        match (capabilities.get_mut(key), value) {
            (Some(Value::Object(known)), Value::Object(more)) => merge(known, more),
            (Some(known), Value::Bool(true)) => *known = Value::Bool(true),
            (Some(_), _) => {}
            (None, value) => {
                capabilities.insert(key.clone(), value.clone());
            }
        }
    }
}

/// Maximum size of a server's answer in bytes.
const MAX_FACTS: usize = 1024 * 1024;

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use tower::{Layer, ServiceExt, service_fn};

    use super::*;
    use crate::auth::Principal;
    use crate::call::Routed;
    use crate::jsonrpc::{Id, Request};
    use crate::layer::dispatch::DispatchLayer;
    use crate::policy::AllowAll;
    use crate::protocol::{Capabilities, Method};
    use crate::route::{PrefixRouter, ResolvedName, RouterChanges, ToolRouter};
    use crate::{Caller, ClientInfo};

    /// A router whose servers may change.
    #[derive(Debug)]
    struct Reloadable(PrefixRouter);

    impl ToolRouter for Reloadable {
        fn servers(&self) -> Arc<[Arc<str>]> {
            self.0.servers()
        }

        fn resolve<'a>(&self, name: &'a str) -> Option<ResolvedName<'a>> {
            self.0.resolve(name)
        }

        fn expose<'a>(&self, server: &str, name: &'a str) -> Option<Cow<'a, str>> {
            self.0.expose(server, name)
        }

        fn changes(&self) -> Option<RouterChanges> {
            Some(RouterChanges::pending())
        }
    }

    /// The capabilities of a gateway over `servers`, each of which declares `own`.
    async fn declared(servers: &[&'static str], own: Value) -> Value {
        let result = json!({ "supportedVersions": ["2026-07-28"], "capabilities": own });
        let router = Reloadable(PrefixRouter::by_name(servers.iter().copied()).unwrap());
        let inner = service_fn(move |call: Call<Routed>| {
            let reply = Reply::result(call.request().id(), &result.to_string());
            std::future::ready(Ok::<_, Error>(reply))
        });
        let dispatch = DispatchLayer::new(Arc::new(router), Arc::new(AllowAll::new())).layer(inner);
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
        let request = Request::new(&Id::from(1), &Method::ServerDiscover, "{}");
        let reply = dispatch.oneshot(Call::trusted(request, caller)).await;
        let text = reply::into_response_text(reply.unwrap(), MAX_FACTS).await;
        let answer: Value = serde_json::from_slice(&text.unwrap()).unwrap();
        answer["result"]["capabilities"].clone()
    }

    #[tokio::test]
    async fn one_server_is_described_as_it_describes_itself() {
        for own in [
            json!({}),
            json!({ "tools": {} }),
            json!({ "tools": { "listChanged": false }, "prompts": {}, "vendor": 1 }),
            json!({ "resources": { "subscribe": true, "listChanged": true } }),
        ] {
            assert_eq!(declared(&["a"], own.clone()).await, own);
        }
        let merged = declared(&["a", "b"], json!({ "prompts": {} })).await;
        let changes = json!({ "listChanged": true });
        assert_eq!(merged, json!({ "tools": changes, "prompts": changes }));
    }

    #[test]
    fn what_any_server_can_do_the_gateway_can() {
        let servers = [
            json!({"tools":{"listChanged":false},"experimental":{"a":{}}}),
            json!({"tools":{"listChanged":true},"prompts":{}}),
            json!({"tools":{"listChanged":false},"experimental":{"b":{"x":1}}}),
        ];
        let mut capabilities = Map::new();
        for server in &servers {
            merge(&mut capabilities, server.as_object().unwrap());
        }
        assert_eq!(
            Value::Object(capabilities),
            json!({"tools":{"listChanged":true},"prompts":{},"experimental":{"a":{},"b":{"x":1}}})
        );
    }
}
