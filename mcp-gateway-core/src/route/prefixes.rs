//! Prefixes of servers.

use std::borrow::Cow;
use std::sync::Arc;

use foldhash::HashMap;

use super::{PrefixError, PrefixRouter, ResolvedName};

/// Servers and their prefixes.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Prefixes {
    /// Servers in the order of their lists.
    servers: Arc<[Arc<str>]>,
    /// Servers by their prefix.
    by_prefix: HashMap<Arc<str>, Arc<str>>,
    /// Prefixes by server.
    by_server: HashMap<Arc<str>, Arc<str>>,
    /// Server with the empty prefix.
    unprefixed: Option<Arc<str>>,
}

impl Prefixes {
    /// Creates the prefixes of `servers`, pairs of name and prefix in the order of their lists.
    ///
    /// # Errors
    ///
    /// [`PrefixError`] if names would be ambiguous.
    pub(super) fn new<N, P>(servers: impl IntoIterator<Item = (N, P)>) -> Result<Self, PrefixError>
    where
        N: Into<Arc<str>>,
        P: Into<Arc<str>>,
    {
        let mut prefixes = Self {
            servers: Arc::new([]),
            by_prefix: HashMap::default(),
            by_server: HashMap::default(),
            unprefixed: None,
        };
        let mut names = Vec::new();
        for (server, prefix) in servers {
            let server = server.into();
            prefixes.insert(&server, prefix.into())?;
            names.push(server);
        }
        prefixes.servers = names.into();
        Ok(prefixes)
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

    /// Returns the servers in the order of their lists.
    pub(super) fn servers(&self) -> &Arc<[Arc<str>]> {
        &self.servers
    }

    /// Returns the server whose prefix `name` begins with, and the rest of the name.
    fn prefixed<'a>(&self, name: &'a str) -> Option<(&Arc<str>, &'a str)> {
        let (prefix, name) = name.split_once(PrefixRouter::SEPARATOR)?;
        Some((self.by_prefix.get(prefix)?, name))
    }

    /// Returns `true` if `name` begins with the prefix of a server.
    pub(super) fn has_prefix(&self, name: &str) -> bool {
        self.prefixed(name).is_some()
    }

    /// Resolves a prefixed name, or one of the server without a prefix.
    pub(super) fn resolve<'a>(&self, name: &'a str) -> Option<ResolvedName<'a>> {
        let (server, name) = match self.prefixed(name) {
            Some(prefixed) => prefixed,
            None => (self.unprefixed.as_ref()?, name),
        };
        Some(ResolvedName::new(Arc::clone(server), name))
    }

    /// Returns the prefixed `name` of `server`; `None` if it resolves to another server.
    pub(super) fn expose<'a>(&self, server: &str, name: &'a str) -> Option<Cow<'a, str>> {
        let prefix = self.by_server.get(server)?;
        if !prefix.is_empty() {
            let separator = PrefixRouter::SEPARATOR;
            return Some(Cow::Owned(format!("{prefix}{separator}{name}")));
        }
        // A name that looks like that of another server would resolve to it.
        (!self.has_prefix(name)).then_some(Cow::Borrowed(name))
    }

    /// Returns `true` if `server` has no prefix.
    pub(super) fn is_transparent(&self, server: &str) -> bool {
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
