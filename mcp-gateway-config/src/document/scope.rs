//! Scope of the lookups in the environment.

use std::io;
use std::path::Path;

use super::{Environment, Lookup};

/// Keys of a configuration file whose references are looked up.
///
/// A program looks up what it uses: an unreadable secret of a server is no obstacle to the
/// administration of users. Outside of the scope, secrets are empty, as with
/// [`NoEnvironment`](super::NoEnvironment).
///
/// # Example
///
/// ```
/// use mcp_gateway_config::document::LookupScope;
/// use mcp_gateway_config::file::Config;
/// use mcp_gateway_config::system::System;
///
/// let text = "servers: [{ name: a, remote: { url: 'https://a', bearer: { file: /none } } }]\n";
/// assert!(Config::read_from(text, &System::new()).is_err());
/// let (config, _) = Config::read_within(LookupScope::State, text, &System::new()).unwrap();
/// assert_eq!(config.platform.dynamic.servers.len(), 1);
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum LookupScope {
    /// All keys.
    #[default]
    All,
    /// `servers`.
    Servers,
    /// `store` and `sessionKey`.
    State,
}

impl LookupScope {
    /// Returns `true` if references in the value at `path` are looked up.
    pub(super) fn contains(self, path: &str) -> bool {
        let root = path.split(['.', '[']).next().unwrap_or_default();
        match self {
            Self::All => true,
            Self::Servers => root == "servers",
            Self::State => ["sessionKey", "store"].contains(&root),
        }
    }
}

/// Environment outside of the scope.
#[derive(Debug)]
pub(super) struct OutOfScope<'a>(pub(super) &'a dyn Environment);

impl Environment for OutOfScope<'_> {
    fn variable(&self, _: &str) -> Lookup {
        Lookup::Unavailable
    }

    fn secret(&self, name: &str) -> Lookup {
        // It remains a secret, which is hidden from other programs.
        let _ = self.0.secret(name);
        Lookup::Unavailable
    }

    fn builtins(&self) -> &[&str] {
        self.0.builtins()
    }

    fn file(&self, _: &Path) -> Result<Lookup, io::Error> {
        Ok(Lookup::Unavailable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_contains_the_values_below_its_keys() {
        for (scope, path, expected) in [
            (LookupScope::All, "auth.tokens[0].token", true),
            (LookupScope::Servers, "servers[0].remote.bearer", true),
            (LookupScope::Servers, "sessionKey", false),
            (LookupScope::State, "sessionKey", true),
            (LookupScope::State, "store.postgres", true),
            (LookupScope::State, "stores", false),
            (LookupScope::State, "servers[0].store", false),
        ] {
            assert_eq!(scope.contains(path), expected, "{scope:?} {path}");
        }
    }
}
