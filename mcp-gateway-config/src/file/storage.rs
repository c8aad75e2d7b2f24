//! Key `store`: `memory`, `{ sqlite: PATH }` or `{ postgres: SECRET }`.

use mcp_gateway_platform::spec::Storage;

use crate::document::{Field, Read};

impl Read for Storage {
    fn read(field: &Field<'_>) -> Option<Self> {
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
