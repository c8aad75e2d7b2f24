//! The router that gives each server a prefix.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::prefixes::Prefixes;
use super::tool_names::ToolNames;
use super::tool_table::ToolRules;
use super::{ListedTool, PrefixMode, ResolvedName, ToolCollision, ToolRouter};

/// A router that gives each server a prefix.
///
/// See the [module documentation](super) for an example.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PrefixRouter {
    prefixes: Prefixes,
    /// Aliases, short names and bare names of tools.
    tool_names: ToolNames,
    /// Servers whose callers reach only their own tasks.
    isolated_tasks: BTreeSet<Arc<str>>,
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
        Ok(Self {
            prefixes: Prefixes::new(servers)?,
            tool_names: ToolNames::default(),
            isolated_tasks: BTreeSet::new(),
        })
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
    /// use mcp_gateway_core::route::{ListedTool, PrefixRouter, ToolRouter};
    ///
    /// let router = PrefixRouter::by_name(["github"])?.with_max_tool_name(64);
    /// let long = "list_all_of_the_pull_requests_that_somebody_has_to_look_at_today".into();
    /// router.record_tools("github", &mut [ListedTool::permitted(&long)].into_iter(), true);
    /// let short = router.expose_tool("github", &long).unwrap();
    /// assert_eq!(short.len(), 64);
    /// assert_eq!(router.resolve_tool(&short).unwrap().name, *long);
    /// # Ok::<_, mcp_gateway_core::route::PrefixError>(())
    /// ```
    #[must_use]
    pub fn with_max_tool_name(self, max: usize) -> Self {
        self.with_rules(|rules| rules.max = Some(max.max(MIN_TOOL_NAME)))
    }

    /// Exposes the tool `name` of `server` as `alias`, after the prefix of the server, and no longer
    /// by its own name.
    ///
    /// An alias precedes a tool that has it as its name: that tool is not offered, unless it has an
    /// alias, too. The alias of a tool that does not exist has no effect. Of several aliases of one
    /// tool, and of several tools with one alias, the last one counts.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_core::route::{ListedTool, PrefixRouter, ToolRouter};
    ///
    /// let router = PrefixRouter::by_name(["github"])?
    ///     .with_tool_alias("github", "search_code", "search");
    /// let listed = ["search", "search_code"].map(Into::into);
    /// router.record_tools("github", &mut listed.iter().map(ListedTool::permitted), true);
    /// let exposed = router.expose_tool("github", "search_code").unwrap();
    /// assert_eq!(exposed, "github__search");
    /// assert_eq!(router.resolve_tool(&exposed).unwrap().name, "search_code");
    /// assert!(router.resolve_tool("github__search_code").is_none());
    /// assert_eq!(router.tool_collisions()[0].tool, "search".into());
    /// # Ok::<_, mcp_gateway_core::route::PrefixError>(())
    /// ```
    #[must_use]
    pub fn with_tool_alias(
        self,
        server: &str,
        name: impl Into<Arc<str>>,
        alias: impl Into<Arc<str>>,
    ) -> Self {
        let (name, alias) = (name.into(), alias.into());
        self.with_rules(|rules| {
            let aliases = rules.aliases.entry(server.into()).or_default();
            aliases.retain(|_, other| *other != alias);
            aliases.insert(name, alias);
        })
    }

    /// Sets the use of prefixes in the names of tools.
    #[must_use]
    pub fn with_tool_prefix(self, mode: PrefixMode) -> Self {
        self.with_rules(|rules| rules.prefixes = mode)
    }

    /// Resolves only the names of tools that `server` has listed. The policy rejects those that the
    /// caller may not call.
    ///
    /// Otherwise the server decides which names it accepts. If a policy depends on names, a server
    /// that ignores their case or surrounding white space would be called by names that the policy
    /// does not expect.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_core::route::{ListedTool, PrefixRouter, ToolRouter};
    ///
    /// let router = PrefixRouter::by_name(["github"])?.with_listed_tools_only("github");
    /// assert!(router.resolve_tool("github__search").is_none());
    /// assert_eq!(router.pending_servers("github__search"), ["github".into()]);
    /// let listed = "search".into();
    /// router.record_tools("github", &mut [ListedTool::permitted(&listed)].into_iter(), true);
    /// assert!(router.resolve_tool("github__search").is_some());
    /// assert!(router.resolve_tool("github__SEARCH").is_none());
    /// # Ok::<_, mcp_gateway_core::route::PrefixError>(())
    /// ```
    #[must_use]
    pub fn with_listed_tools_only(self, server: impl Into<Arc<str>>) -> Self {
        self.with_rules(|rules| {
            rules.listed_only.insert(server.into());
        })
    }

    /// Forwards names of tasks of `server` and `tasks/list` as they are, if it is the only server.
    ///
    /// For a server of which each caller reaches only its own tasks: see
    /// [`ToolRouter::isolates_tasks`].
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_core::route::{PrefixRouter, ToolRouter};
    ///
    /// let router = PrefixRouter::by_name(["files"])?.with_isolated_tasks("files");
    /// assert!(router.isolates_tasks("files"));
    /// # Ok::<_, mcp_gateway_core::route::PrefixError>(())
    /// ```
    #[must_use]
    pub fn with_isolated_tasks(mut self, server: impl Into<Arc<str>>) -> Self {
        self.isolated_tasks.insert(server.into());
        self
    }

    /// Returns the recorded tools that do not have the names that they would have alone.
    #[must_use]
    pub fn tool_collisions(&self) -> Vec<ToolCollision> {
        self.tool_names.collisions()
    }

    /// Changes the rules for the names of tools.
    fn with_rules(self, change: impl FnOnce(&mut ToolRules)) -> Self {
        Self {
            tool_names: self.tool_names.with(change),
            ..self
        }
    }
}

