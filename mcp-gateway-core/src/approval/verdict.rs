//! Verdict about a call, on its way from the layer that asks to the one that authorizes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use super::{ApprovalKey, Unapproved};

/// Extension of a call: the verdict about it, or about the call that it derives from.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// An approval has been redeemed for the call.
    Approved(ApprovalPass),
    /// The call does not run.
    Rejected(Unapproved),
    /// Nobody is asked about the call, because it is part of another one: it runs only if it requires no
    /// approval.
    Unaskable,
}

/// Redeemed approval. It permits one call with its key.
#[derive(Clone, Debug)]
pub(crate) struct ApprovalPass {
    key: ApprovalKey,
    /// [`NEW`], [`USED`], [`RESTORED`] or [`SPENT`].
    state: Arc<AtomicU8>,
}

impl ApprovalPass {
    /// Creates the pass of an approval that has been redeemed for the call with the key `key`.
    pub(crate) fn new(key: ApprovalKey) -> Self {
        let state = Arc::new(AtomicU8::new(NEW));
        Self { key, state }
    }

    /// Uses the pass for the call with the key `key`; returns `false` if it permits another call, or
    /// has been used.
    pub(crate) fn take(&self, key: &ApprovalKey) -> bool {
        let usable = |state| matches!(state, NEW | RESTORED).then_some(USED);
        let (order, read) = (Ordering::AcqRel, Ordering::Acquire);
        self.key == *key && self.state.fetch_update(order, read, usable).is_ok()
    }

    /// Restores the pass of a call that has not reached its server.
    pub(crate) fn restore(&self) {
        // One that has not been used is not restored: its call may not have required it.
        let (used, restored) = (USED, RESTORED);
        let order = Ordering::AcqRel;
        let _ = self
            .state
            .compare_exchange(used, restored, order, Ordering::Acquire);
    }

    /// Makes the use of the pass final, because the call may have reached its server.
    pub(crate) fn spend(&self) {
        self.state.store(SPENT, Ordering::Release);
    }

    /// Returns `true` if the pass is restored, so that its call has not reached its server.
    pub(crate) fn is_restored(&self) -> bool {
        self.state.load(Ordering::Acquire) == RESTORED
    }
}

/// State of a pass that no call has used.
const NEW: u8 = 0;

/// State of a pass whose call is sent.
const USED: u8 = 1;

/// State of a pass whose call was rejected before it was sent.
const RESTORED: u8 = 2;

/// State of a pass whose call has failed, and may have reached its server.
const SPENT: u8 = 3;
