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
mod prefix;
mod tool_names;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

pub use self::changes::RouterChanges;
pub use self::prefix::{PrefixError, PrefixRouter};
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
    /// The invariant of `resolve` and `expose` holds for tools once they were exposed.
    fn expose_tool<'a>(&self, server: &str, name: &'a str) -> Option<Cow<'a, str>> {
        self.expose(server, name)
    }

    /// Returns `true` if [`resolve_tool`](Self::resolve_tool) may resolve `name` once all tools
    /// were exposed. `false` by default.
    ///
    /// Before a name that does not resolve is rejected, the tools of all servers are listed and
    /// exposed if this is `true`.
    fn is_pending(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// Returns `true` if clients see the names of `server` unchanged, so that no translation is
    /// needed. `false` by default.
    fn is_transparent(&self, server: &str) -> bool {
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

    fn is_pending(&self, name: &str) -> bool {
        (**self).is_pending(name)
    }

    fn is_transparent(&self, server: &str) -> bool {
        (**self).is_transparent(server)
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
        assert!(!Minimal.is_transparent("a"));
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

    proptest! {
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
