use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use super::refusal::Refusal;
use crate::clock::Clock;

/// Counts attempts to log in, so that nobody can guess passwords. Cheap to clone.
#[derive(Clone)]
pub(super) struct Attempts {
    buckets: Cache<Key, Arc<Mutex<Bucket>>>,
    clock: Clock,
}

/// What attempts are counted by.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Key {
    /// The name of an account, whoever tries.
    Name(String),
    /// Where somebody tries from, whoever they say they are.
    Peer(IpAddr),
    /// What is begun with a provider, by all.
    Providers,
}

/// How many attempts there may be.
struct Rate {
    /// At once.
    burst: u64,
    /// After that, one in so many seconds.
    every: u64,
}

/// Is full at first, and filled again by time.
#[derive(Debug)]
struct Bucket {
    left: u64,
    /// When the last attempt was added.
    filled: u64,
}

impl Attempts {
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
    pub(super) fn take(&self, key: Key) -> Result<(), Refusal> {
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
        bucket.take(&rate, now).map_err(Refusal::TooMany)
    }

    /// Forgets the attempts of somebody who got it right.
    pub(super) fn forgive(&self, key: &Key) {
        self.buckets.invalidate(key);
    }
}

impl Bucket {
    /// The error is how many seconds there are to wait.
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

impl Key {
    pub(super) fn name(name: &str) -> Self {
        let name: String = name.chars().take(MAX_NAME).collect();
        Self::Name(name.to_lowercase())
    }

    pub(super) fn peer(address: IpAddr) -> Self {
        Self::Peer(network(address))
    }

    fn rate(&self) -> Rate {
        let (burst, every) = match self {
            Self::Name(_) => (10, 30),
            Self::Peer(_) => (60, 2),
            Self::Providers => (600, 1),
        };
        Rate { burst, every }
    }
}

/// Whoever has an IPv6 address has the whole network of 64 bits.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => IpAddr::V6((u128::from(ip) >> 64 << 64).into()),
        ip @ IpAddr::V4(_) => ip,
    }
}

/// Some megabytes; those that are counted often stay.
const MAX_BUCKETS: u64 = 50_000;

/// All buckets are full again by then.
const FORGET: Duration = Duration::from_secs(3600);

const MAX_NAME: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    fn wait(attempts: &Attempts, key: &Key) -> Option<u64> {
        match attempts.take(key.clone()) {
            Err(Refusal::TooMany(seconds)) => Some(seconds),
            _ => None,
        }
    }

    #[test]
    fn attempts_are_limited_and_come_back() {
        let clock = Clock::fixed(1_000);
        let attempts = Attempts::new(clock.clone());
        let ada = Key::name("Ada");
        for _ in 0..10 {
            assert_eq!(wait(&attempts, &ada), None);
        }
        assert_eq!(wait(&attempts, &Key::name("ADA")), Some(30));
        assert_eq!(wait(&attempts, &Key::name("bob")), None);
        clock.advance(Duration::from_secs(29));
        assert_eq!(wait(&attempts, &ada), Some(1));
        clock.advance(Duration::from_secs(1));
        assert_eq!(wait(&attempts, &ada), None);
        assert_eq!(wait(&attempts, &ada), Some(30));
        attempts.forgive(&ada);
        assert_eq!(wait(&attempts, &ada), None);
    }

    #[test]
    fn a_network_is_one_peer() {
        let peer = |text: &str| Key::peer(text.parse().unwrap());
        assert_eq!(peer("2001:db8::1"), peer("2001:db8::ffff:1"));
        assert_ne!(peer("2001:db8::1"), peer("2001:db8:0:1::1"));
        assert_eq!(peer("::ffff:192.0.2.1"), peer("192.0.2.1"));
        assert_ne!(peer("192.0.2.1"), peer("192.0.2.2"));
    }
}
