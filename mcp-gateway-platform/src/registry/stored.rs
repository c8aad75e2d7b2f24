//! A server in the store.

use mcp_gateway_auth::Keyring;
use mcp_gateway_store::{Document, DocumentVersion};
use serde_json::Value;

use super::documents::StoredEntry;
use super::sealing::{self, SecretError};
use super::{EntryReader, Violation};
use crate::spec::ServerSpec;

/// Server in the store, as its document has it.
#[derive(Debug)]
pub(crate) struct StoredServer {
    /// Version of the document.
    pub(crate) version: DocumentVersion,
    /// Entry with sealed secrets.
    ///
    /// [`Value::Null`] if the document is not JSON.
    pub(super) entry: Value,
    /// Server of the entry, unless it is invalid.
    pub(super) spec: Result<ServerSpec, Vec<Violation>>,
}

impl StoredServer {
    /// Reads the document of the server `name`.
    ///
    /// An invalid document also results in a server, with its violations: it is listed with its
    /// version, and can be replaced or deleted.
    pub(super) fn read(
        name: &str,
        document: &Document,
        keyring: &Keyring,
        reader: &dyn EntryReader,
    ) -> Self {
        let version = document.version;
        let entry = match serde_json::from_slice::<Value>(&document.value) {
            Ok(entry) => entry,
            Err(error) => {
                let violation = Violation::new("", format!("invalid document: {error}"));
                return Self {
                    version,
                    entry: Value::Null,
                    spec: Err(vec![violation]),
                };
            }
        };
        let mut open = entry.clone();
        let opened = sealing::open(&mut open, name, keyring);
        let spec = opened
            .and_then(|()| reader.read(&open).map_err(SecretError::Invalid))
            .map_err(SecretError::into_violations)
            .and_then(|spec| named(spec, name));
        Self {
            version,
            entry,
            spec,
        }
    }

    /// Returns the entry without its secrets.
    pub(crate) fn redacted(&self) -> Value {
        let mut entry = self.entry.clone();
        sealing::redact(&mut entry);
        entry
    }
}

impl StoredEntry for StoredServer {
    fn version(&self) -> DocumentVersion {
        self.version
    }
}

/// Checks that the server of the document `name` has that name.
///
/// Names of stored servers are unique, because the keys of documents are.
fn named(spec: ServerSpec, name: &str) -> Result<ServerSpec, Vec<Violation>> {
    match *spec.name == *name {
        true => Ok(spec),
        false => Err(vec![Violation::new(
            "name",
            format!("expected the name of the document, {name:?}"),
        )]),
    }
}
