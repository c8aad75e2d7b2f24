//! Section `pins`: approved definitions of servers; and the key `pinned` of a server.
//!
//! | Key | Type |
//! |---|---|
//! | `file` | path of the lock file, relative to the configuration file; `mcp.lock` by default |
//!
//! With the section, the servers of the file are pinned unless they say otherwise.

use std::path::PathBuf;

use mcp_gateway_platform::spec::{PinSource, ServerSpec};

use crate::document::{Field, FromField};

/// Lock file with the approved definitions of servers.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct LockSource {
    /// Path, relative to the configuration file.
    pub file: PathBuf,
    /// Set if servers are pinned unless they say otherwise.
    pub is_default: bool,
}

/// Section `pins`.
#[derive(Debug)]
pub(super) struct PinsSection {
    /// Lock file.
    file: PathBuf,
}

impl Default for PinsSection {
    fn default() -> Self {
        Self {
            file: DEFAULT_FILE.into(),
        }
    }
}

impl FromField for PinsSection {
    fn from_field(field: &Field<'_>) -> Option<Self> {
        let mut table = field.table()?;
        let file = table.get_with("file", |field| field.parse("a path", path));
        table.finish();
        Some(file.map_or_else(Self::default, |file| Self { file }))
    }
}

impl PinsSection {
    /// Pins the servers that do not say otherwise, if the file has the section. Returns the lock file,
    /// if a server needs it.
    pub(super) fn assign(
        section: Option<Self>,
        servers: &mut [ServerSpec],
        fields: Option<&Field<'_>>,
    ) -> Option<LockSource> {
        if section.is_some() {
            let fields = fields.and_then(Field::items).unwrap_or_default();
            for server in &mut *servers {
                let mut own = fields.iter();
                let own = own.find(|field| field.peek("name") == Some(&*server.name));
                if own.is_none_or(|field| field.get("pinned").is_none()) {
                    server.pinned = Some(PinSource::File);
                }
            }
        }
        let is_needed = section.is_some()
            || servers
                .iter()
                .any(|server| server.pinned == Some(PinSource::File));
        is_needed.then(|| LockSource {
            is_default: section.is_some(),
            file: section.unwrap_or_default().file,
        })
    }
}

/// Reads the key `pinned` of a server. An entry of the store has its approved definitions there.
pub(super) fn pinned(field: &Field<'_>) -> Option<Option<PinSource>> {
    match field.environment().has_references() {
        true => field.choice(&[
            ("true", Some(PinSource::File)),
            ("false", None),
            ("file", Some(PinSource::File)),
            ("store", Some(PinSource::Store)),
        ]),
        false => field.choice(&[
            ("true", Some(PinSource::Store)),
            ("false", None),
            ("store", Some(PinSource::Store)),
        ]),
    }
}

/// Parses the path of a lock file.
fn path(text: &str) -> Result<PathBuf, String> {
    match text.is_empty() {
        true => Err("expected the path of a file".to_owned()),
        false => Ok(text.into()),
    }
}

/// Name of the lock file.
const DEFAULT_FILE: &str = "mcp.lock";
