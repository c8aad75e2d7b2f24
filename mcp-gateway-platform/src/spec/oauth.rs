//! The authorization server.

use std::time::Duration;

use mcp_gateway_auth::SecretHash;
use mcp_gateway_auth::server::{self, Client, Lifetimes};

use super::{Secret, changed};

/// The authorization server, in so far as it is fixed when a platform starts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct OAuth {
    /// Whether clients may describe themselves in documents of their own.
    pub documents: bool,
    /// The identity providers of enterprises.
    pub assertion_issuers: Vec<AssertionIssuer>,
    /// Whether access tokens can be read by nobody else.
    pub is_opaque: bool,
    /// Lifetime of access tokens.
    pub access_token: Option<Duration>,
    /// Idle timeout of refresh tokens.
    pub refresh_idle: Option<Duration>,
    /// Lifetime of a chain of refresh tokens.
    pub refresh_absolute: Option<Duration>,
    /// Limits on the rate of requests.
    pub limits: RateLimits,
}

/// The clients of the authorization server, in so far as they can change while a platform runs.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OAuthClients {
    /// The clients that are known from the start.
    pub known: Vec<Client>,
    /// Whether clients may register themselves.
    pub registration: Registration,
}

/// How many requests a minute are answered, where that is not as usual.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RateLimits {
    /// Requests a minute to authorize and to log in.
    pub authorize: Option<u32>,
    /// Registrations a minute.
    pub register: Option<u32>,
    /// Requests a minute of one client.
    pub client: Option<u32>,
}

/// Whether clients may register themselves.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Registration {
    /// They may not.
    Off,
    /// All may.
    #[default]
    Open,
    /// Those may that present this token.
    Token(Secret),
}

/// An identity provider whose assertions are exchanged for tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct AssertionIssuer {
    /// The issuer, as in the claim `iss`.
    pub issuer: String,
    /// The URL of its keys; discovered if `None`.
    pub jwks: Option<String>,
}

impl AssertionIssuer {
    /// An identity provider whose keys are discovered.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            jwks: None,
        }
    }
}

impl Registration {
    pub(crate) fn allowed(&self) -> server::Registration {
        match self {
            Self::Off => server::Registration::Off,
            Self::Open => server::Registration::Open,
            Self::Token(secret) => server::Registration::Token(SecretHash::of(secret.expose())),
        }
    }
}

impl Default for OAuth {
    fn default() -> Self {
        Self {
            documents: true,
            assertion_issuers: Vec::new(),
            is_opaque: false,
            access_token: None,
            refresh_idle: None,
            refresh_absolute: None,
            limits: RateLimits::default(),
        }
    }
}

impl OAuth {
    /// For how long what the authorization server issues is good.
    #[must_use]
    pub fn lifetimes(&self) -> Lifetimes {
        let mut lifetimes = Lifetimes::default();
        lifetimes.access_token = self.access_token.unwrap_or(lifetimes.access_token);
        lifetimes.refresh_idle = self.refresh_idle.unwrap_or(lifetimes.refresh_idle);
        lifetimes.refresh_absolute = self.refresh_absolute.unwrap_or(lifetimes.refresh_absolute);
        lifetimes
    }

    pub(crate) fn rate_limits(&self) -> server::RateLimits {
        let mut limits = server::RateLimits::default();
        limits.authorize = self.limits.authorize.unwrap_or(limits.authorize);
        limits.register = self.limits.register.unwrap_or(limits.register);
        limits.client = self.limits.client.unwrap_or(limits.client);
        limits
    }

    /// Returns the keys of the fields that differ in `after`.
    pub(super) fn changed_keys(&self, after: &Self) -> impl Iterator<Item = &'static str> + use<> {
        let Self {
            documents,
            assertion_issuers,
            is_opaque,
            access_token,
            refresh_idle,
            refresh_absolute,
            limits,
        } = self;
        changed([
            (
                "auth.oauth.accessTokenLifetime",
                *access_token != after.access_token,
            ),
            ("auth.oauth.accessTokens", *is_opaque != after.is_opaque),
            (
                "auth.oauth.assertionIssuers",
                *assertion_issuers != after.assertion_issuers,
            ),
            (
                "auth.oauth.clientMetadataDocuments",
                *documents != after.documents,
            ),
            ("auth.oauth.rateLimits", *limits != after.limits),
            (
                "auth.oauth.refreshTokenIdle",
                *refresh_idle != after.refresh_idle,
            ),
            (
                "auth.oauth.refreshTokenLifetime",
                *refresh_absolute != after.refresh_absolute,
            ),
        ])
    }
}
