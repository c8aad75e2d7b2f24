//! Sizes of shares, and the last answer of the store.

use super::Refusal;
use crate::window::Span;

/// Last answer of the store about one key.
#[derive(Debug)]
pub(super) struct Verdict {
    /// Size of the last share.
    size: u32,
    /// Maximum size of a share.
    max: u32,
    /// Rejection that stands for a while.
    refused: Option<Refused>,
}

#[derive(Clone, Copy, Debug)]
struct Refused {
    refusal: Refusal,
    window: u32,
    amount: u64,
    until: u64,
}

impl Verdict {
    /// Creates the state of a key whose shares are of one call.
    pub(super) fn of_one_call() -> Self {
        Self {
            max: 1,
            ..Self::default()
        }
    }

    /// Returns the rejection that stands at `now`, for a quota of `amount` calls.
    pub(super) fn refusal(&self, span: Span, amount: u64, now: u64) -> Option<Refusal> {
        let refused = self.refused?;
        let stands =
            refused.window == span.index && refused.amount == amount && now < refused.until;
        stands.then_some(refused.refusal)
    }

    /// Records a rejection at `now`. The store is asked again after [`PAUSE`], because other
    /// processes return shares.
    pub(super) fn refuse(&mut self, refusal: Refusal, (span, amount): (Span, u64), now: u64) {
        self.refused = Some(Refused {
            refusal,
            window: span.index,
            amount,
            until: now.saturating_add(PAUSE),
        });
    }

    /// Returns the size of the next share: it grows with each share that was used up.
    pub(super) fn next_size(&mut self) -> u32 {
        self.size = self.size.saturating_mul(4).max(FIRST_SHARE).min(self.max);
        self.size
    }

    /// Begins with small shares again.
    pub(super) fn shrink(&mut self) {
        self.size = 0;
    }
}

impl Default for Verdict {
    fn default() -> Self {
        Self {
            size: 0,
            max: MAX_SHARE,
            refused: None,
        }
    }
}

/// Returns the size of a share of at most `wanted` calls, while `remaining` are left: a sixteenth of
/// them, and one near the end.
pub(super) fn share(remaining: u64, wanted: u32) -> u32 {
    let fair = (remaining / 16).max(1).min(remaining);
    u32::try_from(fair).unwrap_or(u32::MAX).min(wanted)
}

/// Size of the first share of a key.
const FIRST_SHARE: u32 = 4;

/// Maximum size of a share.
pub(super) const MAX_SHARE: u32 = 64;

/// Nanoseconds for which a rejection stands.
const PAUSE: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_small_at_the_beginning_and_at_the_end() {
        let mut verdict = Verdict::default();
        let sizes = [(); 4].map(|()| verdict.next_size());
        assert_eq!(sizes, [4, 16, 64, 64]);
        for (remaining, size) in [(0, 0), (1, 1), (31, 1), (32, 2), (1024, 64), (u64::MAX, 64)] {
            assert_eq!(share(remaining, MAX_SHARE), size, "{remaining}");
        }
    }
}
