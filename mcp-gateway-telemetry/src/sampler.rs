//! Decision at the beginning of a call if it is sampled.
//!
//! A caller cannot switch off the sampling of the gateway: its decision against sampling is ignored. Its
//! decision for sampling is followed for a limited number of calls a second, so that it cannot fill the
//! collector.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use mcp_gateway_core::trace::{TraceContext, random};

/// Sampler of calls.
#[derive(Debug)]
pub(crate) struct Sampler {
    /// Calls whose random number is below are sampled; all calls if `None`.
    threshold: Option<u64>,
    callers: Allowance,
}

impl Sampler {
    /// Creates a sampler of the share `ratio` of all calls, and of up to `callers` calls a second that
    /// their callers sample.
    pub(crate) fn new(ratio: f64, callers: u32) -> Self {
        let threshold = (ratio < 1.0).then(|| {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                clippy::cast_precision_loss,
                reason = "the ratio is between 0 and 1, and an error of 2^-53 does not matter"
            )]
            let threshold = (ratio.max(0.0) * u64::MAX as f64) as u64;
            threshold
        });
        Self {
            threshold,
            callers: Allowance::new(callers),
        }
    }

    /// Returns the context of the server span of a call whose caller has sent `parent`.
    pub(crate) fn begin(&self, parent: Option<&TraceContext>) -> TraceContext {
        let is_asked = parent.is_some_and(TraceContext::is_sampled);
        let is_sampled = self.is_chosen() || (is_asked && self.callers.take());
        match parent {
            Some(parent) => parent.child().with_sampled(is_sampled),
            None => TraceContext::random(is_sampled),
        }
    }

    /// Chooses calls at random. The identifier of the trace has no influence, because callers choose it.
    fn is_chosen(&self) -> bool {
        self.threshold
            .is_none_or(|threshold| u64::from_ne_bytes(random()) < threshold)
    }
}

/// Number of events a second, with a burst of the events of one second.
#[derive(Debug)]
struct Allowance {
    started: Instant,
    /// Time between two events in nanoseconds; `None` without any event.
    interval: Option<u64>,
    /// Time in nanoseconds after the start at which all events so far would have happened.
    spent: AtomicU64,
}

impl Allowance {
    fn new(rate: u32) -> Self {
        Self {
            started: Instant::now(),
            interval: SECOND.checked_div(u64::from(rate)),
            spent: AtomicU64::new(0),
        }
    }

    /// Takes one event, if there is one left.
    fn take(&self) -> bool {
        let now = u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.take_at(now)
    }

    fn take_at(&self, now: u64) -> bool {
        let Some(interval) = self.interval else {
            return false;
        };
        let taken = self
            .spent
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |spent| {
                let next = spent.max(now).saturating_add(interval);
                (next <= now.saturating_add(SECOND)).then_some(next)
            });
        taken.is_ok()
    }
}

/// One second in nanoseconds.
const SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(flags: &str) -> TraceContext {
        let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
        TraceContext::parse(&text, None).unwrap()
    }

    fn share(sampler: &Sampler, parent: Option<&TraceContext>) -> f64 {
        let sampled = (0..10_000).filter(|_| sampler.begin(parent).is_sampled());
        f64::from(u32::try_from(sampled.count()).unwrap()) / 10_000.0
    }

    #[test]
    fn category_trace_a_caller_can_neither_prevent_nor_force_sampling() {
        let sampler = Sampler::new(0.1, 10);
        for parent in [None, Some(parent("00"))] {
            let share = share(&sampler, parent.as_ref());
            assert!((0.07..0.13).contains(&share), "{share}");
        }
        // Ten at once, and those of the time that the test takes.
        let share = share(&sampler, Some(&parent("01")));
        assert!((0.07..0.14).contains(&share), "{share}");
        assert!(sampler.begin(Some(&parent("01"))).trace_id() == parent("01").trace_id());
    }

    #[test]
    fn all_or_none_are_sampled_at_the_ends() {
        assert!((share(&Sampler::new(1.0, 0), Some(&parent("00"))) - 1.0).abs() < f64::EPSILON);
        assert!(share(&Sampler::new(0.0, 0), Some(&parent("01"))) < f64::EPSILON);
    }

    #[test]
    fn an_allowance_is_that_of_a_second() {
        let allowance = Allowance::new(10);
        let at = |now: u64| (0..100).filter(|_| allowance.take_at(now)).count();
        assert_eq!(at(0), 10);
        assert_eq!(at(SECOND / 10), 1);
        assert_eq!(at(SECOND / 2), 4);
        assert_eq!(at(100 * SECOND), 10);
        assert!(!Allowance::new(0).take());
    }
}
