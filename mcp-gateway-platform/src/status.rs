//! The observed state of a platform.

use std::sync::Arc;

/// The observed state of a platform.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PlatformStatus {
    /// The servers, in the order of the spec.
    pub servers: Vec<ServerStatus>,
    /// Number of sessions of clients that are in use.
    pub sessions: usize,
    /// Whether the platform drains, and accepts no new calls.
    pub is_draining: bool,
}

/// The observed state of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ServerStatus {
    /// The name of the server.
    pub name: Arc<str>,
    /// Number of sessions with the server, or of processes that run for it.
    pub conversations: usize,
    /// The cause of recent failures, if there are any.
    pub failure: Option<String>,
}

impl ServerStatus {
    /// Returns the state as one word: `failing`, `idle` or `up`.
    ///
    /// An idle server is started or connected when a caller needs it.
    #[must_use]
    pub fn state(&self) -> &'static str {
        match (&self.failure, self.conversations) {
            (Some(_), _) => "failing",
            (None, 0) => "idle",
            (None, _) => "up",
        }
    }
}
