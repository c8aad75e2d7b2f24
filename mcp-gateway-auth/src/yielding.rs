//! A store for tests of races.

use async_trait::async_trait;
use mcp_gateway_store::{
    Batch, CommitOutcome, Document, ListedDocument, MemoryStore, Store, StoreError, WatchStream,
};
use tokio::task::yield_now;

/// A store whose readers proceed only after all concurrent readers have read: every race is lost.
#[derive(Debug)]
pub(crate) struct YieldingStore(MemoryStore);

impl YieldingStore {
    pub(crate) fn new() -> Self {
        Self(MemoryStore::new())
    }
}

#[async_trait]
impl Store for YieldingStore {
    async fn get(&self, key: &str) -> Result<Option<Document>, StoreError> {
        let document = self.0.get(key).await;
        yield_now().await;
        document
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ListedDocument>, StoreError> {
        self.0.list(prefix, after, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<CommitOutcome, StoreError> {
        self.0.commit(batch).await
    }

    fn watch(&self, prefix: &str) -> WatchStream {
        self.0.watch(prefix)
    }
}
