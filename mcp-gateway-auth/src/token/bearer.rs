//! Authentication of requests by bearer token (RFC 6750), with a cache of verified tokens.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use http::request::Parts;
use mcp_gateway_core::auth::{Assertion, AuthError, AuthVerifier, Principal, Revocation};
use tokio::time;

use super::known::KnownTokens;
use super::{BoundTokens, ExternalToken, Revocations, TokenVerifier, VerifiedToken};
use crate::bearer::{TokenDigest, bearer_token, token_of};
use crate::clock::Clock;
use crate::dpop;
use crate::jose::MAX_TOKEN;

/// Authenticates requests by bearer token. Cheap to clone.
///
/// A token is verified on first use. The result is cached under the SHA-256 of the token until the
/// token expires, is revoked, or is due for another verification. Revocations apply at once, to
/// cached tokens too; the tokens of a changed user are verified again. Tokens in the query of a request are rejected, whatever the header contains:
/// they leak into logs and referrers.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use http::Request;
/// use mcp_gateway_auth::token::{BearerVerifier, Revocations, RevocationTarget};
/// use mcp_gateway_auth::{Clock, StaticTokens};
/// use mcp_gateway_core::auth::{AuthError, AuthVerifier, Principal};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let tokens = StaticTokens::new().with_token("wU3mtk8x", Principal::new("alice"));
/// let revocations = Revocations::new(Clock::system());
/// let verifier = BearerVerifier::new(Arc::new(tokens)).with_revocations(revocations.clone());
/// let verify = async |uri: &str| {
///     let request = Request::get(uri).header("authorization", "Bearer wU3mtk8x");
///     verifier.verify(&request.body(()).unwrap().into_parts().0).await
/// };
///
/// assert_eq!(verify("/mcp").await.unwrap().subject(), "alice");
/// let in_query = verify("/mcp?access_token=wU3mtk8x").await;
/// assert!(matches!(in_query, Err(AuthError::InvalidToken)));
///
/// revocations.revoke(RevocationTarget::Subject, "alice", u64::MAX);
/// assert!(matches!(verify("/mcp").await, Err(AuthError::InvalidToken)));
/// # }
/// ```
#[derive(Clone)]
#[doc(alias("RFC 6750"))]
pub struct BearerVerifier {
    assertions: Assertions,
    bound: Option<BoundTokens>,
    clock: Clock,
    known: Arc<KnownTokens>,
    recheck: u64,
    revocations: Revocations,
    verifier: Arc<dyn TokenVerifier>,
}

/// Tokens that are attached to their principals.
#[derive(Clone, Copy)]
enum Assertions {
    None,
    External,
    All,
}

impl BearerVerifier {
    /// Verifies tokens with `verifier`, and caches the last 10,000 valid ones.
    #[must_use]
    pub fn new(verifier: Arc<dyn TokenVerifier>) -> Self {
        let clock = Clock::system();
        Self {
            assertions: Assertions::None,
            bound: None,
            revocations: Revocations::new(clock.clone()),
            clock,
            known: Arc::default(),
            recheck: u64::MAX,
            verifier,
        }
    }

    /// Attaches the verified token to the principal as an [assertion](Principal::assertion), so that
    /// a resolver of credentials can exchange it. By default, the token is discarded.
    ///
    /// The cache does not keep the token: each request carries its own.
    ///
    /// # Example
    ///
    /// ```
    /// use std::sync::Arc;
    ///
    /// use http::Request;
    /// use mcp_gateway_auth::StaticTokens;
    /// use mcp_gateway_auth::token::BearerVerifier;
    /// use mcp_gateway_core::auth::{Assertion, AuthVerifier, Principal};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let tokens = StaticTokens::new().with_token("wU3mtk8x", Principal::new("alice"));
    /// let verifier = BearerVerifier::new(Arc::new(tokens)).with_assertion();
    /// let request = Request::get("/mcp").header("authorization", "Bearer wU3mtk8x");
    /// let (request, ()) = request.body(()).unwrap().into_parts();
    /// let alice = verifier.verify(&request).await.unwrap();
    /// assert_eq!(alice.assertion().map(Assertion::expose), Some("wU3mtk8x"));
    /// # }
    /// ```
    #[must_use]
    pub fn with_assertion(mut self) -> Self {
        self.assertions = Assertions::All;
        self
    }

    /// Attaches tokens of other issuers as [`with_assertion`](Self::with_assertion) does, and no
    /// others: neither those of the gateway's own authorization server nor API tokens.
    #[must_use]
    pub fn with_external_assertion(mut self) -> Self {
        self.assertions = Assertions::External;
        self
    }

