//! Results that are kept for their callers.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use tokio::time;

use super::document::Document;
use crate::Call;
use crate::call::Prepared;
use crate::error::UpstreamError;
use crate::limit::FOREVER;
use crate::protocol::Era;
use crate::replica::{Replica, ResultOwner, ResultPart};
use crate::seal::fill_random;
use crate::task::BackgroundTask;

/// Store of whole results, of which callers have received a part and a link.
///
/// A result can be read by the principal that made the call, at the same gateway, until it expires.
/// Its identifier is random, so callers who share a principal, such as anonymous ones, cannot guess
/// that of another. Size and age are [limited](KeptResultLimits), and so is their number: 4,096, of
/// which a principal has at most 1,024. The results are lost with the process; other replicas read them from it, see [`with_replica`](Self::with_replica).
///
/// Cloning is cheap; usually all servers of a process share one store.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::results::{KeptResultLimits, KeptResults};
///
/// let kept = KeptResults::new(KeptResultLimits::default().with_max_bytes(1024 * 1024));
/// assert_eq!(kept.bytes(), 0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct KeptResults(Arc<Inner>);

/// State that the clones share.
#[derive(Default)]
struct Inner {
    limits: KeptResultLimits,
    /// Address of this replica, and access to the others, once it is set.
    replica: OnceLock<Replica>,
    /// Results in the order of their age, the oldest first.
    kept: Mutex<VecDeque<KeptResult>>,
}

/// Limits of kept results.
///
/// # Example
///
/// ```
/// use std::time::Duration;
///
/// use mcp_gateway_core::results::KeptResultLimits;
///
/// let limits = KeptResultLimits::default();
/// assert_eq!(limits.max_bytes(), 64 * 1024 * 1024);
/// assert_eq!(limits.max_bytes_per_principal(), 16 * 1024 * 1024);
/// assert_eq!(limits.lifetime(), Duration::from_secs(600));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
#[must_use]
pub struct KeptResultLimits {
    max_bytes: usize,
    max_bytes_per_principal: usize,
    lifetime: Duration,
}

/// A result, and who may read it.
struct KeptResult {
    id: Box<str>,
    owner: ResultOwner,
    document: Arc<Document>,
    /// Task that removes the result when it expires.
    _expiry: BackgroundTask,
}

impl ResultOwner {
    /// Returns the owner of the result of `call`.
    pub(super) fn of(call: &Call<Prepared>) -> Self {
        Self {
            principal: call.principal().subject().into(),
            gateway: call.caller().gateway().into(),
            server: (&*call.target().server).into(),
        }
    }
}

impl ResultPart {
    /// Returns the era of the client.
    pub(super) fn era(&self) -> Era {
        match self.is_modern {
            true => Era::Modern,
            false => Era::Legacy,
        }
    }
}

impl Default for KeptResultLimits {
    /// Returns the default limits: 64 MiB in total, 16 MiB for each principal, for ten minutes.
    fn default() -> Self {
        Self {
            max_bytes: 64 * 1024 * 1024,
            max_bytes_per_principal: 16 * 1024 * 1024,
            lifetime: Duration::from_secs(600),
        }
    }
}

impl KeptResultLimits {
    /// Sets the maximum size of all results in bytes. Default: 64 MiB. Beyond it, the oldest ones are
    /// evicted.
    pub fn with_max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = bytes;
        self
    }

    /// Sets the maximum size of the results of one principal in bytes. Default: 16 MiB. Beyond it, its
    /// oldest ones are evicted. A larger result is not kept.
    pub fn with_max_bytes_per_principal(mut self, bytes: usize) -> Self {
        self.max_bytes_per_principal = bytes;
        self
    }

    /// Sets the time for which a result is kept. Default: 10 minutes.
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime.min(FOREVER);
        self
    }

    /// Returns the maximum size of all results in bytes.
    #[must_use]
    pub fn max_bytes(&self) -> usize {
        self.max_bytes
    }

    /// Returns the maximum size of the results of one principal in bytes.
    #[must_use]
    pub fn max_bytes_per_principal(&self) -> usize {
        self.max_bytes_per_principal
    }

    /// Returns the time for which a result is kept.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }
}

