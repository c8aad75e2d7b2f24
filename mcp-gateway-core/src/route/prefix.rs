//! The router that gives each server a prefix.

use std::borrow::Cow;
use std::sync::Arc;

use foldhash::HashMap;

use super::tool_names::ToolNames;
use super::{ResolvedName, ToolRouter};

/// A router that gives each server a prefix.
///
/// See the [module documentation](super) for an example.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PrefixRouter {
    /// Servers in the order of their lists.
    servers: Arc<[Arc<str>]>,
    /// Servers by their prefix.
    by_prefix: HashMap<Arc<str>, Arc<str>>,
    /// Prefixes by server.
    by_server: HashMap<Arc<str>, Arc<str>>,
    /// Server with the empty prefix.
    unprefixed: Option<Arc<str>>,
    /// Aliases and short names of tools.
    tool_names: ToolNames,
}

/// Rejection of ambiguous or invalid prefixes.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PrefixError {
    /// Two servers have the same prefix, or a server is listed twice.
    #[error("{second:?} cannot have the prefix {prefix:?}, which {first:?} has")]
    Duplicate {
        /// The prefix.
        prefix: Arc<str>,
        /// Server that already has it.
        first: Arc<str>,
        /// Server that cannot have it as well.
        second: Arc<str>,
    },
    /// The prefix is not valid in tool names, or cannot be separated from the name that follows it.
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
    /// Separator between prefix and name.
    pub const SEPARATOR: &str = "__";

    /// Maximum length of a prefix.
    ///
    /// Tool names have up to 128 characters, and some clients accept only 64.
    pub const MAX_PREFIX: usize = 32;

    /// Creates a router for `servers`, pairs of name and prefix in the order of their lists.
    ///
    /// One server may have an empty prefix: clients see its names unchanged.
    ///
    /// # Errors
    ///
    /// [`PrefixError`] if names would be ambiguous.
    pub fn new<N, P>(servers: impl IntoIterator<Item = (N, P)>) -> Result<Self, PrefixError>
    where
        N: Into<Arc<str>>,
        P: Into<Arc<str>>,
    {
        let mut router = Self {
            servers: Arc::new([]),
            by_prefix: HashMap::default(),
            by_server: HashMap::default(),
            unprefixed: None,
            tool_names: ToolNames::default(),
        };
        let mut names = Vec::new();
        for (server, prefix) in servers {
            let server = server.into();
            router.insert(&server, prefix.into())?;
            names.push(server);
        }
        router.servers = names.into();
        Ok(router)
    }

    /// Creates a router that gives each server its own name as prefix, in the order of their lists.
    ///
    /// # Errors
    ///
    /// [`PrefixError`] if a name is not a valid prefix or is listed twice.
    pub fn by_name<N>(servers: impl IntoIterator<Item = N>) -> Result<Self, PrefixError>
    where
        N: Into<Arc<str>>,
    {
        Self::new(servers.into_iter().map(|name| {
            let name = name.into();
            (Arc::clone(&name), name)
        }))
    }

    /// Limits the names of tools to `max` bytes, 48 or more. The end of a longer name is replaced by
    /// a hash of the whole name.
    ///
    /// Some clients and interfaces of models reject names above 64 characters.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_core::route::{PrefixRouter, ToolRouter};
    ///
    /// let router = PrefixRouter::by_name(["github"])?.with_max_tool_name(64);
    /// let long = "list_all_of_the_pull_requests_that_somebody_has_to_look_at_today";
    /// let short = router.expose_tool("github", long).unwrap();
    /// assert_eq!(short.len(), 64);
    /// assert_eq!(router.resolve_tool(&short).unwrap().name, long);
    /// # Ok::<_, mcp_gateway_core::route::PrefixError>(())
    /// ```
    #[must_use]
    pub fn with_max_tool_name(mut self, max: usize) -> Self {
        self.tool_names.set_max(max);
        self
    }

    /// Exposes the tool `name` of `server` as `alias`, after the prefix of the server. The tool can
    /// still be called by its own name.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_core::route::{PrefixRouter, ToolRouter};
    ///
    /// let router = PrefixRouter::by_name(["github"])?
    ///     .with_tool_alias("github", "search_code", "search");
    /// let exposed = router.expose_tool("github", "search_code").unwrap();
    /// assert_eq!(exposed, "github__search");
    /// assert_eq!(router.resolve_tool(&exposed).unwrap().name, "search_code");
    /// # Ok::<_, mcp_gateway_core::route::PrefixError>(())
    /// ```
    #[must_use]
    pub fn with_tool_alias(
        mut self,
        server: &str,
        name: impl Into<Arc<str>>,
        alias: impl Into<Arc<str>>,
    ) -> Self {
        self.tool_names.add_alias(server, name.into(), alias.into());
        self
    }

    /// Adds one server.
    fn insert(&mut self, server: &Arc<str>, prefix: Arc<str>) -> Result<(), PrefixError> {
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

    fn resolve<'a>(&self, name: &'a str) -> Option<ResolvedName<'a>> {
        let prefixed = name
            .split_once(Self::SEPARATOR)
            .and_then(|(prefix, name)| Some((self.by_prefix.get(prefix)?, name)));
        let (server, name) = match prefixed {
            Some(prefixed) => prefixed,
            None => (self.unprefixed.as_ref()?, name),
        };
        Some(ResolvedName::new(Arc::clone(server), name))
    }

    fn expose<'a>(&self, server: &str, name: &'a str) -> Option<Cow<'a, str>> {
        let prefix = self.by_server.get(server)?;
        if !prefix.is_empty() {
            return Some(Cow::Owned(format!("{prefix}{}{name}", Self::SEPARATOR)));
        }
        // A name that looks like that of another server would resolve to it.
        let resolved = self.resolve(name)?;
        (&*resolved.server == server).then_some(Cow::Borrowed(name))
    }

    fn resolve_tool<'a>(&self, name: &'a str) -> Option<ResolvedName<'a>> {
        if self.tool_names.is_empty() {
            return self.resolve(name);
        }
        let resolved = match self.tool_names.long_name(name) {
            Some(long) => {
                let ResolvedName { server, name } = self.resolve(&long)?;
                ResolvedName::new(server, name.into_owned())
            }
            None if self.tool_names.may_be_short(name) => return None,
            None => self.resolve(name)?,
        };
        let ResolvedName { server, name } = resolved;
        let name = self.tool_names.original(&server, name);
        Some(ResolvedName::new(server, name))
    }

    fn expose_tool<'a>(&self, server: &str, name: &'a str) -> Option<Cow<'a, str>> {
        if self.tool_names.is_empty() {
            return self.expose(server, name);
        }
        let exposed = match self.tool_names.alias(server, name) {
            Cow::Borrowed(name) => self.expose(server, name)?,
            Cow::Owned(alias) => Cow::Owned(self.expose(server, &alias)?.into_owned()),
        };
        Some(self.tool_names.shorten(exposed))
    }

    fn is_pending(&self, name: &str) -> bool {
        self.tool_names.may_be_short(name)
    }

    fn is_transparent(&self, server: &str) -> bool {
        self.by_server
            .get(server)
            .is_some_and(|prefix| prefix.is_empty())
    }
}

/// Returns `true` if the first separator in any name with `prefix` is the one after the prefix.
fn is_prefix(prefix: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    prefix.len() <= PrefixRouter::MAX_PREFIX
        && prefix.chars().all(allowed)
        && !prefix.contains(PrefixRouter::SEPARATOR)
        && !prefix.starts_with('_')
        && !prefix.ends_with('_')
}
