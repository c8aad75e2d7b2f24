//! Entries of the registry, and servers in the store.

/// Rules for entries of the registry, and for servers in the store beside those of the spec.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Registry {
    /// Set if servers may be child processes: whoever may add one runs code on this machine.
    pub processes: bool,
    /// Set if servers may be pods of the cluster: whoever may add one runs code there.
    pub kubernetes: bool,
    /// Set if everybody may read the entries of the organization by the registry API.
    pub public: bool,
    /// Set if gateways without teams have server cards and are in the catalog.
    pub cards: bool,
}

impl Registry {
    /// Allows child processes.
    #[must_use]
    pub fn with_processes(self) -> Self {
        Self {
            processes: true,
            ..self
        }
    }

    /// Allows pods of the cluster.
    #[must_use]
    pub fn with_kubernetes(self) -> Self {
        Self {
            kubernetes: true,
            ..self
        }
    }
}
