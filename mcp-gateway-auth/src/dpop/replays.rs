//! Proofs that were accepted before (RFC 9449, section 11.1).

use std::fmt;
use std::time::Duration;

use moka::policy::EvictionPolicy;
use moka::sync::Cache;

use super::verifier::WINDOW;
use crate::bearer::TokenDigest;

/// Proofs that were accepted within the time in which they are valid. Cheap to clone; all clones
/// share them.
///
/// The last 100,000 are remembered, by one process: others accept the proof once more, each.
#[derive(Clone)]
pub(super) struct Replays(Cache<TokenDigest, ()>);

impl Replays {
    pub(super) fn new() -> Self {
        let seen = Cache::builder()
            .max_capacity(MAX_PROOFS)
            .eviction_policy(EvictionPolicy::lru())
            // The time of a proof may be in the future.
            .time_to_live(Duration::from_secs(2 * WINDOW))
            .build();
        Self(seen)
    }

    /// Records the proof `id` of the key `thumbprint`. Returns `false` if it is known.
    pub(super) fn record(&self, thumbprint: &str, id: &str) -> bool {
        let digest = TokenDigest::of(&format!("{thumbprint}.{id}"));
        self.0.entry(digest).or_insert(()).is_fresh()
    }
}

impl fmt::Debug for Replays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Replays")
            .field(&self.0.entry_count())
            .finish()
    }
}

/// Maximum number of remembered proofs.
const MAX_PROOFS: u64 = 100_000;
