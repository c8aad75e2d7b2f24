//! Calls that wait until their user has connected an account, among the parked ones.

use std::time::Duration;

use super::{Calls, ParkedCalls};
use crate::Sealer;
use crate::auth::Principal;

/// Place of a call that waits until its user has connected an account. Released when it is dropped.
#[derive(Debug)]
pub(crate) struct HeldCall {
    parked_calls: ParkedCalls,
    principal: Principal,
}

impl ParkedCalls {
    /// Returns the maximum time for which a call is parked.
    pub(crate) fn lifetime(&self) -> Duration {
        self.0.limits.lifetime()
    }

    /// Returns the cipher of `requestState`.
    pub(crate) fn sealer(&self) -> &Sealer {
        &self.0.sealer
    }

    /// Returns a place for a call of `principal`, which counts as a parked one; `None` beyond a
    /// limit.
    pub(crate) fn hold(&self, principal: &Principal) -> Option<HeldCall> {
        let limits = self.0.limits;
        let mut calls = self.0.calls();
        let of_one = calls.per_principal.get(principal).copied();
        let is_full = calls.parked.len() + calls.held >= limits.max()
            || of_one.unwrap_or_default() >= limits.max_per_principal();
        if is_full {
            return None;
        }
        let principal = principal.clone().without_assertion();
        calls.held += 1;
        *calls.per_principal.entry(principal.clone()).or_default() += 1;
        Some(HeldCall {
            parked_calls: self.clone(),
            principal,
        })
    }
}

impl Calls {
    /// Updates the count of `principal` after a call has been removed.
    pub(super) fn release(&mut self, principal: &Principal) {
        if let Some(count) = self.per_principal.get_mut(principal) {
            *count -= 1;
            if *count == 0 {
                self.per_principal.remove(principal);
            }
        }
    }
}

impl Drop for HeldCall {
    fn drop(&mut self) {
        let mut calls = self.parked_calls.0.calls();
        calls.held -= 1;
        calls.release(&self.principal);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::era::ParkedCallLimits;

    #[test]
    fn held_calls_count_as_parked_ones() {
        let sealer = Arc::new(Sealer::random().unwrap());
        let limits = ParkedCallLimits::default()
            .with_max(3)
            .with_max_per_principal(2);
        let parked_calls = ParkedCalls::with_limits(sealer, limits);
        let (ada, bob) = (Principal::new("ada"), Principal::new("bob"));
        let first = parked_calls.hold(&ada).unwrap();
        let _second = parked_calls.hold(&ada).unwrap();
        assert!(parked_calls.hold(&ada).is_none());
        let _third = parked_calls.hold(&bob).unwrap();
        assert!(parked_calls.hold(&bob).is_none());
        assert_eq!(parked_calls.count(), 3);
        drop(first);
        assert!(parked_calls.hold(&bob).is_some());
    }
}
