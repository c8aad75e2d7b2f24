//! Sessions of the legacy era.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use tokio_util::sync::CancellationToken;

/// Open sessions, each with a token that ends its streams.
#[derive(Debug, Default)]
pub(super) struct Sessions {
    open: RwLock<HashMap<Box<str>, CancellationToken>>,
    count: AtomicU64,
    /// Random keys. The hashes of consecutive numbers are random enough for IDs that protect
    /// nothing.
    random: [RandomState; 2],
}

impl Sessions {
    /// Opens a session and returns its ID.
    pub(super) fn open(&self) -> Box<str> {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let [first, second] = self.random.each_ref().map(|state| state.hash_one(number));
        let id: Box<str> = format!("{first:016x}{second:016x}").into();
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        open.insert(id.clone(), CancellationToken::new());
        id
    }

    /// Returns `true` if the session `id` is open.
    pub(super) fn has(&self, id: &str) -> bool {
        self.open
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(id)
    }

    /// Returns the token that ends the streams of the open session `id`.
    pub(super) fn end_of(&self, id: &str) -> Option<CancellationToken> {
        self.open
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    /// Ends the session `id`; returns `true` if it was open.
    pub(super) fn end(&self, id: &str) -> bool {
        let ended = self
            .open
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(id);
        if let Some(end) = &ended {
            end.cancel();
        }
        ended.is_some()
    }
}
