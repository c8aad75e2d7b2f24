//! Storage of accounts, clients and tokens.

use std::path::PathBuf;

use super::Secret;

/// Storage of accounts, clients and tokens.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Storage {
    /// SQLite in the data directory of the user that runs the gateway.
    #[default]
    Default,
    /// Memory of this process.
    Memory,
    /// PostgreSQL at this URL.
    Postgres(Secret),
    /// SQLite in this file.
    Sqlite(PathBuf),
}
