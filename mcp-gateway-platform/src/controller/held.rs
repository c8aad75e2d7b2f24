//! Definitions that running servers have, and nobody has approved.

use mcp_gateway_core::catalog::Definition;

use super::Controller;

impl Controller {
    /// Returns the definitions of the server `name` that are held back.
    pub(crate) fn held(&self, name: &str) -> Vec<Definition> {
        let mut members = self.servers.members().iter();
        let found = members.find(|member| **member.name() == *name);
        found.map(|member| member.held()).unwrap_or_default()
    }
}
