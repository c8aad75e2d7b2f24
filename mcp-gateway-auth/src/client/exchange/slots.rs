//! Exchanged tokens of callers.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use mcp_gateway_core::auth::Principal;
use moka::sync::Cache;
use tokio::sync::watch;

use super::SubjectToken;
use crate::bearer::TokenDigest;
use crate::client::token_slot::TokenSlot;
use crate::token::Revocations;

/// Slots with the state `S`, one for each principal and token that has proved its identity.
pub(super) struct CallerSlots<S> {
    slots: Cache<SlotKey, Arc<TokenSlot<S>>>,
    revoked: Option<RevokedSubjects>,
}

/// Owner of an exchanged token.
#[derive(Clone, Eq, Hash, PartialEq)]
struct SlotKey {
    subject: Arc<str>,
    digest: TokenDigest,
}

/// Principals whose tokens are revoked.
struct RevokedSubjects {
    revocations: Revocations,
    seen: Mutex<watch::Receiver<()>>,
}

impl<S: Default + Send + 'static> CallerSlots<S> {
    /// Creates an empty set.
    pub(super) fn new() -> Self {
        let slots = Cache::builder()
            .max_capacity(MAX_SLOTS)
            .time_to_idle(MAX_IDLE)
            .support_invalidation_closures()
            .build();
        Self {
            slots,
            revoked: None,
        }
    }

    /// Drops the slots of the principals in `revocations` with the next lookup.
    pub(super) fn with_revocations(mut self, revocations: Revocations) -> Self {
        let seen = Mutex::new(revocations.subscribe());
        self.revoked = Some(RevokedSubjects { revocations, seen });
        self
    }

    /// Returns the slot of `principal`, whose identity `subject` proves.
    pub(super) fn get(&self, principal: &Principal, subject: &SubjectToken) -> Arc<TokenSlot<S>> {
        if let Some(revoked) = self.revoked.as_ref().filter(|it| it.has_new()) {
            let revocations = revoked.revocations.clone();
            self.drop_if(move |subject| revocations.revokes_subject(subject));
        }
        let key = SlotKey {
            subject: principal.subject().into(),
            digest: subject.digest(),
        };
        self.slots.get_with(key, Arc::default)
    }

    /// Drops the slots of the principal `subject`.
    pub(super) fn forget(&self, subject: &str) {
        let forgotten: Arc<str> = subject.into();
        self.drop_if(move |subject| *subject == *forgotten);
    }

    fn drop_if(&self, is_dropped: impl Fn(&str) -> bool + Send + Sync + 'static) {
        let dropped = self
            .slots
            .invalidate_entries_if(move |key, _| is_dropped(&key.subject));
        // Only a cache without the support for it returns an error.
        debug_assert!(dropped.is_ok());
    }
}

impl RevokedSubjects {
    /// Returns `true` if there are revocations since the last call.
    fn has_new(&self) -> bool {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let has_new = seen.has_changed().unwrap_or(false);
        if has_new {
            seen.borrow_and_update();
        }
        has_new
    }
}

/// Number of slots.
const MAX_SLOTS: u64 = 10_000;

/// Time after which a slot that no call uses is dropped.
const MAX_IDLE: Duration = Duration::from_secs(15 * 60);