    /// Accepts tokens that are bound to a key, with a proof in each request ([RFC 9449, section
    /// 7](https://www.rfc-editor.org/rfc/rfc9449#section-7)). By default, they are rejected.
    #[must_use]
    pub fn with_bound_tokens(mut self, bound: BoundTokens) -> Self {
        self.bound = Some(bound);
        self
    }

    /// Replaces the clock.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Verifies each token again after `period`, so that the withdrawal of a key also invalidates
    /// cached tokens. By default, a token is verified once.
    #[must_use]
    pub fn with_recheck(mut self, period: Duration) -> Self {
        self.recheck = period.as_secs();
        self
    }

    /// Rejects the tokens in `revocations`, and verifies tokens again where it
    /// [requires that](Revocations::recheck).
    #[must_use]
    pub fn with_revocations(mut self, revocations: Revocations) -> Self {
        revocations.add_known(&self.known);
        self.revocations = revocations;
        self
    }

    /// Returns the verified token of `request`.
    ///
    /// # Errors
    ///
    /// [`AuthError::MissingToken`] if the request has no token, [`AuthError::InvalidToken`] if the
    /// token is invalid, expired or revoked, or presented with the wrong scheme,
    /// [`AuthError::InvalidProof`] and [`AuthError::NonceRequired`] for the proof of a bound token,
    /// and the errors of the [`TokenVerifier`].
    ///
    /// # Cancel safety
    ///
    /// A dropped verification leaves the cache unchanged.
    pub async fn token(&self, request: &Parts) -> Result<Arc<VerifiedToken>, AuthError> {
        self.token_of(request, true).await
    }

    /// Returns the verified token of `request`, whose proof is not required again unless it `is_new`.
    async fn token_of(
        &self,
        request: &Parts,
        is_new: bool,
    ) -> Result<Arc<VerifiedToken>, AuthError> {
        if request.uri.query().is_some_and(has_token) {
            return Err(AuthError::InvalidToken);
        }
        let token = match (bearer_token(request, MAX_TOKEN), &self.bound) {
            (Err(AuthError::MissingToken), Some(bound)) => {
                return Box::pin(self.bound_token(bound, request, is_new)).await;
            }
            (token, _) => token?,
        };
        let verified = self.verified(token).await?;
        let is_required = self.bound.as_ref().is_some_and(BoundTokens::are_required);
        match verified.key().is_some() || is_required {
            // A stolen one must not be usable without its key.
            true => Err(AuthError::InvalidToken),
            false => Ok(verified),
        }
    }

    /// Returns the verified token of `request`, whose sender has its key.
    async fn bound_token(
        &self,
        bound: &BoundTokens,
        request: &Parts,
        is_new: bool,
    ) -> Result<Arc<VerifiedToken>, AuthError> {
        let token = token_of(request, dpop::SCHEME, MAX_TOKEN)?;
        let verified = self.verified(token).await?;
        let key = verified.key().ok_or(AuthError::InvalidToken)?;
        if is_new {
            bound.check(request, token, key)?;
        }
        Ok(verified)
    }

    /// Returns the token of `request`, for [`revoked`](Self::revoked).
    #[must_use]
    pub fn presented(request: &Parts) -> Option<Assertion> {
        let token = bearer_token(request, MAX_TOKEN);
        let token = token.or_else(|_| token_of(request, dpop::SCHEME, MAX_TOKEN));
        token.ok().map(Assertion::new)
    }

    /// Returns the verified `token`.
    async fn verified(&self, token: &str) -> Result<Arc<VerifiedToken>, AuthError> {
        let digest = TokenDigest::of(token);
        let now = self.clock.now();
        let known = self.known.get(&digest);
        let verified = match known.filter(|known| now < known.fresh_until()) {
            Some(known) => known,
            None => self.ask(token, digest).await?,
        };
        match self.revocations.is_revoked(&verified) {
            true => Err(AuthError::InvalidToken),
            false => Ok(verified),
        }
    }

