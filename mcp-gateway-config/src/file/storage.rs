//! Key `store`: `memory`, `{ sqlite: PATH }` or `{ postgres: SECRET }`.

use mcp_gateway_platform::spec::Storage;

use crate::document::{Field, FromField};

impl FromField for Storage {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        if field.is_scalar() {
            return field.choice(&[("memory", Self::Memory)]);
        }
        let mut table = field.table()?;
        let source = table.one_of(&["postgres", "sqlite"]);
        table.finish();
        let (key, field) = source?;
        match key {
            "postgres" => field.read().map(Self::Postgres),
            _ => field.text().map(|path| Self::Sqlite(path.into())),
        }
    }
}
