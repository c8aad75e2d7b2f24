//! Section `search`: search of gateways with `exposure: search` or `code`.
//!
//! | Key | Type |
//! |---|---|
//! | `model` | path of the folder of an embedding model, relative to the configuration file |

use std::path::PathBuf;

use crate::document::{Field, FromField};

/// Section `search`.
#[derive(Debug, Default)]
pub(super) struct SearchSection {
    /// Folder of the embedding model.
    pub(super) model: Option<PathBuf>,
}

impl FromField for SearchSection {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let model = table.get_with("model", |field| field.parse("a path", path));
        table.finish();
        Some(Self { model })
    }
}

/// Parses the path of a folder.
fn path(text: &str) -> Result<PathBuf, String> {
    match text.is_empty() {
        true => Err("expected the path of a folder".to_owned()),
        false => Ok(text.into()),
    }
}