impl KeptResults {
    /// Creates an empty store.
    #[must_use]
    pub fn new(limits: KeptResultLimits) -> Self {
        Self(Arc::new(Inner {
            limits,
            ..Inner::default()
        }))
    }

    /// Makes the results available to other replicas, and theirs to callers of this one.
    ///
    /// A second replica is ignored.
    #[must_use]
    pub fn with_replica(self, replica: Replica) -> Self {
        let _ = self.0.replica.set(replica);
        self
    }

    /// Returns the size of the kept results in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size(self.0.kept().iter())
    }

    /// Keeps `document` for `owner`, and returns its identifier; `None` if it is too large or the
    /// system has no randomness.
    pub(super) fn keep(&self, owner: ResultOwner, document: &Arc<Document>) -> Option<Box<str>> {
        let limits = &self.0.limits;
        let bytes = document.bytes();
        if bytes > limits.max_bytes_per_principal.min(limits.max_bytes) {
            return None;
        }
        let mut id = [0; 16];
        fill_random(&mut id).ok()?;
        let id: Box<str> = URL_SAFE_NO_PAD.encode(id).into();
        let expiry = {
            let (store, id, lifetime) = (Arc::downgrade(&self.0), id.clone(), limits.lifetime);
            BackgroundTask::spawn(expire(store, id, lifetime))
        };
        let mut kept = self.0.kept();
        let is_own = |result: &KeptResult| result.owner.principal == owner.principal;
        // The results of others are evicted only if those of the caller are within its own limits.
        let own_bytes = limits.max_bytes_per_principal - bytes;
        evict(&mut kept, own_bytes, MAX_RESULTS_PER_PRINCIPAL - 1, is_own);
        evict(&mut kept, limits.max_bytes - bytes, MAX_RESULTS - 1, |_| {
            true
        });
        kept.push_back(KeptResult {
            id: id.clone(),
            owner,
            document: Arc::clone(document),
            _expiry: expiry,
        });
        drop(kept);
        match self.0.replica.get() {
            Some(replica) => replica.seal_result_id(&id).map(String::into),
            None => Some(id),
        }
    }

    /// Returns a part of the result `id`, of this or another replica, as the JSON text of a result of
    /// `resources/read`; `None` if it is not kept.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::ReplicaUnavailable`] if the other replica is unreachable.
    pub(super) async fn read(
        &self,
        id: &str,
        part: ResultPart,
    ) -> Result<Option<Bytes>, UpstreamError> {
        let Some(replica) = self.0.replica.get() else {
            return Ok(self.piece(id, &part));
        };
        match replica.open_result_id(id) {
            Some((at, id)) if at != replica.url() => replica.read_result(&at, id, part).await,
            Some((_, id)) => Ok(self.piece(&id, &part)),
            None => Ok(None),
        }
    }

    /// Returns a part of the result `id` of this replica; see [`read`](Self::read).
    pub(crate) fn piece(&self, id: &str, part: &ResultPart) -> Option<Bytes> {
        let document = self.get(&part.owner, id)?;
        Some(document.piece(&part.uri, part.offset, part.era()).into())
    }

    /// Returns the document `id` of `owner`.
    fn get(&self, owner: &ResultOwner, id: &str) -> Option<Arc<Document>> {
        let kept = self.0.kept();
        let is_meant = |result: &&KeptResult| *result.id == *id && result.owner == *owner;
        let found = kept.iter().find(is_meant)?;
        Some(Arc::clone(&found.document))
    }
}

