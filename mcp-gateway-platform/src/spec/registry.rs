//! Servers in the store.

/// Rules for servers in the store, beside those of the spec.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Registry {
    /// Set if they may be child processes: whoever may add one runs code on this machine.
    pub processes: bool,
}

impl Registry {
    /// Allows child processes.
    #[must_use]
    pub fn with_processes(self) -> Self {
        Self { processes: true }
    }
}
