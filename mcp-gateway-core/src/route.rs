//! Routing: translation between the names that clients use and those of servers.
//!
//! A [`ToolRouter`] translates both ways. [`PrefixRouter`] is the default: the tool `search` of the
//! server `github` is `github__search`.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_core::route::{PrefixRouter, ToolRouter};
//!
//! let router = PrefixRouter::new([("github", "github"), ("files", "")])?;
//! assert_eq!(router.expose("github", "search").as_deref(), Some("github__search"));
//! assert_eq!(router.resolve("github__search").unwrap().name, "search");
//! // A server with an empty prefix receives all remaining names.
//! assert_eq!(&*router.resolve("read_file").unwrap().server, "files");
//! # Ok::<_, mcp_gateway_core::route::PrefixError>(())
//! ```

mod changes;
mod listed_tool;
mod prefix;
mod prefix_mode;
mod prefixes;
mod short_name;
mod tool_collision;
mod tool_names;
mod tool_table;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use self::changes::RouterChanges;
pub use self::listed_tool::ListedTool;
pub use self::prefix::{PrefixError, PrefixRouter};
pub use self::prefix_mode::PrefixMode;
pub use self::tool_collision::{CollisionEffect, ToolCollision};
pub use crate::error::{NameKind, RouteError};
use crate::protocol::{ListKind, Method};

/// Target of a call.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Target {
    /// Name of the server.
    pub server: Arc<str>,
    /// Feature of the server.
    pub feature: Feature,
}

/// A feature of a server, under the name that the server uses.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Feature {
    /// The capabilities of the server, for `server/discover` and `initialize`.
    Discovery,
    /// A list of the server.
    List(ListKind),
    /// A prompt.
    Prompt(Arc<str>),
    /// A resource or a resource template, by its URI.
    Resource(Arc<str>),
    /// The server as a whole, for methods without a named target.
    Server,
    /// The notifications of the server, for `subscriptions/listen`.
    Subscriptions,
    /// A task of the server.
    Task(Arc<str>),
    /// A tool.
    Tool(Arc<str>),
}

impl Target {
    /// Creates the target for a feature of a server.
    #[must_use]
    pub fn new(server: impl Into<Arc<str>>, feature: Feature) -> Self {
        Self {
            server: server.into(),
            feature,
        }
    }
}

impl Feature {
    /// Returns the name that the server uses; `None` for the server as a whole.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Prompt(name) | Self::Resource(name) | Self::Task(name) | Self::Tool(name) => {
                Some(name)
            }
            Self::Discovery | Self::List(_) | Self::Server | Self::Subscriptions => None,
        }
    }

    /// Returns the feature that an entry of a list stands for.
    #[must_use]
    pub fn of_entry(kind: ListKind, name: Arc<str>) -> Self {
        match kind {
            ListKind::Prompts => Self::Prompt(name),
            ListKind::Resources | ListKind::Templates => Self::Resource(name),
            ListKind::Tools => Self::Tool(name),
        }
    }

    /// Returns the feature of a request that names nothing.
    pub(crate) fn of_method(method: &Method) -> Self {
        #[expect(
            clippy::wildcard_enum_match_arm,
            reason = "all other methods concern the server as such"
        )]
        match method {
            Method::ServerDiscover => Self::Discovery,
            Method::SubscriptionsListen => Self::Subscriptions,
            method => ListKind::from_method(method).map_or(Self::Server, Self::List),
        }
    }
}

/// Server and name to which a name of the gateway resolves.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct ResolvedName<'a> {
    /// Name of the server.
    pub server: Arc<str>,
    /// Name that the server uses.
    pub name: Cow<'a, str>,
}

impl<'a> ResolvedName<'a> {
    /// Creates the result for `name` of `server`.
    #[must_use]
    pub fn new(server: Arc<str>, name: impl Into<Cow<'a, str>>) -> Self {
        let name = name.into();
        Self { server, name }
    }
}

