//! Listed tools are callable, and no others, whatever was listed before.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use serde_json::{Value, json};
use tower::{Layer, ServiceExt, service_fn};

use super::{DispatchLayer, Shared};
use crate::auth::Principal;
use crate::call::Permitted;
use crate::error::CredentialError;
use crate::jsonrpc::{Id, Request};
use crate::layer::authorize::AuthorizeLayer;
use crate::policy::{Decision, Policy, PolicyRequest};
use crate::protocol::{Capabilities, Method, ProtocolVersion, meta};
use crate::route::{Feature, PrefixMode, PrefixRouter};
use crate::{Call, Caller, ClientInfo, Error, Reply, reply};

/// A tool: its server, and its name there.
type Tool = (String, String);

/// Server of a gateway.
#[derive(Clone, Debug)]
struct Server {
    prefix: String,
    tools: BTreeSet<String>,
    has_apps: bool,
    /// `false` if the caller has no account of it, so that it has a placeholder.
    is_connected: bool,
    /// Tools that its filter hides. Such a server ignores the case of names.
    hidden: Option<BTreeSet<String>>,
    aliases: BTreeMap<String, String>,
}

/// Gateway with rules for the names of its tools.
#[derive(Clone, Debug)]
struct World {
    servers: Vec<Server>,
    mode: PrefixMode,
    max: Option<usize>,
    version: ProtocolVersion,
}

/// Lists of tools before a call.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Before {
    Nothing,
    List,
    /// A list, and then another router.
    Reload,
}

/// Policy that hides the tools that the filters of servers exclude.
#[derive(Debug)]
struct Filters(BTreeMap<String, BTreeSet<String>>);

impl Policy for Filters {
    fn decide(&self, request: &PolicyRequest<'_>) -> Decision {
        let target = request.target();
        let hidden = self.0.get(&*target.server);
        match &target.feature {
            Feature::Tool(name) if hidden.is_some_and(|names| names.contains(&**name)) => {
                Decision::deny("hidden")
            }
            _ => Decision::Allow,
        }
    }
}

impl Server {
    fn name(&self) -> String {
        format!("s{}", self.prefix)
    }

    /// Returns the tool that the server takes `name` for.
    fn tool(&self, name: &str) -> Option<Tool> {
        let is_meant = |tool: &&String| match self.hidden {
            Some(_) => tool.eq_ignore_ascii_case(name),
            None => **tool == *name,
        };
        let tool = self
            .tools
            .get(name)
            .or_else(|| self.tools.iter().find(is_meant))?;
        Some((self.name(), tool.clone()))
    }

    /// Returns the result of `tools/list`.
    fn list(&self) -> String {
        let meta = match self.has_apps {
            true => json!({ "ui": { "resourceUri": "ui://app" } }),
            false => json!({}),
        };
        let tools = self.tools.iter().map(|tool| {
            let description = json!([self.name(), tool]).to_string();
            json!({ "name": tool, "description": description, "inputSchema": {}, "_meta": meta })
        });
        json!({ "tools": tools.collect::<Vec<_>>() }).to_string()
    }

    fn hides(&self, tool: &str) -> bool {
        self.hidden
            .as_ref()
            .is_some_and(|hidden| hidden.contains(tool))
    }
}

impl World {
    fn router(&self) -> PrefixRouter {
        let servers = self.servers.iter();
        let prefixes = servers.map(|server| (server.name(), server.prefix.as_str()));
        let mut router = PrefixRouter::new(prefixes)
            .unwrap()
            .with_tool_prefix(self.mode);
        if let Some(max) = self.max {
            router = router.with_max_tool_name(max);
        }
        for server in &self.servers {
            if server.hidden.is_some() {
                router = router.with_listed_tools_only(server.name());
            }
            for (tool, alias) in &server.aliases {
                router = router.with_tool_alias(&server.name(), tool.as_str(), alias.as_str());
            }
        }
        router
    }

    fn policy(&self) -> Arc<dyn Policy> {
        let servers = self.servers.iter();
        let hidden = servers.filter_map(|server| Some((server.name(), server.hidden.clone()?)));
        Arc::new(Filters(hidden.collect()))
    }

