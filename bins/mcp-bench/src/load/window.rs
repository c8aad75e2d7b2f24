//! Measurement window.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::{Control, Limit, Plan, Tally};
use crate::client::{LoadClient, Traffic};
use crate::failure::Failure;

/// Delay before a client reconnects.
///
/// Without it, clients of a server that has exited would only fail.
const RECONNECT_PAUSE: Duration = Duration::from_millis(20);

/// Time window in which clients make calls, with their results.
#[derive(Debug)]
pub(super) struct MeasurementWindow {
    begin: Instant,
    end: Option<Instant>,
    left: AtomicU64,
    timeout: Duration,
    control: Control,
    tally: Mutex<Tally>,
}

impl MeasurementWindow {
    /// Creates a window that begins now and lasts for `limit`.
    ///
    /// # Errors
    ///
    /// Fails when there is no memory for the figures.
    pub(super) fn new(plan: &Plan, limit: Limit, control: &Control) -> anyhow::Result<Self> {
        let begin = Instant::now();
        let (end, left) = match limit {
            Limit::Duration(duration) => (Some(begin + duration), u64::MAX),
            Limit::Requests(count) => (None, count),
        };
        Ok(Self {
            begin,
            end,
            left: AtomicU64::new(left),
            timeout: plan.timeout,
            control: control.clone(),
            tally: Mutex::new(Tally::new()?),
        })
    }

    /// Runs `callers`; returns them, the elapsed time, and the results of the calls.
    ///
    /// # Errors
    ///
    /// Fails when a client panics.
    pub(super) async fn work(
        self,
        callers: Vec<LoadClient>,
    ) -> anyhow::Result<(Vec<LoadClient>, Duration, Tally)> {
        let shift = Arc::new(self);
        let mut working = JoinSet::new();
        let mut idle = Vec::with_capacity(callers.len());
        for caller in callers {
            working.spawn(Arc::clone(&shift).serve(caller));
        }
        while let Some(caller) = working.join_next().await {
            idle.push(caller?);
        }
        let tally = shift
            .tally
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        Ok((idle, shift.begin.elapsed(), tally))
    }

    /// Runs one client.
    async fn serve(self: Arc<Self>, mut caller: LoadClient) -> LoadClient {
        let mut now = Instant::now();
        while self.claim(now) {
            let outcome = timeout(self.timeout, caller.call()).await;
            let outcome = outcome.unwrap_or(Err(Failure::Timeout));
            let begin = std::mem::replace(&mut now, Instant::now());
            self.record(now - begin, &outcome);
            if outcome.is_err() && !caller.is_connected() {
                sleep(RECONNECT_PAUSE).await;
                now = Instant::now();
            }
        }
        caller
    }

    /// Returns `true` if another call is to be made at the time `now`.
    fn claim(&self, now: Instant) -> bool {
        if self.control.stop.load(Ordering::Relaxed) {
            return false;
        }
        match self.end {
            Some(end) => now < end,
            None => {
                let claim = |left: u64| left.checked_sub(1);
                self.left
                    .fetch_update(Ordering::Relaxed, Ordering::Relaxed, claim)
                    .is_ok()
            }
        }
    }

    fn record(&self, latency: Duration, outcome: &Result<Traffic, Failure>) {
        self.control.calls.fetch_add(1, Ordering::Relaxed);
        self.tally
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .record(latency, outcome);
    }
}
