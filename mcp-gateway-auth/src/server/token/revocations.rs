//! Revocations in the store, and their propagation to all replicas.

use std::sync::Arc;

use futures_util::StreamExt as _;
use mcp_gateway_store::{Batch, Documents, Store, WatchEvent};
use serde::{Deserialize, Serialize};

use crate::clock::system_time;
use crate::token::{RevocationTarget, Revocations};
use crate::{AuthServerError, Clock};

/// The revocations in a store, kept for as long as revoked access tokens could still be in use.
/// Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::server) struct RevocationLog {
    documents: Documents<Entry>,
    known: Revocations,
    clock: Clock,
    /// Lifetime of access tokens, in seconds.
    lifetime: u64,
}

/// A revocation in the store. Times are in seconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Entry {
    until: u64,
    /// Tokens that are issued at or after this time are accepted again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lifted: Option<u64>,
}

impl RevocationLog {
    /// Uses the revocations in `store`.
    pub(in crate::server) fn new(store: Arc<dyn Store>, clock: Clock, lifetime: u64) -> Self {
        Self {
            documents: Documents::new(store, PREFIX),
            known: Revocations::new(clock.clone()),
            clock,
            lifetime,
        }
    }

    /// Returns the revocations that are known to this process.
    pub(in crate::server) fn in_memory(&self) -> &Revocations {
        &self.known
    }

    /// Adds the revocation of all tokens of `id` to `batch`.
    pub(in crate::server) fn add(
        &self,
        batch: Batch,
        what: RevocationTarget,
        id: &str,
    ) -> Result<Batch, AuthServerError> {
        let until = self.retention_end();
        let id = format!("{}/{id}", name(what));
        let entry = Entry {
            until,
            lifted: None,
        };
        Ok(self
            .documents
            .put(batch, &id, &entry, Some(system_time(until)))?)
    }

    /// Applies a committed revocation in this process. Other replicas receive it from the store.
    pub(in crate::server) fn apply_local(&self, what: RevocationTarget, id: &str) {
        self.known.revoke(what, id, self.retention_end());
    }

    /// Revokes all tokens of `id`.
    pub(in crate::server) async fn revoke(
        &self,
        what: RevocationTarget,
        id: &str,
    ) -> Result<(), AuthServerError> {
        let batch = self.add(Batch::new(), what, id)?;
        let _ = self.documents.store().commit(batch).await?;
        self.apply_local(what, id);
        Ok(())
    }

    /// Adds to `batch` that tokens of `id` are accepted again if they are issued from now on.
    pub(in crate::server) fn add_lift(
        &self,
        batch: Batch,
        what: RevocationTarget,
        id: &str,
    ) -> Result<Batch, AuthServerError> {
        let (until, lifted) = (self.retention_end(), Some(self.clock.now()));
        let id = format!("{}/{id}", name(what));
        let entry = Entry { until, lifted };
        Ok(self
            .documents
            .put(batch, &id, &entry, Some(system_time(until)))?)
    }

    /// Applies a committed change of [`add_lift`](Self::add_lift) in this process.
    pub(in crate::server) fn note_lift(&self, what: RevocationTarget, id: &str) {
        self.known.reinstate(what, id, self.clock.now());
    }

    /// Accepts tokens of `id` that are issued from now on.
    pub(in crate::server) async fn reinstate(
        &self,
        what: RevocationTarget,
        id: &str,
    ) -> Result<(), AuthServerError> {
        let batch = self.add_lift(Batch::new(), what, id)?;
        let _ = self.documents.store().commit(batch).await?;
        self.note_lift(what, id);
        Ok(())
    }

    /// Returns the expiration time of all tokens that exist now, with a tolerance for different
    /// clocks.
    fn retention_end(&self) -> u64 {
        let now = self.clock.now();
        now.saturating_add(self.lifetime).saturating_add(CLOCK_SKEW)
    }

    /// Follows the revocations of other replicas for as long as it is polled.
    pub(in crate::server) async fn follow(&self) -> AuthServerError {
        let mut events = self.documents.store().watch(PREFIX);
        while let Some(event) = events.next().await {
            match event {
                WatchEvent::Deleted(_) => {}
                WatchEvent::Put(entry) => {
                    let id = entry.key.strip_prefix(PREFIX).unwrap_or(&entry.key);
                    if let Ok(entry) = serde_json::from_slice(&entry.document.value) {
                        self.apply_remote(id, entry);
                    }
                }
                // Reset, or one that may have been a write.
                _ => {
                    if let Err(error) = self.load().await {
                        return error;
                    }
                }
            }
        }
        AuthServerError::Busy
    }

    /// Loads all revocations.
    pub(in crate::server) async fn load(&self) -> Result<(), AuthServerError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.documents.list("", after.as_deref(), PAGE).await?;
            for (id, stored) in &page {
                self.apply_remote(id, stored.value);
            }
            match page.into_iter().last() {
                Some((last, _)) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// Applies a stored revocation in this process.
    fn apply_remote(&self, key: &str, entry: Entry) {
        let Some((what, id)) = parsed(key) else {
            return;
        };
        self.known.revoke(what, id, entry.until);
        if let Some(moment) = entry.lifted {
            self.known.reinstate(what, id, moment);
        }
    }
}

/// Returns the scope and the identifier of a stored revocation.
fn parsed(key: &str) -> Option<(RevocationTarget, &str)> {
    let (kind, id) = key.split_once('/')?;
    let what = KINDS.into_iter().find(|what| name(*what) == kind)?;
    Some((what, id))
}

/// Returns the name of a scope in store keys.
fn name(what: RevocationTarget) -> &'static str {
    match what {
        RevocationTarget::Client => "client",
        RevocationTarget::Grant => "grant",
        RevocationTarget::Subject => "subject",
        RevocationTarget::Token => "token",
    }
}

/// All scopes of revocations.
const KINDS: [RevocationTarget; 4] = [
    RevocationTarget::Client,
    RevocationTarget::Grant,
    RevocationTarget::Subject,
    RevocationTarget::Token,
];

/// Store prefix of revocations.
const PREFIX: &str = "auth/revoked/";

/// Tolerance for different clocks, in seconds.
const CLOCK_SKEW: u64 = 60;

/// Number of revocations per read.
const PAGE: usize = 500;
