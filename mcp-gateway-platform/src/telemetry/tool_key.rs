//! Key of the series of a tool.

use hashbrown::Equivalent;

/// Key of a tool.
#[derive(Debug, Eq, Hash, PartialEq)]
pub(super) struct Tool {
    /// Name of the gateway.
    gateway: Box<str>,
    /// Name of the server.
    server: Box<str>,
    /// Name of the tool on its server.
    name: Box<str>,
}

/// Borrowed key of a tool, with the same hash as [`Tool`].
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct ToolRef<'a> {
    /// Name of the gateway.
    pub(super) gateway: &'a str,
    /// Name of the server.
    pub(super) server: &'a str,
    /// Name of the tool on its server.
    pub(super) name: &'a str,
}

impl Equivalent<Tool> for ToolRef<'_> {
    fn equivalent(&self, tool: &Tool) -> bool {
        *self.name == *tool.name && *self.server == *tool.server && *self.gateway == *tool.gateway
    }
}

impl ToolRef<'_> {
    /// Returns the key, to be kept.
    pub(super) fn to_owned(self) -> Tool {
        Tool {
            gateway: self.gateway.into(),
            server: self.server.into(),
            name: self.name.into(),
        }
    }
}
