//! Sealed documents in a store.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::SystemTime;

use mcp_gateway_core::Sealer;
use mcp_gateway_store::{Batch, DocumentError, Documents, Store, Versioned};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// Documents of one type in a store, sealed as a whole and bound to their identifiers.
///
/// Whoever reads or writes the database alone can neither read a document, nor change or move it.
pub(crate) struct SealedDocuments<T> {
    documents: Documents<Sealed>,
    sealer: Arc<Sealer>,
    kind: PhantomData<fn(T) -> T>,
}

/// Stored form of a document.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Sealed {
    sealed: String,
}

impl<T: Serialize + DeserializeOwned> SealedDocuments<T> {
    /// Uses the documents in `store` whose keys begin with `prefix`.
    pub(crate) fn new(store: Arc<dyn Store>, prefix: &'static str, sealer: Arc<Sealer>) -> Self {
        Self {
            documents: Documents::new(store, prefix),
            sealer,
            kind: PhantomData,
        }
    }

    /// Returns the store.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        self.documents.store()
    }

    /// Returns the key of the document `id`.
    pub(crate) fn key(&self, id: &str) -> Arc<str> {
        self.documents.key(id)
    }

    /// Returns the document `id`. One that is sealed with an unknown key does not exist.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] if the store is unavailable.
    pub(crate) async fn get(&self, id: &str) -> Result<Option<Versioned<T>>, DocumentError> {
        let found = self.documents.get(id).await?;
        Ok(found.and_then(|found| self.opened(id, &found)))
    }

    /// Returns up to `limit` identifiers greater than `after`, with their documents if those can be
    /// opened.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] if the store is unavailable.
    pub(crate) async fn list(
        &self,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Option<Versioned<T>>)>, DocumentError> {
        let found = self.documents.list("", after, limit).await?;
        let opened = found.into_iter().map(|(id, found)| {
            let value = self.opened(&id, &found);
            (id, value)
        });
        Ok(opened.collect())
    }

    /// Adds a write of `value` under `id` to `batch`, which is deleted at `expires`.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] if the document cannot be sealed.
    pub(crate) fn put(
        &self,
        batch: Batch,
        id: &str,
        value: &T,
        expires: SystemTime,
    ) -> Result<Batch, DocumentError> {
        let plain = serde_json::to_vec(value);
        let plain = plain.map_err(|error| DocumentError::Invalid(error.into()))?;
        let sealed = self.sealer.seal(&self.key(id), &plain);
        let sealed = sealed.map_err(|error| DocumentError::Invalid(error.into()))?;
        self.documents
            .put(batch, id, &Sealed { sealed }, Some(expires))
    }

    /// Returns the content of `value`, the document that was read under `id`.
    pub(crate) fn open(&self, id: &str, value: &[u8]) -> Option<T> {
        let Sealed { sealed } = serde_json::from_slice(value).ok()?;
        self.open_text(id, &sealed)
    }

    fn opened(&self, id: &str, found: &Versioned<Sealed>) -> Option<Versioned<T>> {
        let value = self.open_text(id, &found.value.sealed);
        if value.is_none() {
            tracing::warn!(id, "document sealed with an unknown key");
        }
        Some(Versioned {
            value: value?,
            version: found.version,
        })
    }

    fn open_text(&self, id: &str, sealed: &str) -> Option<T> {
        let plain = self.sealer.open(&self.key(id), sealed)?;
        serde_json::from_slice(&plain).ok()
    }
}

impl<T> Clone for SealedDocuments<T> {
    fn clone(&self) -> Self {
        Self {
            documents: self.documents.clone(),
            sealer: Arc::clone(&self.sealer),
            kind: PhantomData,
        }
    }
}

impl<T> fmt::Debug for SealedDocuments<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SealedDocuments")
            .field(&self.documents)
            .finish()
    }
}
