//! Section `registry`: rules for entries, and for servers in the store.
//!
//! | Key | Type |
//! |---|---|
//! | `processes` | boolean: servers may be programs |
//! | `kubernetes` | boolean: servers may be pods of the cluster |
//! | `cards` | boolean: gateways without teams have server cards |
//! | `public` | boolean: everybody may read the entries of the organization |

use mcp_gateway_platform::spec::Registry;

use crate::document::{Field, FromField};

impl FromField for Registry {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let mut registry = Self::default();
        registry.processes = table.get("processes").unwrap_or_default();
        registry.kubernetes = table.get("kubernetes").unwrap_or_default();
        registry.public = table.get("public").unwrap_or_default();
        registry.cards = table.get("cards").unwrap_or_default();
        table.finish();
        Some(registry)
    }
}
