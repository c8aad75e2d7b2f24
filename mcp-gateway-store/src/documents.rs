//! Typed documents.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::SystemTime;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::{Batch, BoxError, Document, Entry, Store, StoreError, Version};

/// Documents of one type in a store, as JSON.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_store::{Batch, Documents, MemoryStore, Outcome, Store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let notes: Documents<String> = Documents::new(Arc::new(MemoryStore::new()), "note/");
/// let batch = notes.put(Batch::new(), "1", &"buy milk".to_owned(), None)?;
/// assert_eq!(notes.store().commit(batch).await?, Outcome::Committed);
///
/// let note = notes.get("1").await?.unwrap();
/// assert_eq!(note.value, "buy milk");
/// let delete = Batch::new().if_version(notes.key("1"), note.version).delete(notes.key("1"));
/// assert_eq!(notes.store().commit(delete).await?, Outcome::Committed);
/// assert!(notes.get("1").await?.is_none());
/// # Ok(())
/// # }
/// ```
pub struct Documents<T> {
    store: Arc<dyn Store>,
    /// What their keys begin with, up to and including a slash.
    prefix: &'static str,
    kind: PhantomData<fn() -> T>,
}

/// A document that was read, and the version that it was read at.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "its readers take it apart")]
pub struct Stored<T> {
    /// Content of the document.
    pub value: T,
    /// Version of the document, for [`Batch::if_version`].
    pub version: Version,
}

/// The reason why typed documents cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// A document is not JSON of the expected form.
    #[error("invalid document")]
    Invalid(#[source] BoxError),
    /// The store cannot be asked.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<T: Serialize + DeserializeOwned> Documents<T> {
    /// Documents whose keys begin with `prefix`, up to and including a slash.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, prefix: &'static str) -> Self {
        Self {
            store,
            prefix,
            kind: PhantomData,
        }
    }

    /// Store that holds the documents.
    #[must_use]
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The key of the document `id`.
    #[must_use]
    pub fn key(&self, id: &str) -> Arc<str> {
        format!("{}{id}", self.prefix).into()
    }

    /// Returns the document `id`, if it exists.
    ///
    /// An empty identifier, one of more than 2,048 bytes and one with control characters name no document.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] if the store cannot be asked, or the document is invalid.
    pub async fn get(&self, id: &str) -> Result<Option<Stored<T>>, DocumentError> {
        // Longer ones come from outside: nothing of ours has such an identifier.
        if id.is_empty() || id.len() > MAX_ID || id.contains(char::is_control) {
            return Ok(None);
        }
        let document = self.store.get(&self.key(id)).await?;
        document.as_ref().map(read).transpose()
    }

    /// Returns up to `limit` documents whose identifiers begin with `below` and come after `after`,
    /// with their identifiers and in the order of these.
    ///
    /// # Errors
    ///
    /// [`DocumentError`] if the store cannot be asked, or a document is invalid.
    pub async fn list(
        &self,
        below: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Stored<T>)>, DocumentError> {
        let after = after.map(|id| self.key(id));
        let prefix = self.key(below);
        let entries = self.store.list(&prefix, after.as_deref(), limit).await?;
        let entry = |Entry { key, document }: &Entry| {
            let id = key.strip_prefix(self.prefix).unwrap_or(key);
            Ok((id.to_owned(), read(document)?))
        };
        entries.iter().map(entry).collect()
    }

    /// Adds to `batch` that `value` is put under `id`, where it expires at `expires`.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Invalid`] if `value` cannot be written as JSON.
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

fn invalid(error: serde_json::Error) -> DocumentError {
    DocumentError::Invalid(error.into())
}

fn read<T: DeserializeOwned>(document: &Document) -> Result<Stored<T>, DocumentError> {
    Ok(Stored {
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

/// Client identifiers may be URLs.
const MAX_ID: usize = 2048;
