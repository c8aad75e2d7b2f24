//! Contract of every [`Store`].
//!
//! [`store_contract!`](crate::store_contract) makes a test of each check:
//!
//! ```
//! use std::sync::Arc;
//!
//! use mcp_gateway_store::MemoryStore;
//! use mcp_gateway_tests::harness::store::Opened;
//!
//! async fn open() -> Opened {
//!     let store = MemoryStore::new();
//!     Opened::new(Arc::new(store.clone()), Arc::new(store))
//! }
//!
//! mcp_gateway_tests::store_contract!(memory, open);
//! ```

#![expect(
    clippy::missing_panics_doc,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a check panics when it fails"
)]

mod conditions;
mod documents;
mod lists;
mod model;
mod races;
mod replicas;
mod watches;

use std::{any::Any, fmt, sync::Arc, time::Duration};

use futures_util::stream::StreamExt;
use mcp_gateway_store::{Batch, CommitOutcome, Document, Store, WatchEvent, WatchStream};
use tokio::time::timeout;

pub use self::{
    conditions::*, documents::*, lists::*, model::*, races::*, replicas::*, watches::*,
};

/// An empty store, opened twice.
pub struct Opened {
    /// The store.
    pub store: Arc<dyn Store>,
    /// The same documents, as another replica has them.
    pub replica: Arc<dyn Store>,
    kept: Vec<Box<dyn Any + Send + Sync>>,
}

impl Opened {
    /// `replica` has the documents of `store`.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, replica: Arc<dyn Store>) -> Self {
        Self {
            store,
            replica,
            kept: Vec::new(),
        }
    }

    /// Keeps `needed` for as long as the stores are used.
    #[must_use]
    pub fn keep(mut self, needed: impl Any + Send + Sync) -> Self {
        self.kept.push(Box::new(needed));
        self
    }
}

impl fmt::Debug for Opened {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opened")
            .field("store", &self.store)
            .field("replica", &self.replica)
            .finish_non_exhaustive()
    }
}

/// A module of tests, one for each check of [`harness::store`](crate::harness::store).
///
/// The second argument is an `async fn() -> Opened`. Needs `tokio` with its macros.
#[macro_export]
macro_rules! store_contract {
    ($name:ident, $open:path) => {
        $crate::store_contract!(@ $name, $open:
            what_was_put_is_there
            a_put_replaces_what_was_there
            what_was_deleted_is_gone
            versions_are_never_used_again
            values_are_any_bytes
            a_value_may_have_a_mebibyte
            keys_are_any_text
            what_is_over_is_gone
            what_will_be_over_is_there_until_then
            a_new_put_decides_anew_when_it_is_over
            a_batch_writes_each_key_once
            absent_holds_where_nothing_is
            a_version_holds_until_the_next_write
            all_conditions_have_to_hold
            what_is_over_fulfills_no_version
            a_condition_may_be_about_another_key
            a_batch_without_writes_checks
            a_list_is_in_the_order_of_bytes
            a_list_has_what_begins_with_the_prefix
            pages_have_everything_once
            pages_go_on_where_a_key_was_deleted
            a_list_leaves_out_what_is_over
            one_of_many_commits_wins
            one_of_many_creations_wins
            no_increment_is_lost
            a_batch_is_never_seen_in_parts
            batches_of_many_keys_do_not_block_each_other
            a_commit_that_is_dropped_is_whole_or_nothing
            it_is_as_a_map_would_be
            a_watch_begins_with_a_reset
            a_watch_tells_of_writes
            a_watch_tells_of_its_prefix_alone
            a_watch_tells_of_a_key_in_order
            a_watch_does_not_tell_of_conflicts
            who_is_slow_is_told_to_list
            many_watch_at_once
            a_watch_ends_with_its_store
            a_replica_sees_what_was_acknowledged
            a_replica_hears_of_writes
            one_commit_wins_among_replicas
        );
    };
    (@ $name:ident, $open:path: $($check:ident)*) => {
        mod $name {
            #[allow(unused_imports, reason = "the function may be anywhere")]
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $check() {
                    let opened = $open().await;
                    $crate::harness::store::$check(opened).await;
                }
            )*
        }
    };
}

/// Commits `batch`, whose conditions hold.
async fn write(store: &dyn Store, batch: Batch) {
    assert_eq!(store.commit(batch).await.unwrap(), CommitOutcome::Committed);
}

async fn put(store: &dyn Store, key: &str, value: &'static str) -> Document {
    write(store, Batch::new().put(key, value)).await;
    store.get(key).await.unwrap().unwrap()
}

async fn get(store: &dyn Store, key: &str) -> Option<Document> {
    store.get(key).await.unwrap()
}

async fn is_there(store: &dyn Store, key: &str) -> bool {
    get(store, key).await.is_some()
}

async fn keys(store: &dyn Store, prefix: &str) -> Vec<String> {
    let entries = store.list(prefix, None, usize::MAX).await.unwrap();
    entries.iter().map(|entry| entry.key.to_string()).collect()
}

/// A watch that has begun.
async fn watch(store: &dyn Store, prefix: &str) -> WatchStream {
    let mut events = store.watch(prefix);
    assert_eq!(next(&mut events).await, WatchEvent::Reset);
    events
}

async fn next(events: &mut WatchStream) -> WatchEvent {
    timeout(DEADLINE, events.next()).await.unwrap().unwrap()
}

/// Far longer than anything here takes.
const DEADLINE: Duration = Duration::from_secs(30);
