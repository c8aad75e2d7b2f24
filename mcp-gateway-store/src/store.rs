//! The trait of all stores, and the documents that they hold.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use async_trait::async_trait;
use bytes::Bytes;

use crate::{Batch, BoxError, Events};

/// Holds documents under keys.
///
/// Shared by everything that runs, and by all replicas. Reads see every write that was acknowledged
/// before they began, whichever replica it was made at. A document whose time is over is gone for
/// every method, whether or not it still takes up space.
///
/// # Cancel safety
///
/// Futures are dropped at any `.await`. A batch whose future was dropped has been written as a whole
/// or not at all; which of them is not known.
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// The document under `key`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot be asked.
    async fn get(&self, key: &str) -> Result<Option<Document>, StoreError>;

    /// The documents whose keys begin with `prefix` and come after `after`, in the order of their
    /// keys, up to `limit` of them. The next page comes after the last key of this one, whether or
    /// not that is still there.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot be asked.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError>;

    /// Writes `batch` if all its conditions hold. When this returns, the writes are durable.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the store cannot be asked; whether the batch was written is not known
    /// then.
    async fn commit(&self, batch: Batch) -> Result<Outcome, StoreError>;

    /// Tells of writes to keys that begin with `prefix`, also of those of other replicas.
    ///
    /// The first event is [`Event::Reset`]: writes that are made after it are told of, those before
    /// it are to be [listed](Store::list). It comes again whenever writes may have been missed.
    ///
    /// Writes to one key are told of in their order; one that another has followed may be left out,
    /// and some that were made before the first event may be told of. What is over by itself is not
    /// told of. The stream ends with the store.
    fn watch(&self, prefix: &str) -> Events;
}

#[async_trait]
impl<S: Store + ?Sized> Store for Arc<S> {
    async fn get(&self, key: &str) -> Result<Option<Document>, StoreError> {
        (**self).get(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<Entry>, StoreError> {
        (**self).list(prefix, after, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<Outcome, StoreError> {
        (**self).commit(batch).await
    }

    fn watch(&self, prefix: &str) -> Events {
        (**self).watch(prefix)
    }
}

/// What is held under a key.
#[derive(Clone, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `Store` make them"
)]
pub struct Document {
    /// What was written.
    pub value: Bytes,
    /// Which write it was.
    pub version: Version,
    /// When it will be gone.
    pub expires: Option<SystemTime>,
}

impl fmt::Debug for Document {
    /// Does not show what was written, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("len", &self.value.len())
            .field("version", &self.version)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Tells the writes to a key apart, also those before and after a deletion.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `Store` make them"
)]
pub struct Version(pub u64);

/// A document, and where it is.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `Store` make them"
)]
pub struct Entry {
    /// Its key.
    pub key: Arc<str>,
    /// What is there.
    pub document: Document,
}

/// What came of a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a batch is written or not")]
#[must_use = "a batch may not have been written"]
pub enum Outcome {
    /// It has been written.
    Committed,
    /// One of its conditions does not hold, and nothing was written.
    Conflict,
}

/// What has happened to what is watched.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// What was under the key has been deleted.
    Deleted(Arc<str>),
    /// Something was written.
    Put(Entry),
    /// Nothing is known of the writes before this; they are to be listed.
    Reset,
}

/// The store cannot be asked.
#[derive(Debug, thiserror::Error)]
#[error("the store cannot be reached")]
#[non_exhaustive]
pub struct StoreError(#[source] pub BoxError);

impl StoreError {
    /// What has failed.
    pub fn new(source: impl Into<BoxError>) -> Self {
        Self(source.into())
    }
}
