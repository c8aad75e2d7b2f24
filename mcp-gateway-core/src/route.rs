//! Which server a name means, and by which name clients know what a server has.
//!
//! A [`ToolRouter`] translates both ways. [`PrefixRouter`] is the one that the gateway comes with:
//! the tool `search` of the server `github` is `github__search`.
//!
//! # Example
//!
//! ```
//! use mcp_gateway_core::route::{PrefixRouter, ToolRouter};
//!
//! let router = PrefixRouter::new([("github", "github"), ("files", "")])?;
//! assert_eq!(router.expose("github", "search").as_deref(), Some("github__search"));
//! assert_eq!(router.resolve("github__search").unwrap().name, "search");
//! // A server with an empty prefix has all the other names.
//! assert_eq!(&*router.resolve("read_file").unwrap().server, "files");
//! # Ok::<_, mcp_gateway_core::route::PrefixError>(())
//! ```

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use futures_util::stream::BoxStream;

pub use crate::error::{NameKind, RouteError};
use crate::protocol::{ListKind, Method};

/// Where a call goes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub struct Target {
    /// The name of the server.
    pub server: Arc<str>,
    /// What of the server is meant.
    pub feature: Feature,
}

/// What of a server is meant, by the name that the server knows.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum Feature {
    /// The capabilities of the server, for `server/discover` and `initialize`.
    Discovery,
    /// A list of the server.
    List(ListKind),
    /// A prompt.
    Prompt(Arc<str>),
    /// A resource, or a template of resources.
    Resource(Arc<str>),
    /// The server as such, for methods that name nothing.
    Server,
    /// The notifications of the server, for `subscriptions/listen`.
    Subscriptions,
    /// A task that the server works on.
    Task(Arc<str>),
    /// A tool.
    Tool(Arc<str>),
}

impl Target {
    /// A feature of a server.
    #[must_use]
    pub fn new(server: impl Into<Arc<str>>, feature: Feature) -> Self {
        Self {
            server: server.into(),
            feature,
        }
    }
}

impl Feature {
    /// The name that the server knows; `None` for the server as such.
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
            method => ListKind::of(method).map_or(Self::Server, Self::List),
        }
    }
}

/// What a name that a client uses means.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Resolved<'a> {
    /// The name of the server.
    pub server: Arc<str>,
    /// The name that the server knows.
    pub name: &'a str,
}

impl<'a> Resolved<'a> {
    /// The `name` of `server`.
    #[must_use]
    pub fn new(server: Arc<str>, name: &'a str) -> Self {
        Self { server, name }
    }
}

/// Translates between the names that clients use and those of the servers.
///
/// Called several times per request, so it answers from memory and does not wait. The names of
/// tools, prompts and tasks go through it; resources keep the URIs that their servers gave them.
///
/// What [`expose`](Self::expose) gives for a server and a name, [`resolve`](Self::resolve) must
/// take back to them.
pub trait ToolRouter: fmt::Debug + Send + Sync + 'static {
    /// The servers of the gateway, in the order of its lists.
    fn servers(&self) -> Arc<[Arc<str>]>;

    /// What `name` means; `None` when it cannot be a name of this gateway.
    fn resolve<'a>(&self, name: &'a str) -> Option<Resolved<'a>>;

    /// The name by which clients know the `name` of `server`; `None` hides it from them.
    fn expose<'a>(&self, server: &str, name: &'a str) -> Option<Cow<'a, str>>;

    /// Whether clients see the names of `server` as they are, so that nothing needs translation.
    fn is_transparent(&self, server: &str) -> bool {
        let _ = server;
        false
    }

    /// Says from now on whenever the servers or their names have changed, so that clients are told
    /// that lists have; `None` where they do not change.
    fn changes(&self) -> Option<BoxStream<'static, ()>> {
        None
    }
}

/// Gives each server a prefix.
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PrefixRouter {
    servers: Arc<[Arc<str>]>,
    by_prefix: HashMap<Arc<str>, Arc<str>>,
    by_server: HashMap<Arc<str>, Arc<str>>,
    unprefixed: Option<Arc<str>>,
}

/// Why servers cannot have the prefixes that were asked for.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PrefixError {
    /// Two servers have one prefix, or one server is there twice.
    #[error("{second:?} cannot have the prefix {prefix:?}, which {first:?} has")]
    Duplicate {
        /// The prefix.
        prefix: Arc<str>,
        /// The server that has it.
        first: Arc<str>,
        /// The server that cannot have it too.
        second: Arc<str>,
    },
    /// A prefix could not be told from the name that follows it, or is no part of a tool name.
    #[error(
        "{prefix:?} cannot be a prefix: use letters, digits, '-', '.' and single '_', \
         neither beginning nor ending with '_', up to {} characters",
        PrefixRouter::MAX_PREFIX
    )]
    Invalid {
        /// The prefix.
        prefix: Arc<str>,
    },
}