    /// Waits until `token` is revoked, or `accepts` rejects its principal.
    ///
    /// The token is verified now and whenever its verification is stale: at once if its user has been
    /// changed, otherwise at most once a minute. Its expiration is no revocation; its grant, client or
    /// subject can still be revoked afterwards.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe.
    pub async fn revoked(&self, token: &Assertion, accepts: impl Fn(&Principal) -> bool + Send) {
        let mut added = self.revocations.subscribe();
        let digest = TokenDigest::of(token.expose());
        let mut last: Option<Arc<VerifiedToken>> = None;
        loop {
            let now = self.clock.now();
            let expired = last.as_ref().filter(|token| token.expires_at() <= now);
            let due = match expired {
                Some(_) => u64::MAX,
                None => match self.verified(token.expose()).await {
                    Ok(token) if accepts(token.principal()) => {
                        let due = token.fresh_until();
                        last = Some(token);
                        due
                    }
                    // An unavailable issuer revokes nothing.
                    Err(AuthError::Unavailable(_)) => now,
                    Ok(_) | Err(_) => return,
                },
            };
            let pause = due.saturating_sub(now).clamp(MIN_PAUSE, MAX_PAUSE);
            let due = time::sleep(Duration::from_secs(pause));
            let revoked = async {
                // The sender lives as long as this verifier.
                while added.changed().await.is_ok() {
                    let Some(token) = &last else { continue };
                    if self.revocations.is_revoked(token) {
                        return true;
                    }
                    let known = self.known.get(&digest);
                    if known.is_some_and(|known| known.fresh_until() == 0) {
                        return false;
                    }
                }
                true
            };
            tokio::select! {
                () = due => {}
                is_revoked = revoked => if is_revoked { return },
            }
        }
    }

    /// Returns the principal of the token of `request`.
    fn principal(&self, verified: &VerifiedToken, request: &Parts) -> Principal {
        let principal = verified.principal().clone();
        let is_kept = match self.assertions {
            Assertions::None => false,
            Assertions::External => ExternalToken::of(&principal).is_some(),
            Assertions::All => true,
        };
        let assertion = is_kept.then(|| Self::presented(request)).flatten();
        match assertion {
            Some(assertion) => principal.with_assertion(assertion),
            None => principal,
        }
    }

    /// Verifies a token and updates the cache.
    async fn ask(&self, token: &str, digest: TokenDigest) -> Result<Arc<VerifiedToken>, AuthError> {
        let changes = self.revocations.changes();
        let result = self.verifier.verify_token(token).await;
        let verified = match result {
            Ok(Some(verified)) => verified,
            // An unavailable issuer is no reason to evict a valid token.
            Ok(None) | Err(AuthError::InvalidToken) => {
                self.known.remove(&digest);
                return Err(AuthError::InvalidToken);
            }
            Err(error) => return Err(error),
        };
        let recheck_at = self.clock.now().saturating_add(self.recheck);
        let fresh_until = verified.fresh_until().min(recheck_at);
        let verified = Arc::new(verified.with_fresh_until(fresh_until));
        self.known.insert(digest, Arc::clone(&verified));
        if self.revocations.changes() != changes {
            // A user was changed, and may have been read before.
            verified.set_stale();
        }
        Ok(verified)
    }
}

#[async_trait]
impl AuthVerifier for BearerVerifier {
    async fn verify(&self, request: &Parts) -> Result<Principal, AuthError> {
        let verified = self.token(request).await?;
        Ok(self.principal(&verified, request))
    }

    async fn verify_again(&self, request: &Parts) -> Result<Principal, AuthError> {
        let verified = self.token_of(request, false).await?;
        Ok(self.principal(&verified, request))
    }

    fn revocation(&self, request: &Parts, principal: &Principal) -> Option<Revocation> {
        let (verifier, token) = (self.clone(), Self::presented(request)?);
        let principal = principal.clone();
        let revoked = async move { verifier.revoked(&token, |it| *it == principal).await };
        Some(Box::pin(revoked))
    }
}

impl fmt::Debug for BearerVerifier {
    /// Does not show tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BearerVerifier")
            .field("verifier", &self.verifier)
            .field("known", &self.known)
            .finish_non_exhaustive()
    }
}

/// Returns `true` if the query contains an access token, as [RFC 6750, section
/// 2.3](https://www.rfc-editor.org/rfc/rfc6750#section-2.3) permitted and OAuth 2.1 forbids.
fn has_token(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
}

/// Longest interval between verifications of the token of an open stream, in seconds.
const MAX_PAUSE: u64 = 3600;

