//! Section `audit`: `retention` (a duration). An empty section enables the log.

use mcp_gateway_platform::spec::Audit;

use crate::document::{Field, FromField};

impl FromField for Audit {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let retention = table.get("retention");
        table.finish();
        let mut audit = Self::new();
        audit.retention = retention;
        Some(audit)
    }
}
