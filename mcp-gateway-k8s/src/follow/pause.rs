//! Pauses between attempts to watch objects.

use std::time::Duration;

/// Pause after failures, which grows. That of the library grows to half a minute, and a cluster is
/// back sooner after a restart of its API server.
#[derive(Debug, Default)]
pub(super) struct Pause(u32);

impl Pause {
    /// Returns `true` before the first failure in a row.
    pub(super) fn is_first(&self) -> bool {
        self.0 == 0
    }

    /// Records a success.
    pub(super) fn reset(&mut self) {
        self.0 = 0;
    }

    /// Returns the pause after one more failure.
    pub(super) fn next(&mut self) -> Duration {
        let pause = MIN_PAUSE * 2_u32.pow(self.0.min(MAX_DOUBLINGS));
        self.0 = self.0.saturating_add(1);
        pause
    }
}

/// Pause after the first failure of a watch.
const MIN_PAUSE: Duration = Duration::from_millis(250);
/// Maximum number of doublings of the pause: the longest one is 8 s.
const MAX_DOUBLINGS: u32 = 5;
