//! Refreshes while the store is unavailable.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use mcp_gateway_core::auth::Principal;
use mcp_gateway_store::{
    Batch, CommitOutcome, Document, ListedDocument, MemoryStore, Store, StoreError, WatchStream,
};
use tokio::time::sleep;

use crate::harness::{HOUR, Harness, bearer};

/// Store that can be cut off. Cheap to clone.
#[derive(Clone, Debug)]
struct Cut {
    store: MemoryStore,
    commits: Arc<AtomicUsize>,
    is_cut: Arc<AtomicBool>,
}

impl Cut {
    fn set(&self, is_cut: bool) {
        self.is_cut.store(is_cut, Ordering::Relaxed);
    }

    fn check(&self) -> Result<(), StoreError> {
        match self.is_cut.load(Ordering::Relaxed) {
            true => Err(StoreError::new("connection refused")),
            false => Ok(()),
        }
    }
}

#[async_trait]
impl Store for Cut {
    async fn get(&self, key: &str) -> Result<Option<Document>, StoreError> {
        self.check()?;
        self.store.get(key).await
    }

    async fn list(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<ListedDocument>, StoreError> {
        self.check()?;
        self.store.list(prefix, after, limit).await
    }

    async fn commit(&self, batch: Batch) -> Result<CommitOutcome, StoreError> {
        self.check()?;
        let outcome = self.store.commit(batch).await;
        self.commits.fetch_add(1, Ordering::Relaxed);
        outcome
    }

    fn watch(&self, prefix: &str) -> WatchStream {
        self.store.watch(prefix)
    }
}

/// The authorization server ends the whole grant when a refresh token is used twice.
#[tokio::test]
async fn o54_a_refresh_during_an_outage_of_the_store_is_not_repeated_after_it() {
    let harness = Harness::start().await;
    harness.connect_user("alice").await;
    let cut = Cut {
        store: harness.store.clone(),
        commits: Arc::default(),
        is_cut: Arc::default(),
    };
    let replica = harness.replica_in(Arc::new(cut.clone())).await;
    let other = harness.replica().await;
    let old = replica.credential(Principal::new("alice")).await.unwrap();
    let delay = Duration::from_millis(200);
    harness.provider.habits(|habits| habits.delay = delay);
    harness.clock.advance(HOUR);

    // The store fails while the tokens are on their way, and for longer than the lease.
    let outage = async {
        while cut.commits.load(Ordering::Relaxed) == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        cut.set(true);
        while harness.provider.refreshes().is_empty() {
            sleep(Duration::from_millis(5)).await;
        }
        harness.clock.advance(Duration::from_secs(30));
    };
    let (token, ()) = tokio::join!(replica.token("alice"), outage);
    let token = token.unwrap();
    assert_ne!(token, bearer(&old));
    assert_eq!(replica.token("alice").await.unwrap(), token, "from memory");

    cut.set(false);
    assert_eq!(other.token("alice").await.unwrap(), token);
    assert_eq!(replica.token("alice").await.unwrap(), token);
    assert_eq!(harness.provider.refreshes().len(), 1);
    assert_eq!(harness.provider.killed(), 0);
}
