use std::sync::Arc;

use futures_util::StreamExt as _;
use mcp_gateway_store::{Batch, Documents, Event, Store};
use serde::{Deserialize, Serialize};

use crate::clock::moment;
use crate::token::{Revocations, Revoked};
use crate::{AuthorityError, Clock};

/// What has been revoked, for as long as access tokens may be in use that were issued before. Cheap
/// to clone.
#[derive(Clone, Debug)]
pub(super) struct RevocationLog {
    documents: Documents<Entry>,
    known: Revocations,
    clock: Clock,
    /// For how long access tokens are good, in seconds.
    lifetime: u64,
}

/// A revocation in the store.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
struct Entry {
    until: u64,
    /// Since when new tokens are good again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lifted: Option<u64>,
}

impl RevocationLog {
    pub(super) fn new(store: Arc<dyn Store>, clock: Clock, lifetime: u64) -> Self {
        Self {
            documents: Documents::new(store, PREFIX),
            known: Revocations::new(clock.clone()),
            clock,
            lifetime,
        }
    }

    /// What is known of it in this process, for those who verify tokens.
    pub(super) fn known(&self) -> &Revocations {
        &self.known
    }

    /// Adds to `batch` that everything of `id` is revoked.
    pub(super) fn add(
        &self,
        batch: Batch,
        what: Revoked,
        id: &str,
    ) -> Result<Batch, AuthorityError> {
        let until = self.until();
        let id = format!("{}/{id}", name(what));
        let entry = Entry {
            until,
            lifted: None,
        };
        Ok(self
            .documents
            .put(batch, &id, &entry, Some(moment(until)))?)
    }

    /// Applies here at once what was committed; other replicas hear of it from the store.
    pub(super) fn note(&self, what: Revoked, id: &str) {
        self.known.revoke(what, id, self.until());
    }

    /// Revokes everything of `id`.
    pub(super) async fn revoke(&self, what: Revoked, id: &str) -> Result<(), AuthorityError> {
        let batch = self.add(Batch::new(), what, id)?;
        let _ = self.documents.store().commit(batch).await?;
        self.note(what, id);
        Ok(())
    }

    /// Adds to `batch` that tokens of `id` are good that are issued from now on; those that were
    /// revoked stay so.
    pub(super) fn add_lift(
        &self,
        batch: Batch,
        what: Revoked,
        id: &str,
    ) -> Result<Batch, AuthorityError> {
        let (until, lifted) = (self.until(), Some(self.clock.now()));
        let id = format!("{}/{id}", name(what));
        let entry = Entry { until, lifted };
        Ok(self
            .documents
            .put(batch, &id, &entry, Some(moment(until)))?)
    }

    /// Applies here at once what was committed.
    pub(super) fn note_lift(&self, what: Revoked, id: &str) {
        self.known.lift(what, id, self.clock.now());
    }

    /// Lets tokens of `id` be good that are issued from now on.
    pub(super) async fn lift(&self, what: Revoked, id: &str) -> Result<(), AuthorityError> {
        let batch = self.add_lift(Batch::new(), what, id)?;
        let _ = self.documents.store().commit(batch).await?;
        self.note_lift(what, id);
        Ok(())
    }

    /// When nothing is in use any more that was issued until now; clocks differ a little.
    fn until(&self) -> u64 {
        let now = self.clock.now();
        now.saturating_add(self.lifetime).saturating_add(CLOCK_SKEW)
    }

    /// Follows what is revoked at other replicas, for as long as it is polled.
    pub(super) async fn follow(&self) -> AuthorityError {
        let mut events = self.documents.store().watch(PREFIX);
        while let Some(event) = events.next().await {
            match event {
                Event::Deleted(_) => {}
                Event::Put(entry) => {
                    let id = entry.key.strip_prefix(PREFIX).unwrap_or(&entry.key);
                    if let Ok(entry) = serde_json::from_slice(&entry.document.value) {
                        self.learn(id, entry);
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
        AuthorityError::Busy
    }

    /// Learns of everything that has been revoked.
    pub(super) async fn load(&self) -> Result<(), AuthorityError> {
        let mut after: Option<String> = None;
        loop {
            let page = self.documents.list("", after.as_deref(), PAGE).await?;
            for (id, stored) in &page {
                self.learn(id, stored.value);
            }
            match page.into_iter().last() {
                Some((last, _)) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    fn learn(&self, key: &str, entry: Entry) {
        let Some((what, id)) = parsed(key) else {
            return;
        };
        self.known.revoke(what, id, entry.until);
        if let Some(moment) = entry.lifted {
            self.known.lift(what, id, moment);
        }
    }
}

/// What is revoked by the document of that identifier.
fn parsed(key: &str) -> Option<(Revoked, &str)> {
    let (kind, id) = key.split_once('/')?;
    let what = KINDS.into_iter().find(|what| name(*what) == kind)?;
    Some((what, id))
}

fn name(what: Revoked) -> &'static str {
    match what {
        Revoked::Client => "client",
        Revoked::Grant => "grant",
        Revoked::Subject => "subject",
        Revoked::Token => "token",
    }
}

const KINDS: [Revoked; 4] = [
    Revoked::Client,
    Revoked::Grant,
    Revoked::Subject,
    Revoked::Token,
];

const PREFIX: &str = "auth/revoked/";

const CLOCK_SKEW: u64 = 60;

const PAGE: usize = 500;