impl ToolRouter for PrefixRouter {
    fn servers(&self) -> Arc<[Arc<str>]> {
        Arc::clone(self.prefixes.servers())
    }

    fn resolve<'a>(&self, name: &'a str) -> Option<ResolvedName<'a>> {
        self.prefixes.resolve(name)
    }

    fn expose<'a>(&self, server: &str, name: &'a str) -> Option<Cow<'a, str>> {
        self.prefixes.expose(server, name)
    }

    fn resolve_tool<'a>(&self, name: &'a str) -> Option<ResolvedName<'a>> {
        match self.tool_names.is_plain() {
            true => self.prefixes.resolve(name),
            false => self.tool_names.resolve(&self.prefixes, name),
        }
    }

    fn expose_tool<'a>(&self, server: &str, name: &'a str) -> Option<Cow<'a, str>> {
        match self.tool_names.is_plain() {
            true => self.prefixes.expose(server, name),
            false => {
                let exposed = self.tool_names.expose(&self.prefixes, server, name);
                exposed.map(Cow::Owned)
            }
        }
    }

    fn record_tools(
        &self,
        server: &str,
        tools: &mut dyn Iterator<Item = ListedTool<'_>>,
        _is_whole: bool,
    ) {
        if !self.tool_names.is_plain() {
            self.tool_names.record(&self.prefixes, server, tools);
        }
    }

    fn pending_servers(&self, name: &str) -> Vec<Arc<str>> {
        match self.tool_names.is_plain() {
            true => Vec::new(),
            false => self.tool_names.pending(&self.prefixes, name),
        }
    }

    fn needs_whole_list(&self, server: &str) -> bool {
        self.tool_names.has_aliases(server)
    }

    fn is_transparent(&self, server: &str) -> bool {
        self.prefixes.is_transparent(server)
    }

    fn isolates_tasks(&self, server: &str) -> bool {
        self.isolated_tasks.contains(server)
    }
}

/// Lower bound of the maximum length of the name of a tool: a prefix, the separator, the hash and
/// some of the name.
const MIN_TOOL_NAME: usize = 48;
