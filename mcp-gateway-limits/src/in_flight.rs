//! Calls in flight.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::counters::Counter;

/// Number of calls in flight of one key.
#[derive(Debug, Default)]
pub(crate) struct Running(AtomicU32);

/// A call in flight; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Flight(Arc<Running>);

impl Running {
    /// Begins a call, unless `max` are in flight.
    pub(crate) fn begin(self: Arc<Self>, max: u32) -> Option<Flight> {
        let more = |running: u32| (running < max).then_some(running + 1);
        let order = Ordering::AcqRel;
        let begun = self.0.fetch_update(order, Ordering::Acquire, more);
        begun.is_ok().then(|| Flight(self))
    }

    /// Returns the number of calls in flight.
    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::Acquire)
    }
}

impl Counter for Running {
    fn is_new(&self, _: u64) -> bool {
        self.count() == 0
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::AcqRel);
    }
}
