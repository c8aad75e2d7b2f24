//! The page of connected accounts.

use std::sync::Arc;

use askama::Template;

/// Page with the servers that a user may connect for an owner, and the accounts that are connected.
#[derive(Template)]
#[template(path = "connections.html")]
pub(crate) struct ConnectionsPage<'a> {
    /// Sentences below the heading.
    pub(crate) lead: &'a str,
    pub(crate) connections: &'a [ConnectionItem],
    pub(crate) csrf: &'a str,
    /// Owner, as forms name it.
    pub(crate) owner: &'a str,
    /// Lists of other owners.
    pub(crate) others: &'a [OwnerLink],
}

/// Link to the list of an owner.
pub(crate) struct OwnerLink {
    pub(crate) href: String,
    pub(crate) label: String,
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
    /// Set if the user may connect an account.
    pub(crate) is_usable: bool,
}
