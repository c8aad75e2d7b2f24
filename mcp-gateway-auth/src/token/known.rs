//! Cache of verified tokens.

use std::fmt;
use std::sync::Arc;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::VerifiedToken;
use crate::bearer::TokenDigest;

/// Tokens that a verifier has verified lately.
pub(super) struct KnownTokens(Cache<TokenDigest, Arc<VerifiedToken>>);

impl Default for KnownTokens {
    fn default() -> Self {
        let cache = Cache::builder().max_capacity(MAX_KNOWN);
        Self(cache.eviction_policy(EvictionPolicy::lru()).build())
    }
}

impl KnownTokens {
    /// Returns the token with the digest `digest`.
    pub(super) fn get(&self, digest: &TokenDigest) -> Option<Arc<VerifiedToken>> {
        self.0.get(digest)
    }

    /// Adds or replaces a token.
    pub(super) fn insert(&self, digest: TokenDigest, token: Arc<VerifiedToken>) {
        self.0.insert(digest, token);
    }

    /// Removes a token.
    pub(super) fn remove(&self, digest: &TokenDigest) {
        self.0.invalidate(digest);
    }

    /// Requires another verification of the tokens of `subject`; of all tokens if `None`.
    pub(super) fn set_stale(&self, subject: Option<&str>) {
        for (_, token) in &self.0 {
            if subject.is_none_or(|subject| token.principal().subject() == subject) {
                token.set_stale();
            }
        }
    }
}

impl fmt::Debug for KnownTokens {
    /// Does not show tokens.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("KnownTokens")
            .field(&self.0.entry_count())
            .finish()
    }
}

/// Maximum number of tokens.
const MAX_KNOWN: u64 = 10_000;