    /// Sends `request` through `dispatch`; returns the result, and the tools that were executed. The
    /// call of a server without an account executes its placeholder.
    async fn send(
        &self,
        dispatch: &DispatchLayer,
        method: &Method,
        params: &str,
    ) -> (Option<Value>, Vec<Tool>) {
        let executed = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&executed);
        let servers = self.servers.clone();
        let inner = service_fn(move |call: Call<Permitted>| {
            let target = call.target();
            let server = servers
                .iter()
                .find(|server| *server.name() == *target.server);
            let id = call.request().id();
            let reply = match (&target.feature, server) {
                (_, Some(server)) if !server.is_connected => Err(Error::Credential {
                    server: Arc::clone(&target.server),
                    source: CredentialError::NotConnected { url: None },
                }),
                (Feature::Tool(name), Some(server)) => {
                    noted.lock().unwrap().extend(server.tool(name));
                    Ok(Reply::result(id, "{}"))
                }
                (_, Some(server)) => Ok(Reply::result(id, &server.list())),
                (_, None) => Ok(Reply::result(id, "{}")),
            };
            std::future::ready(reply)
        });
        let service = dispatch.layer(AuthorizeLayer::new(self.policy()).layer(inner));
        let client = ClientInfo::new(self.version, Capabilities::default());
        let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
        let request = Request::new(&Id::from(1), method, params);
        let reply = service.oneshot(Call::trusted(request, caller)).await;
        let result = match reply {
            Ok(reply) => reply::response(reply).await.ok(),
            Err(Error::Credential { server, .. }) => {
                let placeholder = (server.to_string(), PLACEHOLDER.to_owned());
                executed.lock().unwrap().push(placeholder);
                None
            }
            Err(_) => None,
        };
        let result = result.and_then(|response| serde_json::from_str(response.result().ok()?).ok());
        let executed = executed.lock().unwrap().clone();
        (result, executed)
    }

    /// Returns the listed tools by the names that clients see.
    async fn list(&self, dispatch: &DispatchLayer) -> BTreeMap<String, Tool> {
        let (result, _) = self.send(dispatch, &Method::ToolsList, "{}").await;
        let tools = result.map(|mut result| result["tools"].take());
        let tools = tools
            .as_ref()
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        let text = |tool: &Value, key: &str| tool[key].as_str().unwrap().to_owned();
        let tool = |tool: &Value| {
            let missing = tool["_meta"][meta::PROBLEM]["server"].as_str();
            let executed = match missing {
                Some(server) => (server.to_owned(), PLACEHOLDER.to_owned()),
                None => serde_json::from_str(&text(tool, "description")).unwrap(),
            };
            (text(tool, "name"), executed)
        };
        tools.map(tool).collect()
    }

    /// Returns a layer for the first call after what happened `before`.
    async fn dispatch(&self, before: Before) -> DispatchLayer {
        let layer = DispatchLayer::new(Arc::new(self.router()), self.policy());
        if before == Before::Nothing {
            return layer;
        }
        self.list(&layer).await;
        match before {
            Before::Reload => layer.with(|shared| Shared {
                router: Arc::new(self.router()),
                ..shared
            }),
            Before::Nothing | Before::List => layer,
        }
    }

    /// Returns the tools that a call of `name` executes.
    async fn executed(&self, before: Before, name: &str) -> Vec<Tool> {
        let params = json!({ "name": name }).to_string();
        let dispatch = self.dispatch(before).await;
        self.send(&dispatch, &Method::ToolsCall, &params).await.1
    }

    /// Returns names that a client may try.
    fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for server in &self.servers {
            for name in server.tools.iter().chain(server.aliases.values()) {
                for name in [name.clone(), name.to_uppercase()] {
                    names.insert(format!("{}__{name}", server.prefix));
                    names.insert(name);
                }
            }
        }
        names
    }

    /// Returns `true` if an app may call `tool` as `name`, although no list has this name.
    fn is_of_an_app(&self, name: &str, (server, tool): &Tool) -> bool {
        let mut servers = self.servers.iter();
        servers
            .any(|one| one.has_apps && one.name() == *server && *tool == *name && !one.hides(tool))
    }

    async fn check(&self) -> Result<(), TestCaseError> {
        let listed = self.list(&self.dispatch(Before::Nothing).await).await;
        for name in self.names().into_iter().chain(listed.keys().cloned()) {
            let warm = self.executed(Before::List, &name).await;
            for before in [Before::Nothing, Before::List, Before::Reload] {
                let executed = self.executed(before, &name).await;
                match (listed.get(&name), &*executed) {
                    (Some(tool), executed) => prop_assert_eq!(
                        executed,
                        std::slice::from_ref(tool),
                        "{:?}, {}",
                        before,
                        name
                    ),
                    (None, []) => {}
                    // Nobody can tell which tools a server without an account has.
                    (None, [(_, tool)]) if tool == PLACEHOLDER => {}
                    (None, [tool]) => {
                        prop_assert!(
                            self.is_of_an_app(&name, tool),
                            "{before:?}, {name}: {tool:?}"
                        );
                        prop_assert_eq!(&executed, &warm, "{:?}, {}", before, name);
                    }
                    (None, several) => prop_assert!(false, "{before:?}, {name}: {several:?}"),
                }
            }
        }
        Ok(())
    }
}

