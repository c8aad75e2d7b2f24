//! Codes with which callers confirm changes.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};

use aws_lc_rs::error::Unspecified;
use aws_lc_rs::hmac::{self, HMAC_SHA256, Key};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};

/// Codes of one process, or of all replicas with the same key.
///
/// Nobody can compute a code who has not been shown the change. It is for one caller and one change, is
/// accepted once by a process, and expires after [`VALIDITY`] to twice that time.
pub(super) struct Codes {
    random: SystemRandom,
    /// Key of this process.
    own: Key,
    /// Key of all replicas.
    shared: OnceLock<Key>,
    /// Codes that were accepted, with the number of their period.
    used: Mutex<HashMap<String, u64>>,
}

impl Codes {
    /// Creates codes with a random key.
    ///
    /// # Errors
    ///
    /// [`Unspecified`] if the system has no randomness.
    pub(super) fn new() -> Result<Self, Unspecified> {
        let random = SystemRandom::new();
        Ok(Self {
            own: Key::generate(HMAC_SHA256, &random)?,
            random,
            shared: OnceLock::new(),
            used: Mutex::default(),
        })
    }

    /// Sets the key, which replicas share. Only the first one counts.
    pub(super) fn set_key(&self, key: &[u8; 32]) {
        let _ = self.shared.set(Key::new(HMAC_SHA256, key));
    }

    /// Returns the state of a question about `change`, which does not expire.
    pub(super) fn state(&self, change: &str) -> String {
        self.tag("state", change)
    }

    /// Returns a code for `change`.
    ///
    /// # Errors
    ///
    /// [`Unspecified`] if the system has no randomness.
    pub(super) fn issue(&self, change: &str) -> Result<String, Unspecified> {
        let mut nonce = [0; NONCE];
        self.random.fill(&mut nonce)?;
        let nonce = hex(&nonce);
        let tag = self.tag(&format!("{nonce} {}", period()), change);
        Ok(format!("{nonce}{tag}"))
    }

    /// Accepts `code` for `change`. Returns `false` if it is another one, has expired, or was accepted
    /// before.
    pub(super) fn redeem(&self, code: &str, change: &str) -> bool {
        let now = period();
        let Some(nonce) = code.get(..NONCE * 2) else {
            return false;
        };
        let expected = |period: u64| {
            let tag = self.tag(&format!("{nonce} {period}"), change);
            format!("{nonce}{tag}")
        };
        if ![now, now.saturating_sub(1)]
            .into_iter()
            .any(|period| expected(period) == code)
        {
            return false;
        }
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.retain(|_, period| *period + 1 >= now);
        used.insert(code.to_owned(), now).is_none()
    }

    fn tag(&self, usage: &str, change: &str) -> String {
        let key = self.shared.get().unwrap_or(&self.own);
        let tag = hmac::sign(key, format!("{usage}\n{change}").as_bytes());
        hex(tag.as_ref().get(..TAG).unwrap_or_default())
    }
}

impl fmt::Debug for Codes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codes").finish_non_exhaustive()
    }
}

/// Returns the number of the current period.
fn period() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.unwrap_or_default().as_secs() / VALIDITY.as_secs()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Time for which a code is valid at least.
const VALIDITY: Duration = Duration::from_secs(600);

/// Length of the random part of a code in bytes.
const NONCE: usize = 4;

/// Length of the tag of a code in bytes.
const TAG: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_for_one_change_and_accepted_once() {
        let codes = Codes::new().unwrap();
        let code = codes.issue("a").unwrap();
        assert!(!codes.redeem(&code, "b"));
        assert!(codes.redeem(&code, "a"));
        assert!(!codes.redeem(&code, "a"));
        // The same change can be confirmed again.
        let again = codes.issue("a").unwrap();
        assert!(codes.redeem(&again, "a"));
        for wrong in ["", "é", "0000000", &again[..10]] {
            assert!(!codes.redeem(wrong, "a"), "{wrong}");
        }
        assert_eq!(codes.state("a"), codes.state("a"));
        assert_ne!(codes.state("a"), codes.state("b"));
    }

    #[test]
    fn replicas_accept_codes_of_each_other() {
        let replica = || {
            let codes = Codes::new().unwrap();
            codes.set_key(&[7; 32]);
            codes
        };
        let code = replica().issue("a").unwrap();
        assert!(replica().redeem(&code, "a"));
        assert!(!Codes::new().unwrap().redeem(&code, "a"));
    }
}
