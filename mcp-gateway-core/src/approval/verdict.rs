//! Verdict about a call, on its way from the layer that asks to the one that authorizes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

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
    is_used: Arc<AtomicBool>,
}

impl ApprovalPass {
    /// Creates the pass of an approval that has been redeemed for the call with the key `key`.
    pub(crate) fn new(key: ApprovalKey) -> Self {
        let is_used = Arc::default();
        Self { key, is_used }
    }

    /// Uses the pass for the call with the key `key`; returns `false` if it permits another call, or
    /// has been used.
    pub(crate) fn take(&self, key: &ApprovalKey) -> bool {
        self.key == *key && !self.is_used.swap(true, Ordering::AcqRel)
    }

    /// Restores the pass of a call that has not reached its server.
    pub(crate) fn restore(&self) {
        self.is_used.store(false, Ordering::Release);
    }
}
