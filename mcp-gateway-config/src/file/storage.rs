use std::path::PathBuf;

use super::Secret;
use crate::document::{Field, Read};

/// Where state is kept.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Storage {
    /// In the folder for data of the person who runs the gateway.
    #[default]
    Default,
    /// In this process alone.
    Memory,
    /// In the database of this URL.
    Postgres(Secret),
    /// In this file.
    Sqlite(PathBuf),
}

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
