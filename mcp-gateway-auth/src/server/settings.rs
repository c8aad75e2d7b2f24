use std::time::Duration;

use super::grant::RefreshLimits;
use crate::SecretHash;

/// For how long what the authorization server issues is good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Lifetimes {
    /// Codes: 60 s. [RFC 6749](https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2) allows ten
    /// minutes at most.
    pub code: Duration,
    /// Access tokens: an hour.
    pub access_token: Duration,
    /// Refresh tokens that are not used: 30 days.
    pub refresh_idle: Duration,
    /// Refresh tokens, however often they are used: 90 days from the consent.
    pub refresh_absolute: Duration,
    /// Refresh tokens that were exchanged for another one already: 30 s, for a client that did not
    /// get the answer.
    pub refresh_grace: Duration,
    /// Clients that have registered themselves, from the last time that they were used: 90 days.
    pub unused_client: Duration,
    /// Clients that have registered themselves and that nobody has let in yet: a day.
    pub new_client: Duration,
    /// What a person is asked to agree to: 10 minutes.
    pub consent_request: Duration,
    /// Keys that sign: 30 days. Tokens that were signed with one before stay good.
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

impl Lifetimes {
    pub(super) fn refresh(&self) -> RefreshLimits {
        RefreshLimits {
            idle: self.refresh_idle.as_secs(),
            absolute: self.refresh_absolute.as_secs(),
            grace: self.refresh_grace.as_secs(),
        }
    }
}

/// Whether clients may register themselves.
///
/// See [RFC 7591](https://www.rfc-editor.org/rfc/rfc7591#section-3).
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub enum Registration {
    /// They may not.
    #[default]
    Off,
    /// Any may.
    Open,
    /// Those may that present an initial access token that has this hash.
    Token(SecretHash),
}
