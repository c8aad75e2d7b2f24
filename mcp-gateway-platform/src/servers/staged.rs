//! Prepared replacement of the running servers.

use std::sync::Arc;

use super::{ManagedServer, ServerSet};
use crate::rollout::Rollout;

/// Prepared replacement of the running servers.
#[derive(Debug)]
#[must_use = "nothing changes before it is applied"]
pub(crate) struct StagedServers {
    pub(super) members: Vec<Arc<ManagedServer>>,
    /// Servers to remove.
    pub(super) retired: Vec<Arc<ManagedServer>>,
    /// Servers whose definitions cannot be read.
    pub(super) unreadable: Vec<Arc<str>>,
}

impl StagedServers {
    /// Sets the servers whose definitions cannot be read.
    pub(crate) fn with_unreadable(mut self, names: &[Arc<str>]) -> Self {
        self.unreadable = names.to_vec();
        self
    }

    /// Returns the changes compared with `servers`.
    pub(crate) fn rollout(&self, servers: &ServerSet) -> Rollout {
        let names = |members: Vec<&Arc<ManagedServer>>| {
            let names = members.iter().map(|member| Arc::clone(member.name()));
            names.collect()
        };
        let before = servers.by_name();
        let existed = |member: &&Arc<ManagedServer>| before.contains_key(&**member.name());
        let kept = |member: &&Arc<ManagedServer>| {
            let other = before.get(&**member.name());
            other.is_some_and(|other| Arc::ptr_eq(other, member))
        };
        let (old, added): (Vec<_>, Vec<_>) = self.members.iter().partition(existed);
        let replaced = old.into_iter().filter(|member| !kept(member)).collect();
        Rollout {
            added: names(added),
            changed: names(replaced),
            removed: names(self.retired.iter().collect()),
            restart: Vec::new(),
        }
    }
}
