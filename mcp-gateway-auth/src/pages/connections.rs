//! The page of connected accounts.

use std::sync::Arc;

use askama::Template;

/// Page with the servers that a user may use, and the accounts that are connected.
#[derive(Template)]
#[template(path = "connections.html")]
pub(crate) struct ConnectionsPage<'a> {
    /// Display name of the user.
    pub(crate) name: &'a str,
    pub(crate) connections: &'a [ConnectionItem],
    pub(crate) csrf: &'a str,
}

/// Server, and the account of the user at it.
pub(crate) struct ConnectionItem {
    /// Name of the server.
    pub(crate) server: Arc<str>,
    /// Segment of paths.
    pub(crate) path: String,
    /// State for the user.
    pub(crate) state: String,
    /// Set if there is an account to disconnect.
    pub(crate) is_connected: bool,
}
