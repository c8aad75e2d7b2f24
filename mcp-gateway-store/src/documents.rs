//! Typed documents, as JSON.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Batch, BoxError, Document, DocumentVersion, ListedDocument, Store, StoreError};

/// Documents of one type in a store, as JSON.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_store::{Batch, Documents, MemoryStore, CommitOutcome, Store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let notes: Documents<String> = Documents::new(Arc::new(MemoryStore::new()), "note/");
/// let batch = notes.put(Batch::new(), "1", &"buy milk".to_owned(), None)?;
/// assert_eq!(notes.store().commit(batch).await?, CommitOutcome::Committed);
///
/// let note = notes.get("1").await?.unwrap();
/// assert_eq!(note.value, "buy milk");
/// let delete = Batch::new().if_version(notes.key("1"), note.version).delete(notes.key("1"));
/// assert_eq!(notes.store().commit(delete).await?, CommitOutcome::Committed);
/// assert!(notes.get("1").await?.is_none());
/// # Ok(())
/// # }
/// ```
pub struct Documents<T> {
    store: Arc<dyn Store>,
    /// Prefix of their keys, including the final slash.
    prefix: &'static str,
    kind: PhantomData<fn() -> T>,
}

/// A document together with its version, for a conditional write.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "its readers take it apart")]
pub struct Versioned<T> {
    /// Content of the document.
    pub value: T,
    /// Version of the document, for [`Batch::if_version`].
    pub version: DocumentVersion,
}

/// The reason for which typed documents could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// The document is not JSON of the expected form.
    #[error("invalid document")]
    Invalid(#[source] BoxError),
    /// The store is unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<T: Serialize + DeserializeOwned> Documents<T> {
    /// Uses the documents in `store` whose keys begin with `prefix`, which includes the final
    /// slash.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, prefix: &'static str) -> Self {
        Self {
            store,
            prefix,
            kind: PhantomData,
        }
    }

    /// Returns the store of the documents.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Returns the key of the document `id`.
    #[must_use]
    pub fn key(&self, id: &str) -> Arc<str> {
        format!("{}{id}", self.prefix).into()
    }

    /// Returns the document `id`, if it exists.
    ///
    /// An empty identifier, one of more than 2,048 bytes and one with control characters name no
    /// document.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] if the store is unavailable, or the document is invalid.
    pub async fn get(&self, id: &str) -> Result<Option<Versioned<T>>, DocumentError> {
        // Such an identifier comes from outside: no document has it.
        if id.is_empty() || id.len() > MAX_ID || id.contains(char::is_control) {
            return Ok(None);
        }
        let document = self.store.get(&self.key(id)).await?;
        document.as_ref().map(read).transpose()
    }

    /// Returns up to `limit` documents whose identifiers begin with `below` and are greater than
    /// `after`, with their identifiers and ordered by them.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] if the store is unavailable, or a document is invalid.
    pub async fn list(
        &self,
        below: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Versioned<T>)>, DocumentError> {
        let after = after.map(|id| self.key(id));
        let prefix = self.key(below);
        let entries = self.store.list(&prefix, after.as_deref(), limit).await?;
        let entry = |ListedDocument { key, document }: &ListedDocument| {
            let id = key.strip_prefix(self.prefix).unwrap_or(key);
            Ok((id.to_owned(), read(document)?))
        };
        entries.iter().map(entry).collect()
    }

    /// Adds a write of `value` under `id` to `batch`, with an optional expiration time.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Invalid`] if `value` cannot be serialized as JSON.
    pub fn put(
        &self,
        batch: Batch,
        id: &str,
        value: &T,
        expires: Option<SystemTime>,
    ) -> Result<Batch, DocumentError> {
        let value = serde_json::to_vec(value).map_err(invalid)?;
        Ok(match expires {
            Some(expires) => batch.put_until(self.key(id), value, expires),
            None => batch.put(self.key(id), value),
        })
    }
}

/// Wraps an error of the JSON parser or serializer.
fn invalid(error: serde_json::Error) -> DocumentError {
    DocumentError::Invalid(error.into())
}

/// Parses a document.
fn read<T: DeserializeOwned>(document: &Document) -> Result<Versioned<T>, DocumentError> {
    Ok(Versioned {
        value: serde_json::from_slice(&document.value).map_err(invalid)?,
        version: document.version,
    })
}

impl<T> Clone for Documents<T> {
    fn clone(&self) -> Self {
        Self {
            store: Arc::clone(&self.store),
            ..*self
        }
    }
}

impl<T> fmt::Debug for Documents<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Documents").field(&self.prefix).finish()
    }
}

/// Maximum length of an identifier, in bytes. Client IDs may be URLs.
const MAX_ID: usize = 2048;
