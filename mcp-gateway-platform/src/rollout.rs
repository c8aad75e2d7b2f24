//! Outcome of applying a spec.
//!
//! Servers are listed by name: those that are unchanged keep running, with their sessions and their
//! in-flight calls, and are not part of the outcome. Keys of the static half of the spec are listed
//! as well, because their changes take effect at the next start only.

use std::fmt;
use std::sync::Arc;

/// Changes that an apply has made.
///
/// # Example
///
/// ```
/// use mcp_gateway_platform::Rollout;
///
/// let mut rollout = Rollout::default();
/// assert_eq!(rollout.to_string(), "unchanged");
/// rollout.added.push("time".into());
/// rollout.removed.push("files".into());
/// assert_eq!(rollout.to_string(), "added: time; removed: files");
/// assert!(rollout.has_servers());
/// ```
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Rollout {
    /// Names of new servers.
    pub added: Vec<Arc<str>>,
    /// Names of servers whose definition has changed. Those that are started and reached as before
    /// keep running.
    pub changed: Vec<Arc<str>>,
    /// Names of removed servers.
    pub removed: Vec<Arc<str>>,
    /// Keys of changes that require a restart.
    pub restart: Vec<&'static str>,
}

impl Rollout {
    /// Returns `true` if any server was added, changed or removed.
    #[must_use]
    pub fn has_servers(&self) -> bool {
        !(self.added.is_empty() && self.changed.is_empty() && self.removed.is_empty())
    }
}

impl fmt::Display for Rollout {
    /// Formats the names of the servers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = [
            ("added", &self.added),
            ("changed", &self.changed),
            ("removed", &self.removed),
        ];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        let parts: Vec<_> = parts
            .map(|(what, names)| format!("{what}: {}", names.join(", ")))
            .collect();
        match parts.is_empty() {
            true => f.write_str("unchanged"),
            false => f.write_str(&parts.join("; ")),
        }
    }
}
