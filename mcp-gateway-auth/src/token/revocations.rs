//! The in-memory list of revoked tokens, and of the caches of verified ones.
//!
//! JWTs are valid until they expire, wherever they are verified. This list makes revocation (RFC
//! 7009) effective at once in the verifiers that share it.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};

use tokio::sync::watch;

use super::VerifiedToken;
use super::known::KnownTokens;
use crate::clock::Clock;

/// A list of revoked tokens. Cheap to clone; all clones share the list.
///
/// The list is in memory only. The revoking party notifies all replicas, and each of them updates
/// its own list. Entries are removed when their last token has expired.
///
/// # Example
///
/// ```
/// use mcp_gateway_auth::Clock;
/// use mcp_gateway_auth::token::{Revocations, RevocationTarget, VerifiedToken};
/// use mcp_gateway_core::auth::Principal;
///
/// let clock = Clock::fixed(1_800_000_000);
/// let token = VerifiedToken::new(Principal::new("alice"), clock.now() + 60).with_grant("g-1");
///
/// let revocations = Revocations::new(clock);
/// assert!(!revocations.is_revoked(&token));
/// revocations.revoke(RevocationTarget::Grant, "g-1", token.expires_at());
/// assert!(revocations.is_revoked(&token));
/// ```
#[derive(Clone, Debug)]
pub struct Revocations(Arc<Inner>);

/// The scope of a revocation.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum RevocationTarget {
    /// All tokens of a client, by client ID.
    Client,
    /// All tokens of a grant, by grant ID.
    Grant,
    /// All tokens of a principal, by subject.
    Subject,
    /// One token, by its `jti`.
    Token,
}

/// The shared list.
#[derive(Debug)]
struct Inner {
    clock: Clock,
    /// `true` once anything has been revoked. Until then, requests take no lock.
    any: AtomicBool,
    lists: RwLock<RevocationLists>,
    /// Caches of the verifiers that share the list.
    known: Mutex<Vec<Weak<KnownTokens>>>,
    /// Number of changes of users.
    changes: AtomicU64,
    /// Notifies open streams of new entries, and of changes of users.
    added: watch::Sender<()>,
}

/// Revocations by scope and identifier.
#[derive(Debug, Default)]
struct RevocationLists {
    clients: HashMap<Arc<str>, Revocation>,
    grants: HashMap<Arc<str>, Revocation>,
    subjects: HashMap<Arc<str>, Revocation>,
    tokens: HashMap<Arc<str>, Revocation>,
    /// Length of a list at which its expired entries are removed.
    purge_at: usize,
}

/// The set of revoked tokens of one identifier. Times are in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default)]
struct Revocation {
    /// Expiration time of the last revoked token.
    until: u64,
    /// Only tokens issued before this time are revoked; all tokens if `None`.
    before: Option<u64>,
}

impl Revocation {
    /// Returns `true` if `token` is revoked. A token without a time of issue counts as issued
    /// before.
    fn applies_to(&self, token: &VerifiedToken, now: u64) -> bool {
        let is_before = match (self.before, token.issued_at()) {
            (Some(before), Some(issued_at)) => issued_at < before,
            _ => true,
        };
        now < self.until && is_before
    }
}

