//! Counters by key: a sharded table of limited size.

use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use foldhash::fast::RandomState;
use hashbrown::{Equivalent, HashTable};

use crate::key::{Key, KeyRef};

/// State of one key of a limit.
pub(crate) trait Counter: Send + Sync + 'static {
    /// Returns `true` if a new counter is the same at the time `now`, in nanoseconds.
    fn is_new(&self, now: u64) -> bool;
}

/// Counters of the keys of one limit.
///
/// A shard that is full drops the counters that are as good as new. A counter that matters is never
/// dropped: the table refuses new keys instead, so that no caller can reset a limit.
pub(crate) struct Counters<C> {
    shards: [Shard<C>; SHARDS],
    hasher: RandomState,
    per_shard: usize,
}

struct Shard<C> {
    table: RwLock<HashTable<(Key, Arc<C>)>>,
    /// Time before which the shard is not cleaned again.
    next_clean: AtomicU64,
}

impl<C: Counter> Counters<C> {
    /// Creates a table for [`CAPACITY`] keys.
    pub(crate) fn new() -> Self {
        Self::with_capacity(CAPACITY)
    }

    /// Creates a table for about `keys` keys.
    pub(crate) fn with_capacity(keys: usize) -> Self {
        Self {
            shards: std::array::from_fn(|_| Shard {
                table: RwLock::default(),
                next_clean: AtomicU64::new(0),
            }),
            hasher: RandomState::default(),
            per_shard: keys.div_ceil(SHARDS),
        }
    }

    /// Returns the counter of `key`.
    pub(crate) fn get(&self, key: &KeyRef<'_>) -> Option<Arc<C>> {
        let hash = self.hasher.hash_one(key);
        let table = self.shard(hash).table.read();
        let table = table.unwrap_or_else(PoisonError::into_inner);
        let found = table.find(hash, |(known, _)| key.equivalent(known))?;
        Some(Arc::clone(&found.1))
    }

    /// Returns the counter of `key`, with `create` if there is none; `None` if the table is full.
    pub(crate) fn get_or_insert(
        &self,
        key: &KeyRef<'_>,
        now: u64,
        create: impl FnOnce(&Key) -> C,
    ) -> Option<Arc<C>> {
        let hash = self.hasher.hash_one(key);
        let shard = self.shard(hash);
        let mut table = shard.table.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = table.find(hash, |(known, _)| key.equivalent(known)) {
            return Some(Arc::clone(&found.1));
        }
        if table.len() >= self.per_shard && !shard.clean(&mut table, now) {
            return None;
        }
        let key = key.to_owned();
        let counter = Arc::new(create(&key));
        let entry = (key, Arc::clone(&counter));
        table.insert_unique(hash, entry, |(key, _)| self.hasher.hash_one(key.borrowed()));
        Some(counter)
    }

    /// Calls `each` with a snapshot of the counters, without a lock.
    pub(crate) fn for_each(&self, mut each: impl FnMut(&Key, &Arc<C>)) {
        for shard in &self.shards {
            let table = shard.table.read().unwrap_or_else(PoisonError::into_inner);
            let entries: Vec<_> = table.iter().cloned().collect();
            drop(table);
            for (key, counter) in &entries {
                each(key, counter);
            }
        }
    }

    fn shard(&self, hash: u64) -> &Shard<C> {
        // The table uses the lowest and the highest bits.
        let at = usize::try_from(hash >> 32 & 0xffff).unwrap_or_default();
        &self.shards[at % SHARDS]
    }
}

impl<C: Counter> Shard<C> {
    /// Drops the counters that nobody holds and that are as good as new; returns `true` if there
    /// were any. At most once a second, because it reads all of them.
    fn clean(&self, table: &mut HashTable<(Key, Arc<C>)>, now: u64) -> bool {
        if now < self.next_clean.load(Ordering::Relaxed) {
            return false;
        }
        self.next_clean
            .store(now.saturating_add(CLEAN_INTERVAL), Ordering::Relaxed);
        let before = table.len();
        // Counters are handed out under the lock, so that nobody can count on a dropped one.
        table.retain(|(_, counter)| Arc::strong_count(counter) > 1 || !counter.is_new(now));
        table.len() < before
    }
}

impl<C> fmt::Debug for Counters<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counters").finish_non_exhaustive()
    }
}

const SHARDS: usize = 16;

/// Maximum number of keys of a limit.
pub(crate) const CAPACITY: usize = 65_536;

/// Nanoseconds between two cleanings of a shard.
const CLEAN_INTERVAL: u64 = 1_000_000_000;
