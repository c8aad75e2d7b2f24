//! The [`Store`] trait, and the documents that stores hold.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use crate::{Batch, Document, ListedDocument, StoreError, WatchStream};

/// A store of documents under keys, shared by all parts of a gateway and all replicas.
///
/// A read returns every write that was acknowledged before the read began, by whichever replica. An
/// expired document is invisible to every method, whether or not it still takes up space.
///
/// # Cancel safety
///
/// Futures are dropped at any `.await`. A batch whose future was dropped has been written as a
/// whole or not at all; the caller cannot tell which.
///
/// # Example
///
/// Code that is generic over the store takes a trait object:
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_store::{Batch, MemoryStore, CommitOutcome, Store, StoreError};
///
/// async fn record(store: &dyn Store, jti: &str) -> Result<bool, StoreError> {
///     let key = format!("seen/{jti}");
///     let batch = Batch::new().if_absent(key.as_str()).put(key.as_str(), "");
///     Ok(store.commit(batch).await? == CommitOutcome::Committed)
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), StoreError> {
/// let store: Arc<dyn Store> = Arc::new(MemoryStore::new());
/// assert!(record(&store, "1").await?);
/// assert!(!record(&store, "1").await?);
///
/// let page = store.list("seen/", None, 10).await?;
/// assert_eq!(page.len(), 1);
/// assert!(store.list("seen/", Some("seen/1"), 10).await?.is_empty());
/// # Ok(())
/// # }
/// ```
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// Returns the document under `key`.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    async fn get(&self, key: &str) -> Result<Option<Document>, StoreError>;

    /// Returns up to `limit` documents whose keys begin with `prefix` and are greater than `after`,
    /// ordered by key.
    ///
    /// For the next page, pass the last key of this one, even if it has been deleted in the
    /// meantime.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable.
    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ListedDocument>, StoreError>;

    /// Writes `batch` if all its conditions hold. The writes are durable when this returns.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the store is unavailable. The batch may have been written or not.
    async fn commit(&self, batch: Batch) -> Result<CommitOutcome, StoreError>;

    /// Returns the writes to keys that begin with `prefix`, by all replicas.
    ///
    /// The first event is [`WatchEvent::Reset`](crate::WatchEvent::Reset). Later writes are reported; [list](Store::list) the
    /// earlier ones after it. A `Reset` is repeated whenever writes may have been missed.
    ///
    /// Writes to one key are reported in their order. A write may be omitted if another one to the
    /// same key follows, and some writes before the first event may be reported. Expirations are
    /// not reported. The stream ends with the store.
    fn watch(&self, prefix: &str) -> WatchStream;

    /// Completes the writes that have been submitted and releases files and connections, for all
    /// clones. Does nothing by default.
    ///
    /// Called once, at the end of the process. Other operations may fail afterwards.
    ///
    /// # Cancel safety
    ///
    /// Writes complete even if the future is dropped.
    async fn close(&self) {}
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
    ) -> Result<Vec<ListedDocument>, StoreError> {
        (**self).list(prefix, after, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<CommitOutcome, StoreError> {
        (**self).commit(batch).await
    }

    fn watch(&self, prefix: &str) -> WatchStream {
        (**self).watch(prefix)
    }

    async fn close(&self) {
        (**self).close().await;
    }
}

/// The outcome of a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "a batch is written or not")]
#[must_use = "a batch may not have been written"]
pub enum CommitOutcome {
    /// The batch has been written.
    Committed,
    /// A condition does not hold, and nothing was written.
    Conflict,
}
