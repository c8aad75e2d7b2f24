//! Authorization server.

use std::time::Duration;

use mcp_gateway_auth::SecretHash;
use mcp_gateway_auth::server::{self, Lifetimes, OAuthClient};

use super::{Secret, WorkloadIssuer, changed};

/// Authorization server: the part that is fixed when a platform starts.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use mcp_gateway_platform::spec::OAuth;
///
/// let mut oauth = OAuth::default();
/// oauth.access_token = Some(Duration::from_secs(300));
/// assert_eq!(oauth.lifetimes().access_token, Duration::from_secs(300));
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OAuth {
    /// Support for client ID metadata documents.
    pub documents: MetadataDocuments,
    /// Identity providers whose assertions are exchanged for tokens (ID-JAG).
    pub assertion_issuers: Vec<AssertionIssuer>,
    /// Set for opaque access tokens instead of JWTs.
    pub is_opaque: bool,
    /// Set if proofs of possession (RFC 9449) must contain a nonce of the platform.
    pub requires_nonces: bool,
    /// Lifetime of access tokens.
    pub access_token: Option<Duration>,
    /// Idle timeout of refresh tokens.
    pub refresh_idle: Option<Duration>,
    /// Lifetime of a grant, across all its refresh tokens.
    pub refresh_absolute: Option<Duration>,
    /// Rate limits.
    pub limits: RateLimits,
}

/// Authorization server: clients and workloads, which can be replaced while a platform runs.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct OAuthClients {
    /// Static clients.
    pub known: Vec<OAuthClient>,
    /// Policy for dynamic client registration.
    pub registration: Registration,
    /// Issuers of workloads, which need no client.
    pub workloads: Vec<WorkloadIssuer>,
}

/// Support for client ID metadata documents.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum MetadataDocuments {
    /// Rejected.
    Off,
    /// Accepted, and advertised while those of well-known clients can be fetched.
    #[default]
    WhileReachable,
    /// Accepted, and always advertised.
    Always,
}

/// Rate limits per minute; defaults where `None`.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct RateLimits {
    /// Authorization requests and logins of one address.
    pub authorize: Option<u32>,
    /// Registrations of one address.
    pub register: Option<u32>,
    /// Requests of one client.
    pub client: Option<u32>,
}

/// Policy for dynamic client registration (RFC 7591).
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum Registration {
    /// Rejected.
    Off,
    /// Accepted.
    #[default]
    Open,
    /// Accepted with this initial access token.
    Token(Secret),
}

/// Identity provider whose identity assertions are exchanged for tokens.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct AssertionIssuer {
    /// Issuer, exactly as in the claim `iss`.
    pub issuer: String,
    /// URL of its JWKS; discovered if `None`.
    pub jwks: Option<String>,
}

impl AssertionIssuer {
    /// Creates an identity provider whose keys are discovered.
    #[must_use]
    pub fn new(issuer: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            jwks: None,
        }
    }
}

impl Registration {
    /// Converts the policy to that of the authorization server.
    pub(crate) fn allowed(&self) -> server::RegistrationPolicy {
        match self {
            Self::Off => server::RegistrationPolicy::Off,
            Self::Open => server::RegistrationPolicy::Open,
            Self::Token(secret) => {
                server::RegistrationPolicy::Token(SecretHash::digest(secret.expose()))
            }
        }
    }
}

impl OAuth {
    /// Returns the lifetimes, with defaults for those that are not set.
    #[must_use]
    pub fn lifetimes(&self) -> Lifetimes {
        let mut lifetimes = Lifetimes::default();
        lifetimes.access_token = self.access_token.unwrap_or(lifetimes.access_token);
        lifetimes.refresh_idle = self.refresh_idle.unwrap_or(lifetimes.refresh_idle);
        lifetimes.refresh_absolute = self.refresh_absolute.unwrap_or(lifetimes.refresh_absolute);
        lifetimes
    }

    /// Returns the rate limits, with defaults for those that are not set.
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
            requires_nonces,
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
            (
                "auth.oauth.dpopNonces",
                *requires_nonces != after.requires_nonces,
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
