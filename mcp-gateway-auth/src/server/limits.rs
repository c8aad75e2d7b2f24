//! Rate limits of the endpoints, per process.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use http::request::Parts;

use super::error::OAuthError;
use crate::peer::TrustedProxies;

/// Maximum numbers of requests per minute.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::server::RateLimits;
///
/// let mut limits = RateLimits::default();
/// assert_eq!((limits.authorize, limits.register, limits.client), (60, 10, 6000));
/// limits.register = 1;
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct RateLimits {
    /// Requests to the authorization endpoint per client address: 60.
    pub authorize: u32,
    /// Registrations per client address: 10.
    pub register: u32,
    /// Requests to the token, introspection and revocation endpoints per client: 6,000.
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

/// Counters of requests.
#[derive(Debug)]
pub(super) struct EndpointLimiter {
    authorize: DefaultKeyedRateLimiter<IpAddr>,
    register: DefaultKeyedRateLimiter<IpAddr>,
    client: DefaultKeyedRateLimiter<String>,
    proxies: TrustedProxies,
}

impl EndpointLimiter {
    /// Creates empty counters.
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

    /// Returns the client address of `request`; for IPv6, its /64 network.
    fn sender(&self, request: &Parts) -> Option<IpAddr> {
        let address = self.proxies.client_address(request)?;
        Some(match address {
            IpAddr::V4(_) => address,
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & NETWORK).into(),
        })
    }

    /// Counts a request of the existing client `id`.
    pub(super) fn check_client(&self, id: &str) -> Result<(), OAuthError> {
        check(&self.client, Some(id.to_owned()))
    }

    /// Removes idle counters.
    pub(super) fn purge(&self) {
        self.authorize.retain_recent();
        self.register.retain_recent();
        self.client.retain_recent();
    }
}

/// Returns a limiter; zero counts as one per minute.
fn limiter<K: Clone + Eq + Hash>(per_minute: u32) -> DefaultKeyedRateLimiter<K> {
    let per_minute = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
    RateLimiter::keyed(Quota::per_minute(per_minute))
}

/// Counts a request of `key`. Requests without a known address are not limited.
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

/// Mask of the first 64 bits.
const NETWORK: u128 = !(u64::MAX as u128);
