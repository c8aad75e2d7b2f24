//! Section `registry`: rules for servers in the store. `processes` (a boolean) allows programs.

use mcp_gateway_platform::spec::Registry;

use crate::document::{Field, FromField};

impl FromField for Registry {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let processes = table.get("processes").unwrap_or(false);
        table.finish();
        let mut registry = Self::default();
        registry.processes = processes;
        Some(registry)
    }
}
