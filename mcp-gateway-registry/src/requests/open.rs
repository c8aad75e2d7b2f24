//! Open requests of each requester.

use std::collections::BTreeSet;
use std::sync::Arc;

use mcp_gateway_auth::SecretHash;
use mcp_gateway_store::{Batch, DocumentError, DocumentVersion, Documents, Store};

/// Identifiers of the open requests of requesters, in a store.
#[derive(Clone, Debug)]
pub(super) struct OpenRequests(Documents<BTreeSet<String>>);

/// Open requests of one requester.
#[derive(Debug)]
pub(super) struct OfRequester {
    id: String,
    requests: BTreeSet<String>,
    /// Version of the document; `None` without one.
    version: Option<DocumentVersion>,
}

impl OpenRequests {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self(Documents::new(store, "registry/requester/"))
    }

    /// Returns the open requests of `requester`.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] if the store is unavailable.
    pub(super) async fn of(&self, requester: &str) -> Result<OfRequester, DocumentError> {
        // Subjects may have any characters, and keys may not.
        let id = SecretHash::digest(requester).as_str().to_owned();
        let found = self.0.get(&id).await?;
        let (requests, version) = match found {
            Some(found) => (found.value, Some(found.version)),
            None => (BTreeSet::new(), None),
        };
        Ok(OfRequester {
            id,
            requests,
            version,
        })
    }

    /// Adds the write of `open` to `batch`, on the condition that nobody else has changed it.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] if it cannot be serialized.
    pub(super) fn put(&self, batch: Batch, open: &OfRequester) -> Result<Batch, DocumentError> {
        let key = self.0.key(&open.id);
        let batch = match open.version {
            Some(version) => batch.if_version(key, version),
            None => batch.if_absent(key),
        };
        self.0.put(batch, &open.id, &open.requests, None)
    }
}

impl OfRequester {
    pub(super) fn count(&self) -> usize {
        self.requests.len()
    }

    pub(super) fn with(mut self, request: &str) -> Self {
        self.requests.insert(request.to_owned());
        self
    }

    pub(super) fn without(mut self, request: &str) -> Self {
        self.requests.remove(request);
        self
    }
}
