use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::request::Parts;
use mcp_gateway_core::auth::{AuthError, AuthVerifier, Principal};
use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::{Revocations, TokenVerifier, VerifiedToken};
use crate::bearer::{TokenDigest, bearer};
use crate::clock::Clock;
use crate::jwt::MAX_TOKEN;

/// Believes callers by the bearer tokens that they present. Cheap to clone.
///
/// A token is verified when it is seen first. After that it is believed until it expires, is
/// revoked, or has to be verified again; it is remembered by its SHA-256. Tokens in the address of
/// a request are refused, whatever the header says.
///
/// See the [module documentation](super) for an example.
#[derive(Clone)]
pub struct BearerVerifier {
    clock: Clock,
    known: Cache<TokenDigest, Arc<VerifiedToken>>,
    recheck: u64,
    revocations: Revocations,
    verifier: Arc<dyn TokenVerifier>,
}

impl BearerVerifier {
    /// Believes what `verifier` says of tokens, of which it remembers ten thousand.
    #[must_use]
    pub fn new(verifier: Arc<dyn TokenVerifier>) -> Self {
        let known = Cache::builder()
            .max_capacity(MAX_KNOWN)
            .eviction_policy(EvictionPolicy::lru())
            .build();
        let clock = Clock::system();
        Self {
            revocations: Revocations::new(clock.clone()),
            clock,
            known,
            recheck: u64::MAX,
            verifier,
        }
    }

    /// Goes by `clock`.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Verifies each token again after `period`, so that a key that was withdrawn takes its tokens
    /// with it.
    #[must_use]
    pub fn with_recheck(mut self, period: Duration) -> Self {
        self.recheck = period.as_secs();
        self
    }

    /// Refuses what is in `revocations`, at once.
    #[must_use]
    pub fn with_revocations(mut self, revocations: Revocations) -> Self {
        self.revocations = revocations;
        self
    }

    /// What the token of `request` stands for.
    ///
    /// # Errors
    ///
    /// When there is none, or it is not a good one, or that cannot be told.
    pub async fn token(&self, request: &Parts) -> Result<Arc<VerifiedToken>, AuthError> {
        if request.uri.query().is_some_and(has_token) {
            return Err(AuthError::InvalidToken);
        }
        let token = bearer(request, MAX_TOKEN)?;
        let digest = TokenDigest::of(token);
        let now = self.clock.now();
        let known = self.known.get(&digest);
        let verified = match known.filter(|known| now < known.fresh_until()) {
            Some(known) => known,
            None => self.ask(token, digest).await?,
        };
        match self.revocations.contain(&verified) {
            true => Err(AuthError::InvalidToken),
            false => Ok(verified),
        }
    }

    async fn ask(&self, token: &str, digest: TokenDigest) -> Result<Arc<VerifiedToken>, AuthError> {
        let result = self.verifier.verify_token(token).await;
        let verified = match result {
            Ok(Some(verified)) => verified,
            // Not when it cannot be told: that is no reason to forget.
            Ok(None) | Err(AuthError::InvalidToken) => {
                self.known.invalidate(&digest);
                return Err(AuthError::InvalidToken);
            }
            Err(error) => return Err(error),
        };
        let recheck_at = self.clock.now().saturating_add(self.recheck);
        let fresh_until = verified.fresh_until().min(recheck_at);
        let verified = Arc::new(verified.with_fresh_until(fresh_until));
        self.known.insert(digest, Arc::clone(&verified));
        Ok(verified)
    }
}

#[async_trait]
impl AuthVerifier for BearerVerifier {
    async fn verify(&self, request: &Parts) -> Result<Principal, AuthError> {
        let verified = self.token(request).await?;
        Ok(verified.principal().clone())
    }
}

impl fmt::Debug for BearerVerifier {
    /// Shows nothing of the tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerVerifier")
            .field("verifier", &self.verifier)
            .field("known", &self.known.entry_count())
            .finish_non_exhaustive()
    }
}

/// Whether a query carries a token, as
/// [RFC 6750, section 2.3](https://www.rfc-editor.org/rfc/rfc6750#section-2.3) once allowed.
fn has_token(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
}

const MAX_KNOWN: u64 = 10_000;
