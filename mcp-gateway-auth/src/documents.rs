use std::marker::PhantomData;
use std::sync::Arc;

use mcp_gateway_core::store::{Batch, Document, Entry, Store, Version};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::AuthorityError;
use crate::clock::moment;

/// Documents of one kind in the store, as JSON.
pub(crate) struct Documents<T> {
    store: Arc<dyn Store>,
    /// What their keys begin with, up to and including a slash.
    prefix: &'static str,
    kind: PhantomData<fn() -> T>,
}

/// A document that was read, and the version that it was read at.
#[derive(Clone, Debug)]
pub(crate) struct Stored<T> {
    pub(crate) value: T,
    pub(crate) version: Version,
}

impl<T: Serialize + DeserializeOwned> Documents<T> {
    pub(crate) fn new(store: Arc<dyn Store>, prefix: &'static str) -> Self {
        Self {
            store,
            prefix,
            kind: PhantomData,
        }
    }

    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// The key of the document `id`.
    pub(crate) fn key(&self, id: &str) -> Arc<str> {
        format!("{}{id}", self.prefix).into()
    }

    pub(crate) async fn get(&self, id: &str) -> Result<Option<Stored<T>>, AuthorityError> {
        // Longer ones come from outside: nothing of ours has such an identifier.
        if id.is_empty() || id.len() > MAX_ID || id.contains(char::is_control) {
            return Ok(None);
        }
        let document = self.store.get(&self.key(id)).await?;
        document.as_ref().map(read).transpose()
    }

    /// Up to `limit` documents after `after`, with their identifiers.
    pub(crate) async fn list(
        &self,
        below: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Stored<T>)>, AuthorityError> {
        let after = after.map(|id| self.key(id));
        let prefix = self.key(below);
        let entries = self.store.list(&prefix, after.as_deref(), limit).await?;
        let entry = |Entry { key, document }: &Entry| {
            let id = key.strip_prefix(self.prefix).unwrap_or(key);
            Ok((id.to_owned(), read(document)?))
        };
        entries.iter().map(entry).collect()
    }

    /// Adds to `batch` that `value` is put under `id`, until `expires` seconds after 1970.
    pub(crate) fn put(
        &self,
        batch: Batch,
        id: &str,
        value: &T,
        expires: Option<u64>,
    ) -> Result<Batch, AuthorityError> {
        let value = serde_json::to_vec(value).map_err(AuthorityError::document)?;
        Ok(match expires {
            Some(expires) => batch.put_until(self.key(id), value, moment(expires)),
            None => batch.put(self.key(id), value),
        })
    }
}

fn read<T: DeserializeOwned>(document: &Document) -> Result<Stored<T>, AuthorityError> {
    Ok(Stored {
        value: serde_json::from_slice(&document.value).map_err(AuthorityError::document)?,
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

impl<T> std::fmt::Debug for Documents<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Documents").field(&self.prefix).finish()
    }
}

/// Client identifiers may be URLs.
const MAX_ID: usize = 2048;
