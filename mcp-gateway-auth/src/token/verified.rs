//! The result of a token verification.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use mcp_gateway_core::auth::Principal;

use crate::jose::Claims;

/// A verified access token: its principal, and the identifiers by which it can be revoked.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::token::VerifiedToken;
/// use mcp_gateway_core::auth::Principal;
///
/// let token = VerifiedToken::new(Principal::new("alice"), 1_800_000_060)
///     .with_token_id("t-1")
///     .with_fresh_until(1_900_000_000);
/// assert_eq!(token.token_id(), Some("t-1"));
/// // A result is never fresh beyond the expiration of the token.
/// assert_eq!(token.fresh_until(), token.expires_at());
/// ```
#[derive(Clone, Debug)]
pub struct VerifiedToken {
    expires_at: u64,
    fresh_until: Deadline,
    grant: Option<Arc<str>>,
    issued_at: Option<u64>,
    key: Option<Arc<str>>,
    principal: Principal,
    token_id: Option<Arc<str>>,
}

/// Time that may be brought forward, in seconds since the Unix epoch.
#[derive(Debug)]
struct Deadline(AtomicU64);

impl Clone for Deadline {
    fn clone(&self) -> Self {
        self.get().into()
    }
}

impl From<u64> for Deadline {
    fn from(moment: u64) -> Self {
        Self(AtomicU64::new(moment))
    }
}

impl Deadline {
    fn get(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

impl VerifiedToken {
    /// Creates a token of `principal` that expires at `expires_at`, in seconds since the Unix
    /// epoch.
    ///
    /// Streams without an end of their own end five minutes later. An active client has refreshed
    /// its token by then, and keeps its streams. If they ended with the token, clients would refresh
    /// for each stream and each call at once, and some lose their grant thereby.
    #[must_use]
    pub fn new(principal: Principal, expires_at: u64) -> Self {
        // A time that the system cannot represent is none.
        let expiry = expires_at.checked_add(STREAM_GRACE);
        let expiry = expiry.and_then(|at| UNIX_EPOCH.checked_add(Duration::from_secs(at)));
        let principal = match expiry {
            Some(expiry) => principal.with_expiry(expiry),
            None => principal,
        };
        Self {
            expires_at,
            fresh_until: expires_at.into(),
            grant: None,
            issued_at: None,
            key: None,
            principal,
            token_id: None,
        }
    }

    /// Requires another verification at `moment`, unless the token expires earlier.
    #[must_use]
    pub fn with_fresh_until(mut self, moment: u64) -> Self {
        self.fresh_until = moment.min(self.expires_at).into();
        self
    }

    /// Sets the grant under which the token was issued. The token is revoked with it.
    #[must_use]
    pub fn with_grant(mut self, grant: impl Into<Arc<str>>) -> Self {
        self.grant = Some(grant.into());
        self
    }

    /// Sets the time of issue, in seconds since the Unix epoch.
    #[must_use]
    pub fn with_issued_at(mut self, moment: u64) -> Self {
        self.issued_at = Some(moment);
        self
    }

    /// Binds the token to the key with `thumbprint` (RFC 9449, section 6): whoever presents it must
    /// prove the possession of that key.
    #[must_use]
    pub fn with_key(mut self, thumbprint: impl Into<Arc<str>>) -> Self {
        self.key = Some(thumbprint.into());
        self
    }

    /// Sets the token ID (`jti`).
    #[must_use]
    pub fn with_token_id(mut self, id: impl Into<Arc<str>>) -> Self {
        self.token_id = Some(id.into());
        self
    }

    /// Sets the value of the type `T` of the [principal](Principal::with_extension).
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_auth::token::VerifiedToken;
    /// use mcp_gateway_core::auth::Principal;
    ///
    /// let token = VerifiedToken::new(Principal::new("alice"), 1_800_000_000).with_extension(7_u32);
    /// assert_eq!(token.principal().extension(), Some(&7_u32));
    /// ```
    #[must_use]
    pub fn with_extension<T: Clone + Send + Sync + 'static>(mut self, value: T) -> Self {
        self.principal = self.principal.with_extension(value);
        self
    }

    /// Binds the token to the key in `claims` (`cnf`), if there is one.
    ///
    /// Returns `None` if it is bound in another way than RFC 9449 does, which cannot be verified.
    pub(crate) fn bound_by(self, claims: &Claims) -> Option<Self> {
        let Some(confirmation) = claims.extra.get("cnf") else {
            return Some(self);
        };
        let members = confirmation.as_object().filter(|it| it.len() == 1)?;
        Some(self.with_key(members.get("jkt")?.as_str()?))
    }

    /// Sets the token ID and the time of issue from `claims`.
    pub(crate) fn identified_by(mut self, claims: &Claims) -> Self {
        self.issued_at = claims.iat;
        self.token_id = claims.jti.as_deref().map(Arc::from);
        self
    }

    /// Returns the OAuth client to which the token was issued.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.principal.client()
    }

    /// Returns the expiration time, in seconds since the Unix epoch.
    #[must_use]
    pub fn expires_at(&self) -> u64 {
        self.expires_at
    }

    /// Returns the time until which the result may be cached; at most the expiration time.
    #[must_use]
    pub fn fresh_until(&self) -> u64 {
        self.fresh_until.get()
    }

    /// Requires another verification at once.
    pub(super) fn set_stale(&self) {
        self.fresh_until.0.store(0, Ordering::Release);
    }

    /// Returns the grant under which the token was issued.
    #[must_use]
    pub fn grant(&self) -> Option<&str> {
        self.grant.as_deref()
    }

    /// Returns the time of issue, in seconds since the Unix epoch, if known.
    #[must_use]
    pub fn issued_at(&self) -> Option<u64> {
        self.issued_at
    }

    /// Returns the thumbprint of the key to which the token is bound.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Returns the principal of the token.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.principal
    }

    /// Returns the granted scopes.
    #[must_use]
    pub fn scopes(&self) -> &[Arc<str>] {
        self.principal.scopes()
    }

    /// Returns the token ID (`jti`).
    #[must_use]
    pub fn token_id(&self) -> Option<&str> {
        self.token_id.as_deref()
    }
}

/// Time after the expiration of a token in which its streams go on, in seconds.
const STREAM_GRACE: u64 = 300;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_bound_by_a_thumbprint_alone() {
        let bound = |cnf: serde_json::Value| {
            let mut claims = Claims::default();
            claims.extra.insert("cnf".to_owned(), cnf);
            let token = VerifiedToken::new(Principal::new("alice"), 1).bound_by(&claims);
            token.map(|token| token.key().map(str::to_owned))
        };
        assert_eq!(bound(json!({ "jkt": "a" })), Some(Some("a".to_owned())));
        for other in [
            json!({ "x5t#S256": "a" }),
            json!({ "jkt": "a", "x5t#S256": "b" }),
            json!({ "jkt": 1 }),
            json!({}),
            json!(null),
            json!("a"),
        ] {
            assert_eq!(bound(other.clone()), None, "{other}");
        }
        let token = VerifiedToken::new(Principal::new("alice"), 1);
        let token = token.bound_by(&Claims::default()).unwrap();
        assert_eq!(token.key(), None);
    }

    #[test]
    fn streams_outlast_their_token_by_five_minutes() {
        let token = VerifiedToken::new(Principal::new("alice"), 1_800_000_000);
        let end = token.principal().expires_at().unwrap();
        let end = end.duration_since(UNIX_EPOCH).unwrap();
        assert_eq!(end, Duration::from_secs(1_800_000_300));
        assert_eq!(token.expires_at(), 1_800_000_000);
    }
}