/// Shortest interval between verifications of the token of an open stream, in seconds: there may be
/// many, and each may be a request to the issuer.
const MIN_PAUSE: u64 = 60;

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

    use futures_util::FutureExt as _;

    use super::*;
    use crate::token::RevocationTarget;

    /// Accepts every token as one of alice, of the grant `g` and until the time.
    #[derive(Debug)]
    struct UntilThen(u64);

    #[async_trait]
    impl TokenVerifier for UntilThen {
        async fn verify_token(&self, _: &str) -> Result<Option<VerifiedToken>, AuthError> {
            let alice = VerifiedToken::new(Principal::new("alice"), self.0);
            Ok(Some(alice.with_grant("g")))
        }
    }

    #[tokio::test]
    async fn j31_an_open_stream_is_notified_of_a_revocation() {
        let clock = Clock::fixed(1000);
        let revocations = Revocations::new(clock.clone());
        let verifier = BearerVerifier::new(Arc::new(UntilThen(2000)))
            .with_clock(clock)
            .with_revocations(revocations.clone());
        let token = Assertion::new("token");
        let mut revoked = std::pin::pin!(verifier.revoked(&token, |it| it.subject() == "alice"));
        assert!(revoked.as_mut().now_or_never().is_none());
        revocations.revoke(RevocationTarget::Grant, "another", 2000);
        assert!(revoked.as_mut().now_or_never().is_none());
        revocations.revoke(RevocationTarget::Grant, "g", 2000);
        revoked.await;
        let not_hers = verifier.revoked(&token, |_| true);
        assert!(not_hers.now_or_never().is_some(), "revoked before");
    }

    #[tokio::test(start_paused = true)]
    async fn an_expired_token_can_still_be_revoked_by_its_grant() {
        let clock = Clock::fixed(1000);
        let revocations = Revocations::new(clock.clone());
        let verifier = BearerVerifier::new(Arc::new(UntilThen(1060)))
            .with_clock(clock.clone())
            .with_revocations(revocations.clone());
        let token = Assertion::new("token");
        let mut revoked = std::pin::pin!(verifier.revoked(&token, |_| true));
        assert!(revoked.as_mut().now_or_never().is_none());
        clock.advance(Duration::from_secs(60));
        time::advance(Duration::from_secs(60)).await;
        assert!(revoked.as_mut().now_or_never().is_none(), "expired only");
        revocations.revoke(RevocationTarget::Subject, "alice", 2000);
        revoked.await;
    }

    /// Accepts every token as one of alice, who is a member of the team until she leaves it.
    #[derive(Debug, Default)]
    struct Member(AtomicBool);

    #[async_trait]
    impl TokenVerifier for Member {
        async fn verify_token(&self, _: &str) -> Result<Option<VerifiedToken>, AuthError> {
            let alice = Principal::new("alice");
            let alice = match self.0.load(Ordering::Relaxed) {
                true => alice,
                false => alice.with_team("ops"),
            };
            Ok(Some(VerifiedToken::new(alice, u64::MAX)))
        }
    }

    #[tokio::test]
    async fn j31_the_tokens_of_a_changed_user_are_verified_again() {
        let member = Arc::new(Member::default());
        let revocations = Revocations::new(Clock::system());
        let verifier = BearerVerifier::new(Arc::clone(&member) as _);
        let verifier = verifier.with_revocations(revocations.clone());
        let token = Assertion::new("token");
        let teams = async || {
            verifier
                .verified("token")
                .await
                .unwrap()
                .principal()
                .teams()
                .len()
        };
        let mut ends = std::pin::pin!(verifier.revoked(&token, |it| !it.teams().is_empty()));
        assert!(ends.as_mut().now_or_never().is_none());
        member.0.store(true, Ordering::Relaxed);
        revocations.recheck(Some("bob"));
        assert_eq!(teams().await, 1, "bob was changed");
        assert!(ends.as_mut().now_or_never().is_none());
        revocations.recheck(Some("alice"));
        ends.await;
        assert_eq!(teams().await, 0);
        member.0.store(false, Ordering::Relaxed);
        revocations.recheck(None);
        assert_eq!(teams().await, 1);
    }

    /// Verifies a token while its user is changed.
    #[derive(Debug)]
    struct Overtaken(Revocations, AtomicU64);

    #[async_trait]
    impl TokenVerifier for Overtaken {
        async fn verify_token(&self, _: &str) -> Result<Option<VerifiedToken>, AuthError> {
            if self.1.fetch_add(1, Ordering::Relaxed) == 0 {
                self.0.recheck(Some("alice"));
            }
            let alice = Principal::new("alice");
            Ok(Some(VerifiedToken::new(alice, u64::MAX)))
        }
    }

    #[tokio::test]
    async fn a_verification_that_a_change_overtakes_is_repeated() {
        let revocations = Revocations::new(Clock::system());
        let overtaken = Arc::new(Overtaken(revocations.clone(), AtomicU64::new(0)));
        let verifier = BearerVerifier::new(Arc::clone(&overtaken) as _);
        let verifier = verifier.with_revocations(revocations);
        for expected in [1, 2, 2] {
            verifier.verified("token").await.unwrap();
            assert_eq!(overtaken.1.load(Ordering::Relaxed), expected);
        }
    }

    #[tokio::test]
    async fn a_stream_ends_when_its_principal_is_rejected() {
        let verifier = BearerVerifier::new(Arc::new(UntilThen(u64::MAX)));
        let token = Assertion::new("token");
        let rejects = verifier.revoked(&token, |it| it.subject() == "bob");
        assert!(rejects.now_or_never().is_some());
    }
}