impl Inner {
    /// Locks the kept results.
    fn kept(&self) -> MutexGuard<'_, VecDeque<KeptResult>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner")
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Removes the result `id` after `lifetime`.
async fn expire(store: Weak<Inner>, id: Box<str>, lifetime: Duration) {
    time::sleep(lifetime).await;
    if let Some(store) = store.upgrade() {
        let mut kept = store.kept();
        let expired = kept.iter().position(|result| result.id == id);
        let expired = expired.and_then(|at| kept.remove(at));
        drop((kept, expired));
    }
}

/// Evicts the oldest of the results that `counts` until they have at most `max_bytes` and are at most
/// `max`.
fn evict(
    kept: &mut VecDeque<KeptResult>,
    max_bytes: usize,
    max: usize,
    counts: impl Fn(&KeptResult) -> bool,
) {
    let mut bytes = size(kept.iter().filter(|result| counts(result)));
    let mut number = kept.iter().filter(|result| counts(result)).count();
    while (bytes > max_bytes || number > max)
        && let Some(at) = kept.iter().position(&counts)
        && let Some(evicted) = kept.remove(at)
    {
        bytes -= evicted.document.bytes();
        number -= 1;
    }
}

/// Returns the size of `results` in bytes.
fn size<'a>(results: impl Iterator<Item = &'a KeptResult>) -> usize {
    results.map(|result| result.document.bytes()).sum()
}

/// Maximum number of kept results; beyond it, the oldest one is evicted.
const MAX_RESULTS: usize = 4096;

/// Maximum number of kept results of one principal; beyond it, its oldest one is evicted.
const MAX_RESULTS_PER_PRINCIPAL: usize = MAX_RESULTS / 4;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::tool_result::{ToolResult, text_block};

    fn owner(principal: &str) -> ResultOwner {
        ResultOwner {
            principal: principal.into(),
            gateway: "g".into(),
            server: "s".into(),
        }
    }

    fn document(bytes: usize) -> Arc<Document> {
        let result = format!(r#"{{"content":[{}]}}"#, text_block(&"x".repeat(bytes)));
        Arc::new(Document::new(&ToolResult::parse(&result).unwrap(), 0))
    }

    #[tokio::test]
    async fn category_kept_results_are_limited_in_total_and_for_each_principal() {
        let limits = KeptResultLimits::default()
            .with_max_bytes(100)
            .with_max_bytes_per_principal(50);
        let kept = KeptResults::new(limits);
        assert_eq!(kept.keep(owner("a"), &document(51)), None);
        let keep = |who: &str, bytes| kept.keep(owner(who), &document(bytes)).unwrap();
        let has = |who: &str, id: &str| kept.get(&owner(who), id).is_some();
        let (b, first) = (keep("b", 40), keep("a", 30));
        let second = keep("a", 30);
        assert!(
            !has("a", &first) && has("a", &second),
            "the oldest one is evicted"
        );
        assert!(has("b", &b) && !has("a", &b), "others do not pay for it");
        let c = keep("c", 50);
        assert!(!has("b", &b) && has("a", &second) && has("c", &c));
        assert_eq!(kept.bytes(), 80);
        let mut elsewhere = owner("c");
        elsewhere.gateway = "other".into();
        assert!(kept.get(&elsewhere, &c).is_none());
    }

    #[tokio::test]
    async fn category_kept_results_of_others_outlast_any_number_of_small_ones() {
        let kept = KeptResults::default();
        let other = kept.keep(owner("b"), &document(1)).unwrap();
        let keep = |_| kept.keep(owner("a"), &document(1)).unwrap();
        let own: Vec<_> = (0..2 * MAX_RESULTS).map(keep).collect();
        assert!(kept.get(&owner("b"), &other).is_some());
        let evicted = own.len() - MAX_RESULTS_PER_PRINCIPAL;
        for (at, id) in own.iter().enumerate() {
            let is_kept = kept.get(&owner("a"), id).is_some();
            assert_eq!(is_kept, at >= evicted, "{at}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_kept_result_expires() {
        let lifetime = Duration::from_secs(60);
        let kept = KeptResults::new(KeptResultLimits::default().with_lifetime(lifetime));
        let id = kept.keep(owner("a"), &document(10)).unwrap();
        time::sleep(lifetime - Duration::from_secs(1)).await;
        assert!(kept.get(&owner("a"), &id).is_some());
        time::sleep(Duration::from_secs(2)).await;
        assert!(kept.get(&owner("a"), &id).is_none());
        assert_eq!(kept.bytes(), 0);
    }
}