/// Translates between the names of the gateway and those of its servers.
///
/// Called several times per request, so it must answer from memory without blocking. Names of
/// tools, prompts and tasks are translated; resources keep the URIs of their servers.
///
/// Invariant: [`resolve`](Self::resolve) must map the result of [`expose`](Self::expose) back to
/// the same server and name.
#[doc(alias("namespace", "prefix"))]
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot route names to servers",
    label = "not a `ToolRouter`",
    note = "implement `ToolRouter`, or use `PrefixRouter`"
)]
pub trait ToolRouter: fmt::Debug + Send + Sync + 'static {
    /// Returns the servers of the gateway, in the order of its lists.
    fn servers(&self) -> Arc<[Arc<str>]>;

    /// Resolves a name of the gateway; returns `None` if it has no server.
    fn resolve<'a>(&self, name: &'a str) -> Option<ResolvedName<'a>>;

    /// Returns the name under which clients see `name` of `server`, or `None` to hide it.
    fn expose<'a>(&self, server: &str, name: &'a str) -> Option<Cow<'a, str>>;

    /// Resolves the name of a tool, as [`resolve`](Self::resolve) does by default.
    fn resolve_tool<'a>(&self, name: &'a str) -> Option<ResolvedName<'a>> {
        self.resolve(name)
    }

    /// Returns the name under which clients see the tool `name` of `server`, or `None` to hide it;
    /// as [`expose`](Self::expose) does by default.
    ///
    /// The invariant of `resolve` and `expose` holds for tools once they were recorded.
    fn expose_tool<'a>(&self, server: &str, name: &'a str) -> Option<Cow<'a, str>> {
        self.expose(server, name)
    }

    /// Records tools that `server` has listed, before they are exposed: all of them if `is_whole`.
    /// No effect by default.
    fn record_tools(
        &self,
        server: &str,
        tools: &mut dyn Iterator<Item = ListedTool<'_>>,
        is_whole: bool,
    ) {
        let _ = (server, tools, is_whole);
    }

    /// Returns the servers with whose tools [`resolve_tool`](Self::resolve_tool) may resolve `name`.
    /// None by default.
    ///
    /// Before a name that does not resolve is rejected, the tools of these servers are listed and
    /// recorded.
    fn pending_servers(&self, name: &str) -> Vec<Arc<str>> {
        let _ = name;
        Vec::new()
    }

    /// Returns `true` if the name of a tool of `server` may depend on its whole list, so that clients
    /// receive no pages of the server. `false` by default.
    fn needs_whole_list(&self, server: &str) -> bool {
        let _ = server;
        false
    }

    /// Returns `true` if clients see the names of `server` unchanged, so that no translation is
    /// needed. `false` by default.
    fn is_transparent(&self, server: &str) -> bool {
        let _ = server;
        false
    }

    /// Returns `true` if each caller reaches only its own tasks of `server`, whatever name it sends:
    /// there is one caller, or each has a process of its own. `false` by default.
    ///
    /// Otherwise the gateway binds the names of tasks to their callers, and lists no tasks.
    fn isolates_tasks(&self, server: &str) -> bool {
        let _ = server;
        false
    }

    /// Returns a stream with an item for each change of the servers or their names, upon which
    /// clients are notified of changed lists.
    ///
    /// `None`, the default, if they never change.
    fn changes(&self) -> Option<RouterChanges> {
        None
    }
}

impl<R: ToolRouter + ?Sized> ToolRouter for Arc<R> {
    fn servers(&self) -> Arc<[Arc<str>]> {
        (**self).servers()
    }

