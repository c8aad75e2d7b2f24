//! Approved definitions in the store.
//!
//! The document `registry/pins/{server}` has those of one server, in the form of a lock file. It
//! outlives the server: another one of the name must say the same to be offered.

use std::sync::Arc;

use mcp_gateway_pins::{LockFile, Pins};
use mcp_gateway_store::{Attachment, Batch, Document, DocumentVersion, StoreError};
use serde_json::Value;

use super::documents::{Entries, StoredEntry};
use super::{Merged, Registry};
use crate::spec::PinSource;

/// Approved definitions of a server, as the document has them.
#[derive(Debug)]
pub(crate) struct StoredPins {
    /// Version of the document.
    version: DocumentVersion,
    /// Approved definitions; none if the document is invalid.
    pub(crate) pins: Arc<Pins>,
}

impl StoredPins {
    /// Reads the document of `server`. Nothing is approved by one that is invalid, which is logged.
    pub(super) fn read(server: &str, document: &Document) -> Self {
        let text: Result<String, _> = serde_json::from_slice(&document.value);
        let lock = text.map(|text| text.parse::<LockFile>());
        let pins = match lock {
            Ok(Ok(lock)) => lock.get(server).cloned().unwrap_or_default(),
            Ok(Err(error)) => {
                tracing::error!(server, %error, "approved definitions not read");
                Pins::default()
            }
            Err(error) => {
                tracing::error!(server, %error, "approved definitions not read");
                Pins::default()
            }
        };
        Self {
            version: document.version,
            pins: Arc::new(pins),
        }
    }
}

impl StoredEntry for StoredPins {
    fn version(&self) -> DocumentVersion {
        self.version
    }
}

impl Registry {
    /// Changes the approved definitions of `server`, in one batch with `attachment`, whichever version
    /// the document has. Returns `false` if others change it all the time.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    pub(crate) async fn change_pins(
        &self,
        server: &str,
        change: impl Fn(&mut Pins),
        attachment: &Attachment,
    ) -> Result<bool, StoreError> {
        for _ in 0..MAX_ATTEMPTS {
            let before = self.pins.get(server);
            let known = before.as_ref();
            let mut pins = known.map_or_else(Pins::default, |before| Pins::clone(&before.pins));
            change(&mut pins);
            let mut lock = LockFile::default();
            lock.replace(server, pins);
            let value = Value::from(lock.to_string());
            let version = before.map(|before| before.version);
            let batch = attachment.add_to(Batch::new(), server);
            let written = self.pins.put(server, &value, version, batch).await?;
            if written.is_some() {
                return Ok(true);
            }
            self.pins.load().await?;
        }
        Ok(false)
    }
}

impl Merged {
    /// Sets the approved definitions of the servers that have them in the store.
    pub(super) fn with_pins(mut self, stored: &Entries<StoredPins>) -> Self {
        let servers = self.spec.servers.iter_mut();
        for server in servers.filter(|server| server.pinned == Some(PinSource::Store)) {
            let pins = stored.get(&server.name);
            server.pins = pins
                .map(|stored| Arc::clone(&stored.pins))
                .unwrap_or_default();
        }
        self
    }
}

/// Prefix of the keys of the documents.
pub(super) const PREFIX: &str = "registry/pins/";

/// Maximum number of attempts to change a document that others change at the same time.
const MAX_ATTEMPTS: usize = 8;
