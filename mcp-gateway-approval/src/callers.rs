//! Latest approvals of each caller, which bound their number.

use std::sync::Arc;
use std::time::SystemTime;

use mcp_gateway_core::Sealer;
use mcp_gateway_store::{Batch, DocumentError, DocumentVersion, Documents, Store};
use serde::{Deserialize, Serialize};

/// Latest approvals of callers, in a store.
#[derive(Clone, Debug)]
pub(crate) struct Callers {
    documents: Documents<Vec<Entry>>,
    sealer: Arc<Sealer>,
}

/// Approval of a caller.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Entry {
    pub(crate) id: String,
    /// End of the wait for a decision, in seconds since the Unix epoch. It may have been made.
    pub(crate) expires: u64,
}

/// Latest approvals of one caller, oldest first.
#[derive(Debug)]
pub(crate) struct OfCaller {
    document: String,
    /// Version of the document; `None` without one.
    version: Option<DocumentVersion>,
    pub(crate) entries: Vec<Entry>,
}

impl Callers {
    pub(crate) fn new(store: Arc<dyn Store>, sealer: Arc<Sealer>) -> Self {
        Self {
            documents: Documents::new(store, "approval/caller/"),
            sealer,
        }
    }

    /// Returns the approvals of the caller `subject`.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] if the store is unavailable.
    pub(crate) async fn of(&self, subject: &str) -> Result<OfCaller, DocumentError> {
        // Subjects may have any characters, and keys may not.
        let document = self.sealer.tag("approval/caller", &[subject]);
        let found = self.documents.get(&document).await?;
        let (version, entries) = match found {
            Some(found) => (Some(found.version), found.value),
            None => (None, Vec::new()),
        };
        Ok(OfCaller {
            document,
            version,
            entries,
        })
    }

    /// Adds the write of `caller` to `batch`, on the condition that nobody else has changed it.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] if it cannot be serialized.
    pub(crate) fn put(
        &self,
        batch: Batch,
        caller: &OfCaller,
        expires: SystemTime,
    ) -> Result<Batch, DocumentError> {
        let key = self.documents.key(&caller.document);
        let batch = match caller.version {
            Some(version) => batch.if_version(key, version),
            None => batch.if_absent(key),
        };
        let entries = &caller.entries;
        self.documents
            .put(batch, &caller.document, entries, Some(expires))
    }
}

impl OfCaller {
    /// Adds an approval, and returns the oldest ones beyond `max`.
    pub(crate) fn push(&mut self, id: &str, expires: u64, max: usize) -> Vec<Entry> {
        self.entries.push(Entry {
            id: id.to_owned(),
            expires,
        });
        let excess = self.entries.len().saturating_sub(max);
        self.entries.drain(..excess).collect()
    }

    /// Returns the approvals that may still wait at `now`.
    pub(crate) fn waiting(&self, now: u64) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(move |entry| now < entry.expires)
    }
}
