//! Lifetimes, and the policy for dynamic client registration.

use std::time::Duration;

use crate::SecretHash;

/// Lifetimes of codes, tokens, clients and keys.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use mcp_gateway_auth::server::Lifetimes;
///
/// let mut lifetimes = Lifetimes::default();
/// assert_eq!(lifetimes.code, Duration::from_secs(60));
/// lifetimes.access_token = Duration::from_secs(15 * 60);
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Lifetimes {
    /// Authorization codes: 60 s. [RFC 6749, section
    /// 4.1.2](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2) permits at most ten minutes.
    pub code: Duration,
    /// Access tokens: one hour.
    pub access_token: Duration,
    /// Idle timeout of refresh tokens: 30 days.
    pub refresh_idle: Duration,
    /// Absolute timeout of refresh tokens since the consent: 90 days.
    pub refresh_absolute: Duration,
    /// Grace period of rotated refresh tokens: 30 s, for clients that did not receive the response.
    pub refresh_grace: Duration,
    /// Idle timeout of dynamically registered clients: 90 days.
    pub unused_client: Duration,
    /// Lifetime of dynamically registered clients before their first use: one day.
    pub new_client: Duration,
    /// Consent pages: 10 minutes.
    pub consent_request: Duration,
    /// Signing keys: 30 days. Tokens that were signed with an earlier key remain valid.
    pub signing_key: Duration,
}

impl Default for Lifetimes {
    fn default() -> Self {
        const DAY: u64 = 24 * 60 * 60;
        Self {
            code: Duration::from_secs(60),
            access_token: Duration::from_secs(60 * 60),
            refresh_idle: Duration::from_secs(30 * DAY),
            refresh_absolute: Duration::from_secs(90 * DAY),
            refresh_grace: Duration::from_secs(30),
            unused_client: Duration::from_secs(90 * DAY),
            new_client: Duration::from_secs(DAY),
            consent_request: Duration::from_secs(10 * 60),
            signing_key: Duration::from_secs(30 * DAY),
        }
    }
}

/// Lifetimes of refresh tokens, in seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct RefreshLimits {
    pub(super) idle: u64,
    pub(super) absolute: u64,
    pub(super) grace: u64,
}

impl Lifetimes {
    /// Returns the lifetimes of refresh tokens.
    pub(super) fn refresh(&self) -> RefreshLimits {
        RefreshLimits {
            idle: self.refresh_idle.as_secs(),
            absolute: self.refresh_absolute.as_secs(),
            grace: self.refresh_grace.as_secs(),
        }
    }
}

/// The policy for dynamic client registration.
///
/// See [RFC 7591, section 3](https://www.rfc-editor.org/rfc/rfc7591#section-3).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum RegistrationPolicy {
    /// Registration is disabled.
    #[default]
    Off,
    /// Every client may register.
    Open,
    /// Registration requires an initial access token with this hash.
    Token(SecretHash),
}
