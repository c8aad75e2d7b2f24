//! Tokens of other issuers.

use std::sync::Arc;

use mcp_gateway_core::auth::Principal;

use crate::jose::Claims;

/// Description of a verified JWT that another issuer has issued.
///
/// [`ExternalIssuers`](super::ExternalIssuers) attaches it to the principal, so that resolvers tell
/// such a token from one of the gateway's own authorization server, and from API tokens.
#[derive(Clone, Debug)]
pub struct ExternalToken(Arc<Description>);

#[derive(Debug)]
struct Description {
    issuer: String,
    audiences: Vec<String>,
    expires_at: u64,
}

impl ExternalToken {
    /// Describes a token of `issuer` for `audiences`, which expires at `expires_at`, in seconds since
    /// the Unix epoch.
    #[must_use]
    pub fn new(
        issuer: impl Into<String>,
        audiences: impl IntoIterator<Item = String>,
        expires_at: u64,
    ) -> Self {
        Self(Arc::new(Description {
            issuer: issuer.into(),
            audiences: audiences.into_iter().collect(),
            expires_at,
        }))
    }

    /// Describes the token of `issuer` with `claims`.
    pub(super) fn of_claims(issuer: &str, claims: &Claims) -> Self {
        Self::new(issuer, claims.aud.clone(), claims.exp.unwrap_or(0))
    }

    /// Returns the description of the token that `principal` has presented; `None` if it is not one
    /// of another issuer.
    #[must_use]
    pub fn of(principal: &Principal) -> Option<&Self> {
        principal.extension()
    }

    /// Returns the issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// Returns the audiences.
    #[must_use]
    pub fn audiences(&self) -> &[String] {
        &self.0.audiences
    }

    /// Returns the expiration time, in seconds since the Unix epoch.
    #[must_use]
    pub fn expires_at(&self) -> u64 {
        self.0.expires_at
    }
}
