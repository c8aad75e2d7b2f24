//! Locks by key.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, Weak};

use tokio::sync::{Mutex, OwnedMutexGuard};

/// Locks that exist while somebody holds or awaits them.
#[derive(Debug, Default)]
pub(super) struct KeyedLocks(std::sync::Mutex<HashMap<String, Weak<Mutex<()>>>>);

impl KeyedLocks {
    /// Waits for the lock of `key`.
    pub(super) async fn lock(&self, key: &str) -> OwnedMutexGuard<()> {
        let lock = self.get(key);
        lock.lock_owned().await
    }

    fn get(&self, key: &str) -> Arc<Mutex<()>> {
        let mut locks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(lock) = locks.get(key).and_then(Weak::upgrade) {
            return lock;
        }
        locks.retain(|_, lock| lock.strong_count() > 0);
        let lock = Arc::default();
        locks.insert(key.to_owned(), Arc::downgrade(&lock));
        lock
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn a_key_has_one_lock_while_it_is_held() {
        let locks = KeyedLocks::default();
        let first = locks.lock("a").await;
        assert!(locks.lock("a").now_or_never().is_none());
        assert!(locks.lock("b").now_or_never().is_some());
        drop(first);
        assert!(locks.lock("a").now_or_never().is_some());
        assert_eq!(locks.0.lock().unwrap().len(), 1);
    }
}
