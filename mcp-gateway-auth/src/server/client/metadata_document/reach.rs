//! Reachability of documents: a gateway without internet must not advertise them.
//!
//! A client that finds `client_id_metadata_document_supported` does not register. If its document
//! cannot be fetched, it cannot log in, although it could have registered. So the metadata endpoint
//! advertises documents only while those of well-known clients can be fetched.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use futures_util::future::join_all;
use http::StatusCode;
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::{MAX_DOCUMENT, SETTING};
use crate::Clock;
use crate::egress::{Egress, EgressError};

/// Reachability of documents, as last observed. Cheap to clone.
#[derive(Clone)]
pub(super) struct DocumentReach {
    egress: Egress,
    clock: Clock,
    /// Documents that are fetched as a probe; without any, documents count as reachable.
    probes: Arc<[String]>,
    observed: Arc<ArcSwapOption<Observation>>,
    /// Permit of the only probe.
    probing: Arc<Mutex<()>>,
}

/// An observation with its time.
#[derive(Clone, Copy, Debug)]
struct Observation {
    reachable: Reachable,
    at: u64,
    /// `true` if a document could not be fetched since.
    is_doubted: bool,
}

/// Documents that can be fetched.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Reachable {
    All,
    Some,
    None,
}

impl DocumentReach {
    /// Probes with the documents of well-known clients, by `egress`.
    pub(super) fn new(egress: Egress, clock: Clock) -> Self {
        Self {
            egress,
            clock,
            probes: WELL_KNOWN.map(str::to_owned).into(),
            observed: Arc::default(),
            probing: Arc::default(),
        }
    }

    /// Replaces the documents that are fetched as a probe.
    pub(super) fn with_probes(self, probes: Arc<[String]>) -> Self {
        Self { probes, ..self }
    }

    /// Returns `true` if documents can be fetched. `all` requires that of all well-known clients.
    ///
    /// Probes if the last observation is outdated. Concurrent callers wait for the same probe.
    pub(super) async fn is_reachable(&self, all: bool) -> bool {
        let suffices = |reachable| match reachable {
            Reachable::All => true,
            Reachable::Some => !all,
            Reachable::None => false,
        };
        if let Some(reachable) = self.recent() {
            return suffices(reachable);
        }
        let _probing = self.probing.lock().await;
        if let Some(reachable) = self.recent() {
            return suffices(reachable);
        }
        let reachable = self.probe().await;
        self.observe(reachable);
        suffices(reachable)
    }

    /// Records that a document was fetched.
    pub(super) fn note_success(&self) {
        self.observe(Reachable::All);
    }

    /// Records that a document could not be fetched, so that the next caller probes soon.
    ///
    /// It is not evidence by itself: anybody can name a document that does not exist.
    pub(super) fn note_failure(&self) {
        if let Some(observed) = self.observed.load_full() {
            let doubted = Observation {
                is_doubted: true,
                ..*observed
            };
            self.observed.store(Some(Arc::new(doubted)));
        }
    }

    /// Returns the last observation unless it is outdated.
    fn recent(&self) -> Option<Reachable> {
        if self.probes.is_empty() {
            return Some(Reachable::All);
        }
        let observed = self.observed.load_full()?;
        let lifetime = match observed.reachable {
            Reachable::All if !observed.is_doubted => LIFETIME,
            Reachable::All | Reachable::Some | Reachable::None => SHORT_LIFETIME,
        };
        let is_recent = self.clock.now() < observed.at + lifetime.as_secs();
        is_recent.then_some(observed.reachable)
    }

    /// Fetches the documents of well-known clients.
    async fn probe(&self) -> Reachable {
        let fetches = self.probes.iter().map(|probe| async {
            match timeout(PROBE_TIMEOUT, self.egress.get_json(probe, MAX_DOCUMENT)).await {
                // A document that has moved does not mean that others are unreachable.
                Ok(Ok(_) | Err(EgressError::Status(StatusCode::NOT_FOUND | StatusCode::GONE))) => {
                    true
                }
                Ok(Err(_)) | Err(_) => false,
            }
        });
        let responses = join_all(fetches).await;
        match responses.iter().filter(|responded| **responded).count() {
            0 => Reachable::None,
            count if count == responses.len() => Reachable::All,
            _ => Reachable::Some,
        }
    }

    /// Records an observation, and logs a change.
    fn observe(&self, reachable: Reachable) {
        let now = Observation {
            reachable,
            at: self.clock.now(),
            is_doubted: false,
        };
        let before = self.observed.swap(Some(Arc::new(now)));
        let before = before.map_or(Reachable::All, |before| before.reachable);
        match (before, reachable) {
            (Reachable::All, Reachable::Some | Reachable::None) => tracing::warn!(
                setting = SETTING,
                "client metadata documents unreachable; clients register instead"
            ),
            (Reachable::Some | Reachable::None, Reachable::All) => {
                tracing::info!(setting = SETTING, "client metadata documents reachable");
            }
            _ => {}
        }
    }
}

/// Documents of clients that use them whenever they are advertised.
const WELL_KNOWN: [&str; 3] = [
    "https://chatgpt.com/oauth/codex/client.json",
    "https://claude.ai/oauth/claude-code-client-metadata",
    "https://github.com/copilot/cli/client-metadata.json",
];

/// Time that a client waits for the metadata of the server at most.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// Lifetime of the observation that all documents are reachable.
const LIFETIME: Duration = Duration::from_secs(5 * 60);

/// Lifetime of any other observation, and of one that is in doubt.
const SHORT_LIFETIME: Duration = Duration::from_secs(30);