    fn resolve<'a>(&self, name: &'a str) -> Option<ResolvedName<'a>> {
        (**self).resolve(name)
    }

    fn expose<'a>(&self, server: &str, name: &'a str) -> Option<Cow<'a, str>> {
        (**self).expose(server, name)
    }

    fn resolve_tool<'a>(&self, name: &'a str) -> Option<ResolvedName<'a>> {
        (**self).resolve_tool(name)
    }

    fn expose_tool<'a>(&self, server: &str, name: &'a str) -> Option<Cow<'a, str>> {
        (**self).expose_tool(server, name)
    }

    fn record_tools(
        &self,
        server: &str,
        tools: &mut dyn Iterator<Item = ListedTool<'_>>,
        is_whole: bool,
    ) {
        (**self).record_tools(server, tools, is_whole);
    }

    fn pending_servers(&self, name: &str) -> Vec<Arc<str>> {
        (**self).pending_servers(name)
    }

    fn needs_whole_list(&self, server: &str) -> bool {
        (**self).needs_whole_list(server)
    }

    fn is_transparent(&self, server: &str) -> bool {
        (**self).is_transparent(server)
    }

    fn isolates_tasks(&self, server: &str) -> bool {
        (**self).isolates_tasks(server)
    }

    fn changes(&self) -> Option<RouterChanges> {
        (**self).changes()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A router that implements what it must.
    #[derive(Debug)]
    struct Minimal;

    impl ToolRouter for Minimal {
        fn servers(&self) -> Arc<[Arc<str>]> {
            Arc::default()
        }

        fn resolve<'a>(&self, _: &'a str) -> Option<ResolvedName<'a>> {
            None
        }

        fn expose<'a>(&self, _: &str, _: &'a str) -> Option<Cow<'a, str>> {
            None
        }
    }

    #[test]
    fn names_are_translated_unless_a_router_says_otherwise() {
        assert!(!Minimal.is_transparent("a") && !Minimal.isolates_tasks("a"));
        assert!(Minimal.changes().is_none());
    }

    #[test]
    fn prefixes_that_could_be_mistaken_are_refused() {
        for prefix in ["a__b", "a_", "_a", "ä", "a b", &"x".repeat(33)] {
            let error = PrefixRouter::new([("s", prefix)]).unwrap_err();
            assert!(matches!(error, PrefixError::Invalid { .. }), "{prefix}");
        }
        for servers in [
            [("a", "x"), ("b", "x")],
            [("a", ""), ("b", "")],
            [("a", "x"), ("a", "y")],
        ] {
            let error = PrefixRouter::new(servers).unwrap_err();
            assert!(
                matches!(error, PrefixError::Duplicate { .. }),
                "{servers:?}"
            );
        }
    }

    #[test]
    fn a_name_that_would_call_another_server_is_hidden() {
        let router = PrefixRouter::new([("a", "a"), ("plain", "")]).unwrap();
        assert_eq!(router.expose("plain", "a__x"), None);
        assert_eq!(router.expose("plain", "b__x").as_deref(), Some("b__x"));
        assert_eq!(router.expose("unknown", "x"), None);
        assert!(router.is_transparent("plain") && !router.is_transparent("a"));
    }

    fn record(router: &PrefixRouter, server: &str, tools: &[&str]) {
        let names: Vec<Arc<str>> = tools.iter().map(|name| (*name).into()).collect();
        router.record_tools(server, &mut names.iter().map(ListedTool::permitted), true);
    }

    /// Names that clients see, by server and tool.
    fn exposed(router: &PrefixRouter, tools: &[(&str, &str)]) -> Vec<Option<String>> {
        let exposed = tools
            .iter()
            .map(|(server, tool)| router.expose_tool(server, tool));
        exposed.map(|name| name.map(Into::into)).collect()
    }

    fn some(names: &[&str]) -> Vec<Option<String>> {
        names
            .iter()
            .map(|name| (!name.is_empty()).then(|| (*name).to_owned()))
            .collect()
    }

    #[test]
    fn an_alias_precedes_a_tool_of_this_name() {
        let router = PrefixRouter::by_name(["a"])
            .unwrap()
            .with_tool_alias("a", "find", "search")
            .with_tool_alias("a", "missing", "get")
            .with_tool_alias("a", "x", "y")
            .with_tool_alias("a", "y", "x");
        record(&router, "a", &["find", "get", "search", "x", "y"]);
        let tools = ["find", "get", "search", "x", "y"].map(|tool| ("a", tool));
        let names = ["a__search", "a__get", "", "a__y", "a__x"];
        assert_eq!(exposed(&router, &tools), some(&names));
        assert_eq!(router.resolve_tool("a__search").unwrap().name, "find");
        assert_eq!(router.resolve_tool("a__x").unwrap().name, "y");
        assert!(router.resolve_tool("a__find").is_none());
        assert!(router.resolve_tool("a__missing").is_none());
        let collisions = router.tool_collisions().into_iter();
        let texts: Vec<_> = collisions.map(|collision| collision.to_string()).collect();
        assert_eq!(
            texts,
            [r#"tool "search" of "a" is not offered: "search" is the name of "find" of "a""#]
        );
        // A name without a rule needs no list.
        let router = PrefixRouter::by_name(["a"])
            .unwrap()
            .with_tool_alias("a", "b", "c");
        assert!(router.resolve_tool("a__d").is_some());
        assert!(router.pending_servers("a__d").is_empty());
        assert_eq!(router.pending_servers("a__c"), ["a".into()]);
    }

    #[test]
    fn the_last_alias_counts() {
        let router = PrefixRouter::by_name(["a"])
            .unwrap()
            .with_tool_alias("a", "x", "one")
            .with_tool_alias("a", "x", "two")
            .with_tool_alias("a", "y", "two");
        record(&router, "a", &["x", "y"]);
        assert_eq!(
            exposed(&router, &[("a", "x"), ("a", "y")]),
            some(&["a__x", "a__two"])
        );
        assert!(
            router
                .resolve_tool("a__one")
                .is_none_or(|found| found.name == "one")
        );
    }

    #[test]
    fn a_denied_tool_is_known_where_only_listed_tools_resolve() {
        let router = PrefixRouter::by_name(["a", "b"])
            .unwrap()
            .with_listed_tools_only("a")
            .with_tool_alias("a", "x", "alias");
        let tools = ["x", "y", "z"].map(Arc::<str>::from);
        let listed = |permitted: [bool; 3]| {
            let mut listed = tools.iter().zip(permitted);
            router.record_tools(
                "a",
                &mut listed.by_ref().map(|(name, it)| ListedTool::new(name, it)),
                true,
            );
        };
        listed([false, false, true]);
        // The policy rejects it, and gives its reason.
        assert_eq!(router.resolve_tool("a__y").unwrap().name, "y");
        for other in ["a__Y", "a__y ", "a__w", "a__x", "a__alias"] {
            assert!(router.resolve_tool(other).is_none(), "{other}");
        }
        assert_eq!(router.pending_servers("a__Y"), ["a".into()]);
        // Another caller may call it.
        listed([true, true, true]);
        assert_eq!(router.resolve_tool("a__y").unwrap().name, "y");
        assert_eq!(router.expose_tool("a", "y").unwrap(), "a__y");
        assert_eq!(router.resolve_tool("a__alias").unwrap().name, "x");
    }

    #[test]
    fn a_name_that_looks_short_is_callable() {
        let long = "x".repeat(70);
        let router = PrefixRouter::new([("a", "")])
            .unwrap()
            .with_max_tool_name(48);
        record(&router, "a", &[&long]);
        let short = router.expose_tool("a", &long).unwrap().into_owned();
        let alike = format!("{}-01234567", "x".repeat(39));
        record(&router, "a", &[&alike]);
        assert_eq!(router.resolve_tool(&alike).unwrap().name, alike);
        // A tool with the short name of another one keeps its name.
        record(&router, "a", &[&short]);
        assert_eq!(router.resolve_tool(&short).unwrap().name, short);
        assert_eq!(router.expose_tool("a", &long), None);
        assert!(router.tool_collisions()[0].is_hidden());
        assert!(router.resolve_tool(&long).is_none());
        assert!(router.pending_servers(&long).is_empty());
    }

    #[test]
    fn prefixes_are_used_as_configured() {
        let router = |mode| {
            let servers = [("a", "a"), ("b", "b"), ("c", "")];
            let router = PrefixRouter::new(servers).unwrap().with_tool_prefix(mode);
            record(&router, "b", &["read", "search", "a__x"]);
            record(&router, "a", &["search"]);
            record(&router, "c", &["read", "only"]);
            router
        };
        let tools = [
            ("a", "search"),
            ("b", "read"),
            ("b", "search"),
            ("b", "a__x"),
            ("c", "read"),
            ("c", "only"),
        ];
        for (mode, expected) in [
            (
                PrefixMode::Always,
                [
                    "a__search",
                    "b__read",
                    "b__search",
                    "b__a__x",
                    "read",
                    "only",
                ],
            ),
            (
                PrefixMode::OnCollision,
                [
                    "a__search",
                    "b__read",
                    "b__search",
                    "b__a__x",
                    "read",
                    "only",
                ],
            ),
            (
                PrefixMode::Never,
                ["search", "read", "", "a__x", "", "only"],
            ),
        ] {
            assert_eq!(exposed(&router(mode), &tools), some(&expected), "{mode:?}");
        }
        let collisions = router(PrefixMode::Never).tool_collisions();
        assert!(collisions.iter().all(ToolCollision::is_hidden));
        assert_eq!(collisions.len(), 2);
        let collisions = router(PrefixMode::OnCollision).tool_collisions();
        assert!(!collisions.iter().any(ToolCollision::is_hidden));
        assert_eq!(collisions.len(), 3);
        // Prompts and tasks always have prefixes.
        assert_eq!(
            router(PrefixMode::Never).expose("a", "p").as_deref(),
            Some("a__p")
        );
    }

    #[test]
    fn a_tool_that_is_not_permitted_takes_no_name() {
        let router = PrefixRouter::by_name(["a", "b"])
            .unwrap()
            .with_tool_prefix(PrefixMode::OnCollision);
        record(&router, "a", &["search"]);
        let hidden: Arc<str> = "search".into();
        let mut tools = [ListedTool::new(&hidden, false)].into_iter();
        router.record_tools("b", &mut tools, true);
        assert_eq!(router.expose_tool("a", "search").as_deref(), Some("search"));
    }

    fn mode() -> impl Strategy<Value = PrefixMode> {
        prop::sample::select(vec![
            PrefixMode::Always,
            PrefixMode::Never,
            PrefixMode::OnCollision,
        ])
    }

    /// Names of tools: alike, with separators, and long ones that look like short names.
    fn tool() -> impl Strategy<Value = String> {
        prop_oneof![
            4 => "[ab]{1,2}",
            2 => "[ab](__)[ab]",
            2 => "[ab]{36,60}",
            1 => "[ab]{36,41}-[0-9a-f]{8}",
            1 => "\\PC{1,24}",
        ]
    }

    /// Servers with their tools, and rules for the names.
    #[derive(Clone, Debug)]
    struct Named {
        servers: Vec<(String, Vec<String>)>,
        aliases: Vec<(usize, usize, String)>,
        max: Option<usize>,
        mode: PrefixMode,
    }

    fn named() -> impl Strategy<Value = Named> {
        let prefixes = prop::collection::btree_set("[ab]([_.-]?[ab]){0,2}|", 1..4);
        let servers = prefixes.prop_flat_map(|prefixes| {
            let tools = || {
                prop::collection::btree_set(tool(), 0..6)
                    .prop_map(|tools| tools.into_iter().collect::<Vec<_>>())
            };
            prefixes
                .into_iter()
                .map(|prefix| (Just(prefix), tools()))
                .collect::<Vec<_>>()
        });
        let aliases = prop::collection::vec(
            (0..4_usize, 0..6_usize, "[ab]{1,2}|[ab]__[ab]|[ab]{40,60}"),
            0..4,
        );
        (servers, aliases, prop::option::of(48..60_usize), mode()).prop_map(
            |(servers, aliases, max, mode)| Named {
                servers,
                aliases,
                max,
                mode,
            },
        )
    }

    impl Named {
        fn router<'a>(
            &'a self,
            servers: impl Iterator<Item = &'a (String, Vec<String>)>,
        ) -> PrefixRouter {
            let servers = servers.map(|(prefix, _)| (format!("s{prefix}"), prefix.as_str()));
            let mut router = PrefixRouter::new(servers)
                .unwrap()
                .with_tool_prefix(self.mode);
            if let Some(max) = self.max {
                router = router.with_max_tool_name(max);
            }
            for (server, tool, alias) in &self.aliases {
                if let Some((prefix, tools)) = self.servers.get(*server)
                    && let Some(tool) = tools.get(*tool)
                {
                    router = router.with_tool_alias(&format!("s{prefix}"), &**tool, &**alias);
                }
            }
            router
        }

        fn tools(&self) -> Vec<(String, &str)> {
            let tools = self.servers.iter();
            tools
                .flat_map(|(prefix, tools)| {
                    tools
                        .iter()
                        .map(move |tool| (format!("s{prefix}"), &**tool))
                })
                .collect()
        }
    }

    proptest! {
        /// Each listed name is callable and reaches its tool. The names do not depend on the order
        /// of the lists, and without a collision neither on the order of the servers.
        #[test]
        fn listed_tools_are_callable(named in named()) {
            let tools = named.tools();
            let router = named.router(named.servers.iter());
            for (server, tool) in &tools {
                record(&router, server, &[tool]);
            }
            let restarted = named.router(named.servers.iter());
            let reordered = named.router(named.servers.iter().rev());
            for (server, tools) in named.servers.iter().rev() {
                let tools: Vec<_> = tools.iter().map(|tool| &**tool).collect();
                record(&restarted, &format!("s{server}"), &tools);
                record(&reordered, &format!("s{server}"), &tools);
            }
            let is_stable = !router.tool_collisions().iter().any(ToolCollision::is_hidden);
            let mut seen = std::collections::HashSet::new();
            for (server, tool) in &tools {
                let name = router.expose_tool(server, tool);
                prop_assert_eq!(&restarted.expose_tool(server, tool), &name);
                if is_stable {
                    prop_assert_eq!(&reordered.expose_tool(server, tool), &name);
                }
                let Some(name) = name else { continue };
                prop_assert!(named.max.is_none_or(|max| name.len() <= max));
                let resolved = router.resolve_tool(&name).unwrap();
                prop_assert_eq!((&*resolved.server, &*resolved.name), (&**server, *tool));
                prop_assert!(seen.insert(name.clone().into_owned()), "{name} is listed twice");
                // After a restart, the call lists the tools of one of these servers.
                let cold = named.router(named.servers.iter());
                let known = cold.resolve_tool(&name).map(|found| found.server);
                let servers = known.map_or_else(|| cold.pending_servers(&name), |one| vec![one]);
                prop_assert!(servers.iter().any(|one| **one == **server));
            }
            // A name that resolves to a listed tool is the listed name of that tool.
            for (server, tool) in &tools {
                for name in [(*tool).to_owned(), format!("{}__{tool}", &server[1..])] {
                    if let Some(found) = router.resolve_tool(&name)
                        && tools.iter().any(|(server, tool)| *server == *found.server && *tool == found.name)
                    {
                        let exposed = router.expose_tool(&found.server, &found.name);
                        prop_assert_eq!(exposed.as_deref(), Some(&*name));
                    }
                }
            }
        }

        /// An exposed name resolves to the server and the name that it stands for.
        #[test]
        fn what_is_exposed_resolves_to_where_it_came_from(
            prefixes in prop::collection::btree_set("[a-c]([_.-]?[a-c]){0,3}|", 1..6),
            names in prop::collection::vec("[a-c_]{0,8}|.{0,8}", 1..6),
        ) {
            let servers: Vec<_> = prefixes.iter().map(|prefix| (format!("s{prefix}"), prefix.as_str())).collect();
            let router = PrefixRouter::new(servers.iter().map(|(s, p)| (s.as_str(), *p))).unwrap();
            for (server, _) in &servers {
                for name in &names {
                    if let Some(exposed) = router.expose(server, name) {
                        let resolved = router.resolve(&exposed).unwrap();
                        prop_assert_eq!((&*resolved.server, &*resolved.name), (&**server, &**name));
                    }
                }
            }
        }
    }
}
