//! Observed state of a platform.

use std::sync::Arc;

use mcp_gateway_core::upstream::LintCounts;

/// Observed state of a platform.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlatformStatus {
    /// Servers, in the order of the spec.
    pub servers: Vec<ServerStatus>,
    /// Number of client sessions in use.
    pub sessions: usize,
    /// Set while the platform drains, and accepts no new calls.
    pub is_draining: bool,
}

/// Observed state of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerStatus {
    /// Name of the server.
    pub name: Arc<str>,
    /// Number of upstream sessions or child processes.
    pub conversations: usize,
    /// Cause of recent failures.
    pub failure: Option<String>,
    /// Numbers of tools with defects.
    pub lint: LintCounts,
}

impl ServerStatus {
    /// Returns the state as one word: `failing`, `idle` or `up`.
    ///
    /// An idle server is started or connected by the next call that needs it.
    ///
    /// | Word | Failure | Sessions or processes |
    /// |---|---|---|
    /// | `failing` | recent | any number |
    /// | `idle` | none | none |
    /// | `up` | none | at least one |
    #[must_use]
    pub fn state(&self) -> &'static str {
        match (&self.failure, self.conversations) {
            (Some(_), _) => "failing",
            (None, 0) => "idle",
            (None, _) => "up",
        }
    }
}
