//! Nonces that a server provides (RFC 9449, sections 8 and 9).

use crate::{Clock, Handle, Keyring};

/// Nonces of a server: authenticated times, on which all replicas agree without any state.
#[derive(Clone, Debug)]
pub(super) struct Nonces {
    keyring: Keyring,
}

impl Nonces {
    pub(super) fn new(keyring: Keyring) -> Self {
        Self { keyring }
    }

    /// Returns a nonce for proofs in the next five minutes.
    pub(super) fn issue(&self, clock: &Clock) -> String {
        let handle = Handle::new(clock.now().to_string(), 0);
        self.keyring.issue(PURPOSE, handle)
    }

    /// Returns `true` if `nonce` was issued in the last five minutes.
    ///
    /// The clock of the replica that has issued it may be ahead by a minute.
    pub(super) fn accepts(&self, nonce: &str, clock: &Clock) -> bool {
        let handle = self.keyring.verify(PURPOSE, nonce);
        let issued: Option<u64> = handle.and_then(|handle| handle.id.parse().ok());
        let now = clock.now();
        issued.is_some_and(|issued| {
            issued <= now.saturating_add(LEEWAY) && now <= issued.saturating_add(LIFETIME)
        })
    }
}

/// Purpose of the handles.
const PURPOSE: &str = "dpop nonce";

/// Lifetime of a nonce, in seconds.
const LIFETIME: u64 = 300;

/// Maximum difference between the clocks of replicas, in seconds.
const LEEWAY: u64 = 60;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn o114_replicas_agree_about_nonces_for_five_minutes() {
        let clock = Clock::fixed(1_800_000_000);
        let [one, other] = [1, 1].map(|key| Nonces::new(Keyring::new(&[key; 32]).unwrap()));
        let nonce = one.issue(&clock);
        clock.advance(Duration::from_secs(300));
        assert!(other.accepts(&nonce, &clock));
        clock.advance(Duration::from_secs(1));
        assert!(!other.accepts(&nonce, &clock), "expired");
        let ahead = Clock::fixed(clock.now() + 60);
        assert!(other.accepts(&one.issue(&ahead), &clock));
        let far = Clock::fixed(clock.now() + 61);
        assert!(!other.accepts(&one.issue(&far), &clock));

        let foreign = Nonces::new(Keyring::new(&[2; 32]).unwrap());
        let fresh = one.issue(&clock);
        assert!(!foreign.accepts(&fresh, &clock));
        let altered = fresh.replacen("180", "181", 1);
        for forged in [altered.as_str(), "", "1800000000", "a.0.b"] {
            assert!(!one.accepts(forged, &clock), "{forged}");
        }
    }
}
