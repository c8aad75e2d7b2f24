//! Extensions of several servers.
//!
//! | extension | with several servers |
//! |---|---|
//! | apps, skills, tasks | declared if any server declares it: names and URIs tell the server of a call |
//! | another one, of one server | declared; methods that nothing else defines are forwarded to this server |
//! | another one, of several servers | not declared, because the server of a call is unknown |
//!
//! By convention the methods of the extension `com.example/reports` begin with `reports/`. Such a
//! method is that of the extension. Any other one is forwarded to the only server with extensions
//! of this kind, as far as there is only one. The same applies to `experimental` capabilities.
//!
//! See [MCP 2026-07-28,
//! extensions](https://modelcontextprotocol.io/specification/2026-07-28/basic/extensions).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value};

use super::discover::info;
use super::fan_out::unknown_method;
use super::{RoutedService, Shared};
use crate::call::Routed;
use crate::jsonrpc::Request;
use crate::protocol::Method;
use crate::route::Feature;
use crate::upstream::DiscoverResult;
use crate::{Call, Error, Reply};

/// Extensions that the gateway serves for several servers.
const SERVED: [&str; 3] = [
    "io.modelcontextprotocol/skills",
    "io.modelcontextprotocol/tasks",
    "io.modelcontextprotocol/ui",
];

/// Capabilities that contain extensions.
const CAPABILITIES: [&str; 2] = ["experimental", "extensions"];

/// Servers that declare extensions that the gateway does not serve itself, by identifier.
#[derive(Debug, Default)]
pub(super) struct ForeignExtensions<'a>(BTreeMap<&'a str, BTreeSet<&'a Arc<str>>>);

impl<'a> ForeignExtensions<'a> {
    /// Returns the extensions of `servers`.
    pub(super) fn of(servers: &'a [(Arc<str>, DiscoverResult)]) -> Self {
        let mut extensions = Self::default();
        for (server, info) in servers {
            for capability in CAPABILITIES {
                let declared = info.capabilities[capability].as_object();
                for name in declared.into_iter().flat_map(Map::keys) {
                    if !SERVED.contains(&&**name) {
                        extensions.0.entry(name).or_default().insert(server);
                    }
                }
            }
        }
        extensions
    }

    /// Removes the extensions of several servers from their merged `capabilities`.
    pub(super) fn remove_shared(&self, capabilities: &mut Map<String, Value>) {
        for capability in CAPABILITIES {
            let Some(Value::Object(declared)) = capabilities.get_mut(capability) else {
                continue;
            };
            let is_shared = |name: &str| self.0.get(name).is_some_and(|of| of.len() > 1);
            declared.retain(|name, _| !is_shared(name));
            if declared.is_empty() {
                capabilities.remove(capability);
            }
        }
    }

    /// Returns the server that defines `method`; `None` if it is unknown.
    fn server_of(&self, method: &str) -> Option<&'a Arc<str>> {
        let (namespace, _) = method.split_once('/')?;
        let is_of = |name: &str| name.rsplit('/').next() == Some(namespace);
        let mut named = self.0.iter().filter(|(name, _)| is_of(name)).peekable();
        let servers: BTreeSet<_> = match named.peek() {
            Some(_) => named.flat_map(|(_, servers)| servers).collect(),
            None => self.0.values().flatten().collect(),
        };
        match servers.len() {
            1 => servers.into_iter().next().copied(),
            _ => None,
        }
    }
}

impl Shared {
    /// Forwards a call of a method that an extension of a server defines.
    pub(super) async fn extension_call<S: RoutedService>(
        &self,
        inner: S,
        call: Call,
    ) -> Result<Reply, Error> {
        let servers = self.descriptions(&inner, &call).await;
        let extensions = ForeignExtensions::of(&servers);
        let Some(server) = extensions.server_of(call.request().method().as_str()) else {
            return Err(unknown_method(&call));
        };
        let stage = Routed::to(server, Feature::Server);
        super::send(inner, call.advance(|()| stage)).await
    }

    /// Returns the servers that describe themselves in time.
    pub(super) async fn descriptions<S: RoutedService>(
        &self,
        inner: &S,
        call: &Call,
    ) -> Vec<(Arc<str>, DiscoverResult)> {
        let params = call.request().meta_params();
        let discover = Request::new(call.request().id(), &Method::ServerDiscover, &params);
        let discover = call.for_request(discover, ());
        let mut described = Vec::new();
        for (server, answer) in self.call_all(inner, &discover, &params).await {
            if let Ok(reply) = answer
                && let Ok(info) = info(reply).await
            {
                described.push((server, info));
            }
        }
        described
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn servers(capabilities: &[(&str, Value)]) -> Vec<(Arc<str>, DiscoverResult)> {
        let server = |(name, capabilities): &(&str, Value)| {
            let versions = ["2026-07-28"];
            let info = json!({ "supportedVersions": versions, "capabilities": capabilities });
            let info = DiscoverResult::from_discover(&info.to_string()).unwrap();
            (Arc::from(*name), info)
        };
        capabilities.iter().map(server).collect()
    }

    #[test]
    fn extensions_of_several_servers_are_not_declared() {
        let ui = "io.modelcontextprotocol/ui";
        let a = json!({ "extensions": { ui: {}, "x/own": {}, "x/both": {} }, "experimental": { "e": {} } });
        let b =
            json!({ "extensions": { ui: {}, "x/both": {} }, "experimental": { "e": {}, "f": {} } });
        let servers = servers(&[("a", a.clone()), ("b", b)]);
        let mut merged = a.as_object().unwrap().clone();
        merged.insert("experimental".to_owned(), json!({ "e": {}, "f": {} }));
        ForeignExtensions::of(&servers).remove_shared(&mut merged);
        let expected =
            json!({ "extensions": { ui: {}, "x/own": {} }, "experimental": { "f": {} } });
        assert_eq!(Value::Object(merged), expected);
    }

    #[test]
    fn a_method_is_that_of_the_only_server_that_can_define_it() {
        let one = servers(&[
            ("a", json!({ "extensions": { "com.example/reports": {} } })),
            (
                "b",
                json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } }),
            ),
        ]);
        let two = servers(&[
            (
                "a",
                json!({ "extensions": { "com.example/reports": {}, "x/shared": {} } }),
            ),
            (
                "b",
                json!({ "experimental": { "charts": {}, "x/shared": {} } }),
            ),
        ]);
        for (servers, method, expected) in [
            (&one, "reports/list", Some("a")),
            (&one, "anything/else", Some("a")),
            (&one, "plain", None),
            (&two, "reports/list", Some("a")),
            (&two, "charts/draw", Some("b")),
            (&two, "shared/x", None),
            (&two, "anything/else", None),
            (&servers_without(), "reports/list", None),
        ] {
            let extensions = ForeignExtensions::of(servers);
            let server = extensions.server_of(method);
            assert_eq!(server.map(|server| &**server), expected, "{method}");
        }
    }

    fn servers_without() -> Vec<(Arc<str>, DiscoverResult)> {
        servers(&[("a", json!({ "tools": {} }))])
    }
}
