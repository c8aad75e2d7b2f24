//! Limits of the steps of a handshake.

use std::time::Duration;

use tokio::time::{self, Instant};

use super::run::Wire;
use crate::upstream::detection::Limit;

impl Wire {
    /// Waits until `limit`, which begins now, has passed.
    pub(super) fn expiry(
        &self,
        limit: Limit,
        deadline: Instant,
    ) -> impl Future<Output = ()> + use<> {
        let output = match self {
            Self::Stdio { output, .. } => output.clone(),
            Self::Http { .. } => None,
        };
        let now = Instant::now();
        async move {
            let alive = async {
                if let Some(output) = &output {
                    output.alive().await;
                }
            };
            match limit {
                Limit::Rest => std::future::pending().await,
                Limit::Share => {
                    alive.await;
                    let start = output.as_ref().map(|output| output.start_time());
                    let rest = deadline.saturating_duration_since(Instant::now());
                    time::sleep(share(rest, start.unwrap_or_default())).await;
                }
                Limit::Probe if output.as_ref().is_some_and(|it| it.observes_input()) => {
                    alive.await;
                    time::sleep(PROBE_TIMEOUT).await;
                }
                Limit::Probe => {
                    // A program may show no sign of life until it has started.
                    let _ = time::timeout(MAX_START, alive).await;
                    time::sleep(PROBE_TIMEOUT.min(MAX_PROBE.saturating_sub(now.elapsed()))).await;
                }
            }
        }
    }

    /// Returns `true` if the end of the start of a program is observed.
    pub(super) fn observes_start(&self) -> bool {
        match self {
            Self::Stdio { output, .. } => output.as_ref().is_some_and(|it| it.observes_input()),
            Self::Http { .. } => false,
        }
    }
}

/// Returns the time for a step of which there is an alternative: half of the `rest`, after another
/// `start` of the program has been set aside, and at least the time for a probe.
fn share(rest: Duration, start: Duration) -> Duration {
    let share = rest.saturating_sub(start) / 2;
    share.max(PROBE_TIMEOUT.min(rest / 2))
}

/// Time for a server to answer a request that it may not know.
///
/// Servers of the legacy era respond with an error at once, or never. Modern servers in Python have
/// been observed to need four seconds to start on a busy machine.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// The same for a program, its start included, if that takes long and is not observed.
const MAX_PROBE: Duration = Duration::from_secs(10);

/// Time for the first sign of life of a program.
const MAX_START: Duration = MAX_PROBE.saturating_sub(PROBE_TIMEOUT);
