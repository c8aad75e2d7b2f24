//! The store of state.

use std::path::PathBuf;

use super::Secret;

/// Where state is kept.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
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
