//! Rate limits for login attempts, against password guessing.
//!
//! Attempts are limited by account name, so that many addresses together cannot guess one password,
//! and by client address, so that one address cannot try many names. The limits are per process and
//! kept in memory.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use super::error::LoginError;
use crate::clock::Clock;

/// Token buckets of login attempts. Cheap to clone.
#[derive(Clone)]
pub(super) struct LoginThrottle {
    buckets: Cache<ThrottleKey, Arc<Mutex<Bucket>>>,
    clock: Clock,
}

/// The subject of a rate limit.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum ThrottleKey {
    /// Account name, from all addresses.
    Name(String),
    /// Client address, for all names.
    Peer(IpAddr),
    /// All redirects to identity providers together.
    Providers,
}

/// A rate limit.
struct Rate {
    /// Number of attempts at once.
    burst: u64,
    /// Interval at which another attempt is permitted, in seconds.
    every: u64,
}

/// A token bucket, full at first.
#[derive(Debug)]
struct Bucket {
    left: u64,
    /// Time of the last refill, in seconds since the Unix epoch.
    filled: u64,
}

impl LoginThrottle {
    /// Creates empty limits.
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            buckets: Cache::builder()
                .max_capacity(MAX_BUCKETS)
                .time_to_idle(FORGET)
                .build(),
            clock,
        }
    }

    /// Counts an attempt.
    ///
    /// # Errors
    ///
    /// [`LoginError::TooMany`] if the limit is exceeded.
    pub(super) fn record_attempt(&self, key: ThrottleKey) -> Result<(), LoginError> {
        let rate = key.rate();
        let now = self.clock.now();
        let full = || {
            let bucket = Bucket {
                left: rate.burst,
                filled: now,
            };
            Arc::new(Mutex::new(bucket))
        };
        let bucket = self.buckets.get_with(key, full);
        let mut bucket = bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.take(&rate, now).map_err(LoginError::TooMany)
    }

    /// Resets a limit after a successful login.
    pub(super) fn reset(&self, key: &ThrottleKey) {
        self.buckets.invalidate(key);
    }
}

impl Bucket {
    /// Takes a token. The error is the time until the next one, in seconds.
    fn take(&mut self, rate: &Rate, now: u64) -> Result<(), u64> {
        let since = now.saturating_sub(self.filled);
        let more = since / rate.every;
        self.filled += more * rate.every;
        self.left = self.left.saturating_add(more).min(rate.burst);
        match self.left.checked_sub(1) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(rate.every - since % rate.every),
        }
    }
}

impl ThrottleKey {
    /// Returns the key of an account name, which may be any text.
    pub(super) fn name(name: &str) -> Self {
        let name: String = name.chars().take(MAX_NAME).collect();
        Self::Name(name.to_lowercase())
    }

    /// Returns the key of a client address.
    pub(super) fn peer(address: IpAddr) -> Self {
        Self::Peer(network(address))
    }

    /// Returns the limit: 10 attempts per name and one more every 30 s, 60 per address and one more
    /// every 2 s, and 600 redirects and one more per second.
    fn rate(&self) -> Rate {
        let (burst, every) = match self {
            Self::Name(_) => (10, 30),
            Self::Peer(_) => (60, 2),
            Self::Providers => (600, 1),
        };
        Rate { burst, every }
    }
}

/// Returns the /64 network of an IPv6 address, because a client can use all addresses in it.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
        ip @ IpAddr::V4(_) => ip,
    }
}

/// Maximum number of buckets, some megabytes. Frequently used ones are retained.
const MAX_BUCKETS: u64 = 50_000;

/// Idle timeout of buckets. All of them are full again by then.
const FORGET: Duration = Duration::from_secs(3600);

const MAX_NAME: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(attempts: &LoginThrottle, key: &ThrottleKey) -> Option<u64> {
        match attempts.record_attempt(key.clone()) {
            Err(LoginError::TooMany(seconds)) => Some(seconds),
            _ => None,
        }
    }

    #[test]
    fn attempts_are_limited_and_come_back() {
        let clock = Clock::fixed(1_000);
        let attempts = LoginThrottle::new(clock.clone());
        let ada = ThrottleKey::name("Ada");
        for _ in 0..10 {
            assert_eq!(wait(&attempts, &ada), None);
        }
        assert_eq!(wait(&attempts, &ThrottleKey::name("ADA")), Some(30));
        assert_eq!(wait(&attempts, &ThrottleKey::name("bob")), None);
        clock.advance(Duration::from_secs(29));
        assert_eq!(wait(&attempts, &ada), Some(1));
        clock.advance(Duration::from_secs(1));
        assert_eq!(wait(&attempts, &ada), None);
        assert_eq!(wait(&attempts, &ada), Some(30));
        attempts.reset(&ada);
        assert_eq!(wait(&attempts, &ada), None);
    }

    #[test]
    fn a_network_is_one_peer() {
        let peer = |text: &str| ThrottleKey::peer(text.parse().unwrap());
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:1"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
    }
}