impl Revocations {
    /// Creates an empty list.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner {
            clock,
            any: AtomicBool::new(false),
            lists: RwLock::default(),
            known: Mutex::default(),
            changes: AtomicU64::new(0),
            added: watch::Sender::new(()),
        }))
    }

    /// Revokes the tokens of `id` until `until`, the expiration time of the last one in seconds
    /// since the Unix epoch.
    pub fn revoke(&self, what: RevocationTarget, id: impl Into<Arc<str>>, until: u64) {
        let now = self.0.clock.now();
        let mut lists = self.0.lists.write().unwrap_or_else(PoisonError::into_inner);
        let purge_at = lists.purge_at.max(MIN_PURGE);
        let list = lists.list(what);
        if list.len() >= purge_at {
            list.retain(|_, revocation| revocation.until > now);
            let purge_at = list.len() * 2;
            lists.purge_at = purge_at;
        }
        let entry = lists.list(what).entry(id.into()).or_default();
        *entry = Revocation {
            until: until.max(entry.until),
            before: None,
        };
        // Stored after the entry and within the lock: a reader that sees it also finds the entry.
        self.0.any.store(true, Ordering::Release);
        drop(lists);
        self.0.added.send_replace(());
    }

    /// Requires another verification of all tokens of the user `subject`, who may have lost a team or
    /// a role; of all tokens if `None`.
    ///
    /// # Example
    ///
    /// ```
    /// use mcp_gateway_auth::Clock;
    /// use mcp_gateway_auth::token::Revocations;
    ///
    /// let revocations = Revocations::new(Clock::system());
    /// // Of each `BearerVerifier` with these revocations.
    /// revocations.recheck(Some("usr_1"));
    /// ```
    pub fn recheck(&self, subject: Option<&str>) {
        // Counted before: a verification that ends later notices it, an earlier one is in its cache.
        self.0.changes.fetch_add(1, Ordering::SeqCst);
        for known in self.known().iter().filter_map(Weak::upgrade) {
            known.set_stale(subject);
        }
        self.0.added.send_replace(());
    }

    /// Returns the number of changes of users.
    pub(super) fn changes(&self) -> u64 {
        self.0.changes.load(Ordering::SeqCst)
    }

    /// Adds the cache of a verifier.
    pub(super) fn add_known(&self, known: &Arc<KnownTokens>) {
        let mut all = self.known();
        if all.len() == all.capacity() {
            all.retain(|known| known.strong_count() > 0);
        }
        all.push(Arc::downgrade(known));
    }

    fn known(&self) -> std::sync::MutexGuard<'_, Vec<Weak<KnownTokens>>> {
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a receiver that is notified of each new entry.
    pub(crate) fn subscribe(&self) -> watch::Receiver<()> {
        self.0.added.subscribe()
    }

    /// Accepts those tokens of `id` again that are issued at or after `moment`, in seconds since
    /// the Unix epoch. Earlier ones remain revoked.
    pub fn reinstate(&self, what: RevocationTarget, id: &str, moment: u64) {
        let mut lists = self.0.lists.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(revocation) = lists.list(what).get_mut(id) {
            revocation.before = Some(moment);
        }
    }

    /// Returns `true` if `token` is revoked, by itself or by its grant, client or subject.
    #[must_use]
    pub fn is_revoked(&self, token: &VerifiedToken) -> bool {
        if !self.0.any.load(Ordering::Acquire) {
            return false;
        }
        let now = self.0.clock.now();
        let lists = self.0.lists.read().unwrap_or_else(PoisonError::into_inner);
        let has = |list: &HashMap<Arc<str>, Revocation>, id: Option<&str>| {
            let revocation = id.and_then(|id| list.get(id));
            revocation.is_some_and(|revocation| revocation.applies_to(token, now))
        };
        has(&lists.tokens, token.token_id())
            || has(&lists.grants, token.grant())
            || has(&lists.clients, token.client_id())
            || has(&lists.subjects, Some(token.principal().subject()))
    }
}

#[cfg(feature = "token-exchange")]
impl Revocations {
    /// Returns `true` if tokens of the principal `subject` are revoked.
    pub(crate) fn revokes_subject(&self, subject: &str) -> bool {
        let now = self.0.clock.now();
        let lists = self.0.lists.read().unwrap_or_else(PoisonError::into_inner);
        let revoked = lists.subjects.get(subject);
        revoked.is_some_and(|revocation| now < revocation.until)
    }
}

impl RevocationLists {
    /// Returns the list for a scope.
    fn list(&mut self, what: RevocationTarget) -> &mut HashMap<Arc<str>, Revocation> {
        match what {
            RevocationTarget::Client => &mut self.clients,
            RevocationTarget::Grant => &mut self.grants,
            RevocationTarget::Subject => &mut self.subjects,
            RevocationTarget::Token => &mut self.tokens,
        }
    }
}

/// Minimum length of a list before it is purged.
const MIN_PURGE: usize = 1024;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mcp_gateway_core::auth::Principal;

    use super::*;

    #[test]
    fn j31_everything_that_a_token_hangs_on_can_be_revoked() {
        let clock = Clock::fixed(1000);
        let principal = Principal::new("alice").with_client("editor");
        let token = VerifiedToken::new(principal, 2000)
            .with_grant("g")
            .with_issued_at(900)
            .with_token_id("t");
        let later = token.clone().with_issued_at(1100);
        for (what, id) in [
            (RevocationTarget::Client, "editor"),
            (RevocationTarget::Grant, "g"),
            (RevocationTarget::Subject, "alice"),
            (RevocationTarget::Token, "t"),
        ] {
            let revocations = Revocations::new(clock.clone());
            revocations.revoke(what, "another", 2000);
            assert!(!revocations.is_revoked(&token), "{what:?}");
            revocations.revoke(what, id, 2000);
            revocations.revoke(what, id, 1500);
            assert!(revocations.is_revoked(&token), "{what:?}");
            assert!(revocations.is_revoked(&later), "{what:?}");
            revocations.reinstate(what, id, 1100);
            assert!(revocations.is_revoked(&token), "{what:?}");
            assert!(!revocations.is_revoked(&later), "{what:?}");
            revocations.revoke(what, id, 1500);
            assert!(revocations.is_revoked(&later), "{what:?}");
        }
    }

    #[test]
    fn what_is_over_does_not_stay() {
        let clock = Clock::fixed(1000);
        let revocations = Revocations::new(clock.clone());
        for id in 0..10 * MIN_PURGE {
            revocations.revoke(RevocationTarget::Token, id.to_string(), clock.now() + 10);
            clock.advance(Duration::from_secs(1));
        }
        let lists = revocations.0.lists.read().unwrap();
        assert!(lists.tokens.len() <= MIN_PURGE, "{}", lists.tokens.len());
    }
}
