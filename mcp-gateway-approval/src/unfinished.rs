//! Approvals that have not ended, as this replica has seen them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{Lifecycle, Status};

/// Approvals that wait for a decision or a call. Cheap to clone.
///
/// It may be late behind other replicas, and decides about nothing but the total bound.
#[derive(Clone, Debug, Default)]
pub(crate) struct Unfinished(Arc<Mutex<Known>>);

/// Approvals by their identifiers.
#[derive(Debug, Default)]
struct Known {
    approvals: BTreeMap<Arc<str>, (Status, u64)>,
    pending: usize,
}

impl Unfinished {
    /// Records the state of the approval `id`; `None` if it does not exist.
    pub(crate) fn record(&self, id: &str, state: Option<&Lifecycle>) {
        self.known().record(id, state);
    }

    /// Forgets all approvals, and records `states`.
    pub(crate) fn replace(&self, states: impl IntoIterator<Item = (String, Lifecycle)>) {
        let mut known = Known::default();
        for (id, state) in states {
            known.record(&id, Some(&state));
        }
        *self.known() = known;
    }

    /// Returns the number of calls that wait for a decision.
    pub(crate) fn pending(&self) -> usize {
        self.known().pending
    }

    /// Returns the approvals that have ended before `now`.
    pub(crate) fn overdue(&self, now: u64) -> Vec<Arc<str>> {
        let known = self.known();
        let overdue = known.approvals.iter();
        let overdue = overdue.filter(|(_, (_, expires))| now >= *expires);
        overdue.map(|(id, _)| Arc::clone(id)).collect()
    }

    /// Locks the approvals. A panic in another thread cannot leave them inconsistent.
    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn record(&mut self, id: &str, state: Option<&Lifecycle>) {
        if let Some((Status::Pending, _)) = self.approvals.remove(id) {
            self.pending -= 1;
        }
        // Without regard to the time: the end of an approval is written by the sweep.
        let Some(state) = state.map(|state| (state.stored(), state.expires())) else {
            return;
        };
        if matches!(state.0, Status::Approved | Status::Pending) {
            self.pending += usize::from(state.0 == Status::Pending);
            self.approvals.insert(id.into(), state);
        }
    }
}