impl PrefixRouter {
    /// What stands between a prefix and a name.
    pub const SEPARATOR: &str = "__";

    /// The longest prefix.
    ///
    /// Tool names have up to 128 characters, and some clients take only 64.
    pub const MAX_PREFIX: usize = 32;

    /// A router for `servers`, given as pairs of name and prefix, in the order of their lists.
    ///
    /// One server may have an empty prefix: clients see its names as they are.
    ///
    /// # Errors
    ///
    /// [`PrefixError`] when names could be mistaken for one another.
    pub fn new<N, P>(servers: impl IntoIterator<Item = (N, P)>) -> Result<Self, PrefixError>
    where
        N: Into<Arc<str>>,
        P: Into<Arc<str>>,
    {
        let mut router = Self {
            servers: Arc::new([]),
            by_prefix: HashMap::new(),
            by_server: HashMap::new(),
            unprefixed: None,
        };
        let mut names = Vec::new();
        for (server, prefix) in servers {
            let server = server.into();
            router.add(&server, prefix.into())?;
            names.push(server);
        }
        router.servers = names.into();
        Ok(router)
    }

    /// A router that gives each of `servers` its own name as prefix, in the order of their lists.
    ///
    /// # Errors
    ///
    /// [`PrefixError`] when a name cannot be a prefix, or is there twice.
    pub fn by_name<N>(servers: impl IntoIterator<Item = N>) -> Result<Self, PrefixError>
    where
        N: Into<Arc<str>>,
    {
        Self::new(servers.into_iter().map(|name| {
            let name = name.into();
            (Arc::clone(&name), name)
        }))
    }

    fn add(&mut self, server: &Arc<str>, prefix: Arc<str>) -> Result<(), PrefixError> {
        if !is_prefix(&prefix) {
            return Err(PrefixError::Invalid { prefix });
        }
        let taken = match prefix.is_empty() {
            true => self.unprefixed.replace(Arc::clone(server)),
            false => self
                .by_prefix
                .insert(Arc::clone(&prefix), Arc::clone(server)),
        };
        let twice = self
            .by_server
            .insert(Arc::clone(server), Arc::clone(&prefix));
        match taken.or_else(|| twice.map(|_| Arc::clone(server))) {
            Some(first) => Err(PrefixError::Duplicate {
                prefix,
                first,
                second: Arc::clone(server),
            }),
            None => Ok(()),
        }
    }
}

impl ToolRouter for PrefixRouter {
    fn servers(&self) -> Arc<[Arc<str>]> {
        Arc::clone(&self.servers)
    }

    fn resolve<'a>(&self, name: &'a str) -> Option<Resolved<'a>> {
        let prefixed = name
            .split_once(Self::SEPARATOR)
            .and_then(|(prefix, name)| Some((self.by_prefix.get(prefix)?, name)));
        let (server, name) = match prefixed {
            Some(prefixed) => prefixed,
            None => (self.unprefixed.as_ref()?, name),
        };
        Some(Resolved::new(Arc::clone(server), name))
    }

    fn expose<'a>(&self, server: &str, name: &'a str) -> Option<Cow<'a, str>> {
        let prefix = self.by_server.get(server)?;
        if !prefix.is_empty() {
            return Some(Cow::Owned(format!("{prefix}{}{name}", Self::SEPARATOR)));
        }
        // A name that looks like that of another server would be a call of that one.
        let resolved = self.resolve(name)?;
        (&*resolved.server == server).then_some(Cow::Borrowed(name))
    }

    fn is_transparent(&self, server: &str) -> bool {
        self.by_server
            .get(server)
            .is_some_and(|prefix| prefix.is_empty())
    }
}

/// Whether the first separator in a name that begins with `prefix` is the one after it.
fn is_prefix(prefix: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    prefix.len() <= PrefixRouter::MAX_PREFIX
        && prefix.chars().all(allowed)
        && !prefix.contains(PrefixRouter::SEPARATOR)
        && !prefix.starts_with('_')
        && !prefix.ends_with('_')
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

        fn resolve<'a>(&self, _: &'a str) -> Option<Resolved<'a>> {
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
        /// Whatever names servers give their tools, a name that is shown calls what it shows.
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
                        prop_assert_eq!((&*resolved.server, resolved.name), (&**server, &**name));
                    }
                }
            }
        }
    }
}
