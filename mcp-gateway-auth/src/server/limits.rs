use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::request::Parts;

use super::error::OAuthError;
use crate::peer::TrustedProxies;

/// How many requests a minute are answered.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RateLimits {
    /// To the authorization endpoint, from one address: 60.
    pub authorize: u32,
    /// Registrations, from one address: 10.
    pub register: u32,
    /// To the token endpoint, for introspection and for revocation, of one client: 6,000.
    pub client: u32,
}

impl Default for RateLimits {
    fn default() -> Self {
        Self {
            authorize: 60,
            register: 10,
            client: 6000,
        }
    }
}

/// Counts requests.
#[derive(Debug)]
pub(super) struct Limits {
    authorize: DefaultKeyedRateLimiter<IpAddr>,
    register: DefaultKeyedRateLimiter<IpAddr>,
    client: DefaultKeyedRateLimiter<String>,
    proxies: TrustedProxies,
}

impl Limits {
    pub(super) fn new(limits: RateLimits, proxies: TrustedProxies) -> Self {
        Self {
            authorize: limiter(limits.authorize),
            register: limiter(limits.register),
            client: limiter(limits.client),
            proxies,
        }
    }

    /// Counts a request to the authorization endpoint.
    pub(super) fn check_peer(&self, request: &Parts) -> Result<(), OAuthError> {
        check(&self.authorize, self.sender(request))
    }

    /// Counts a registration.
    pub(super) fn check_registration(&self, request: &Parts) -> Result<(), OAuthError> {
        check(&self.register, self.sender(request))
    }

    /// Who has sent `request`: with IPv6, the network that everybody has for themselves.
    fn sender(&self, request: &Parts) -> Option<IpAddr> {
        let address = self.proxies.client_address(request)?;
        Some(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        })
    }

    /// Counts a request of the client `id`, which is known.
    pub(super) fn check_client(&self, id: &str) -> Result<(), OAuthError> {
        check(&self.client, Some(id.to_owned()))
    }

    /// Forgets those who have not asked for a while.
    pub(super) fn forget(&self) {
        self.authorize.retain_recent();
        self.register.retain_recent();
        self.client.retain_recent();
    }
}

fn limiter<K: Clone + Eq + Hash>(per_minute: u32) -> DefaultKeyedRateLimiter<K> {
    let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
    RateLimiter::keyed(Quota::per_minute(per_minute))
}

/// Counts a request of `key`; one whose sender is not known is not counted.
fn check<K: Clone + Eq + Hash>(
    limiter: &DefaultKeyedRateLimiter<K>,
    key: Option<K>,
) -> Result<(), OAuthError> {
    let Some(key) = key else { return Ok(()) };
    limiter.check_key(&key).map_err(|until| {
        let wait = until.wait_time_from(DefaultClock::default().now());
        OAuthError::RateLimited(Duration::from_secs(wait.as_secs() + 1))
    })
}

/// The first 64 bits.
const NETWORK: u128 = !(u64::MAX as u128);
