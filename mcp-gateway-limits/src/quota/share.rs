//! Sizes of shares, and the last answer of the store.

use super::Refusal;
use crate::window::Span;

/// Last answer of the store about one key.
#[derive(Debug, Default)]
pub(super) struct Verdict {
    /// Size of the last share.
    size: u32,
    /// Set for shares of one call.
    is_of_one_call: bool,
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
            is_of_one_call: true,
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

    /// Returns the size of the next share of a quota of `amount` calls: it grows with each share that
    /// was used up.
    pub(super) fn next_size(&mut self, amount: u64) -> u32 {
        if self.is_of_one_call {
            return 1;
        }
        let next = self.size.saturating_mul(4).max(FIRST_SHARE);
        self.size = next.min(max_share(amount));
        self.size
    }

    /// Begins with small shares again.
    pub(super) fn shrink(&mut self) {
        self.size = 0;
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

/// Returns the maximum size of a share of a quota of `amount` calls: a thousandth of it, within
/// bounds.
///
/// A share is lost when its process is killed, and costs a write: 64 calls at a time, a busy key
/// would cost hundreds of writes in a second.
fn max_share(amount: u64) -> u32 {
    let part = u32::try_from(amount / 1000).unwrap_or(u32::MAX);
    part.clamp(SMALL_SHARE, LARGE_SHARE)
}

/// Maximum size of a share of a small quota.
pub(super) const SMALL_SHARE: u32 = 64;

/// Maximum size of a share.
pub(super) const LARGE_SHARE: u32 = 4096;

/// Nanoseconds for which a rejection stands.
const PAUSE: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_small_at_the_beginning_and_at_the_end() {
        let mut verdict = Verdict::default();
        let sizes = [(); 4].map(|()| verdict.next_size(1000));
        assert_eq!(sizes, [4, 16, 64, 64]);
        for (remaining, size) in [(0, 0), (1, 1), (31, 1), (32, 2), (1024, 64), (u64::MAX, 64)] {
            assert_eq!(share(remaining, SMALL_SHARE), size, "{remaining}");
        }
    }

    #[test]
    fn shares_are_at_most_a_thousandth_of_a_large_quota() {
        for (amount, size) in [
            (1, 64),
            (64_999, 64),
            (65_000, 65),
            (1_000_000, 1000),
            (u64::MAX, 4096),
        ] {
            assert_eq!(max_share(amount), size, "{amount}");
        }
        let mut verdict = Verdict::default();
        let sizes = [(); 6].map(|()| verdict.next_size(2_000_000));
        assert_eq!(sizes, [4, 16, 64, 256, 1024, 2000]);
        assert_eq!(Verdict::of_one_call().next_size(2_000_000), 1);
    }
}