/// Name of the placeholder of a server, which no tool has.
const PLACEHOLDER: &str = "connect";

fn tools() -> impl Strategy<Value = BTreeSet<String>> {
    let tool = prop_oneof![6 => "[ab]{1,2}", 2 => "[ab]__[ab]", 1 => "[ab]{46,52}"];
    prop::collection::btree_set(tool, 0..5)
}

fn server(prefix: String) -> impl Strategy<Value = Server> {
    let aliases = prop::collection::btree_map(0..5_usize, "[abc]{1,2}|[ab]__[ab]", 0..3);
    let hidden = prop::option::of(prop::collection::btree_set(0..5_usize, 0..3));
    let flags = (any::<bool>(), prop::bool::weighted(0.8));
    (tools(), flags, hidden, aliases).prop_map(move |(tools, flags, hidden, aliases)| {
        let (has_apps, is_connected) = flags;
        let tool = |at: &usize| tools.iter().nth(*at).cloned();
        // A configuration has no alias of a hidden tool.
        let is_hidden = |at: &usize| hidden.as_ref().is_some_and(|hidden| hidden.contains(at));
        let renamed = aliases.iter().filter(|(at, _)| !is_hidden(at));
        Server {
            prefix: prefix.clone(),
            has_apps,
            is_connected,
            aliases: renamed
                .filter_map(|(at, alias)| Some((tool(at)?, alias.clone())))
                .collect(),
            hidden: hidden
                .as_ref()
                .map(|hidden| hidden.iter().filter_map(tool).collect()),
            tools,
        }
    })
}

fn world() -> impl Strategy<Value = World> {
    let prefixes = prop::collection::btree_set("[ab]{1,2}|", 1..4);
    let servers =
        prefixes.prop_flat_map(|prefixes| prefixes.into_iter().map(server).collect::<Vec<_>>());
    let modes = vec![
        PrefixMode::Always,
        PrefixMode::Never,
        PrefixMode::OnCollision,
    ];
    let versions = vec![ProtocolVersion::LATEST, ProtocolVersion::V2025_11_25];
    let rules = (
        prop::sample::select(modes),
        prop::option::of(Just(48)),
        prop::sample::select(versions),
    );
    (servers, rules).prop_map(|(servers, (mode, max, version))| World {
        servers,
        mode,
        max,
        version,
    })
}

fn checked(world: &World) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(world.check())
}

proptest! {
    #[test]
    fn listed_tools_are_callable_and_no_others(world in world()) {
        checked(&world)?;
    }
}

#[test]
fn a_renamed_tool_of_the_server_without_a_prefix_is_not_callable_by_its_own_name() {
    let server = |prefix: &str, hidden: Option<&str>| Server {
        prefix: prefix.to_owned(),
        tools: ["old", "secret"].map(String::from).into(),
        has_apps: false,
        is_connected: true,
        hidden: hidden.map(|tool| [tool.to_owned()].into()),
        aliases: [("old".to_owned(), "new".to_owned())].into(),
    };
    for hidden in [None, Some("secret")] {
        let world = World {
            servers: vec![server("", hidden), server("b", None)],
            mode: PrefixMode::Always,
            max: None,
            version: ProtocolVersion::LATEST,
        };
        checked(&world).unwrap();
    }
}
