//! Chains of segments, one for each process.
//!
//! The head of a chain is a document of its own, which is replaced together with each segment.

use mcp_gateway_store::{Batch, CommitOutcome, DocumentVersion, Store};
use serde::{Deserialize, Serialize};

use crate::error::AuditError;
use crate::segment::{AuditKey, Segment, json};

/// Head of a chain in the store, and its version; no version if it does not exist.
#[derive(Clone, Debug)]
pub(crate) struct StoredHead {
    pub(crate) head: Head,
    pub(crate) version: Option<DocumentVersion>,
}

/// Ends of a chain: its last segment, and the last one that has been deleted.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Head {
    pub(crate) last: Link,
    pub(crate) pruned: Link,
    /// Seal of both.
    #[serde(default)]
    seal: String,
}

/// A segment of a chain.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Link {
    /// Number of the segment; 0 for none.
    pub(crate) number: u64,
    /// Hash of the segment.
    pub(crate) hash: String,
}

/// Adds the segment `number` of `lines` to `chain` in the store, unless it is there.
///
/// # Errors
///
/// [`AuditError`] if the store is unavailable, or other processes keep changing the chain.
pub(crate) async fn extend(
    store: &dyn Store,
    key: &AuditKey,
    (chain, number): (&str, u64),
    lines: String,
) -> Result<(), AuditError> {
    if lines.is_empty() {
        return Ok(());
    }
    for _ in 0..ATTEMPTS {
        let StoredHead { mut head, version } = StoredHead::sealed(store, key, chain).await?;
        // A batch may have been written although its future was dropped or failed.
        if number <= head.last.number {
            return Ok(());
        }
        let number = head.last.number + 1;
        let segment = Segment::new((chain, number), &head.last.hash, lines.clone(), key);
        head.last = Link {
            number,
            hash: segment.header.hash.clone(),
        };
        let batch = head.put(Batch::new(), (chain, version), key);
        let batch = batch.put(segment.key(), segment.text());
        // Retention changes the head as well.
        if store.commit(batch).await? == CommitOutcome::Committed {
            return Ok(());
        }
    }
    Err(AuditError::Conflict {
        chain: chain.to_owned(),
    })
}

/// Number of attempts to change the head of a chain.
pub(crate) const ATTEMPTS: usize = 8;

impl StoredHead {
    /// Reads the head of `chain`, which must be sealed if it exists: a change of it must not be
    /// sealed by the next segment.
    ///
    /// # Errors
    ///
    /// [`AuditError::Unsealed`] if it is not.
    pub(crate) async fn sealed(
        store: &dyn Store,
        key: &AuditKey,
        chain: &str,
    ) -> Result<Self, AuditError> {
        let stored = Self::read(store, chain).await?;
        match stored.version.is_none() || stored.head.is_sealed(chain, key) {
            true => Ok(stored),
            false => Err(AuditError::Unsealed {
                chain: chain.to_owned(),
            }),
        }
    }

    /// Reads the head of `chain`.
    pub(crate) async fn read(store: &dyn Store, chain: &str) -> Result<Self, AuditError> {
        let key = head_key(chain);
        let Some(document) = store.get(&key).await? else {
            return Ok(Self {
                head: Head::default(),
                version: None,
            });
        };
        Ok(Self {
            head: Head::parse(&key, &document.value)?,
            version: Some(document.version),
        })
    }
}

impl Head {
    /// Reads the document under `key`.
    ///
    /// # Errors
    ///
    /// [`AuditError::Malformed`] if it is no head.
    pub(crate) fn parse(key: &str, value: &[u8]) -> Result<Self, AuditError> {
        serde_json::from_slice(value).map_err(|_| AuditError::Malformed {
            key: key.to_owned(),
        })
    }

    /// Adds the replacement of the head of `chain`, whose version is known, to `batch`.
    pub(crate) fn put(
        mut self,
        batch: Batch,
        (chain, version): (&str, Option<DocumentVersion>),
        key: &AuditKey,
    ) -> Batch {
        self.seal = key.seal(&self.sealed_text(chain));
        let at = head_key(chain);
        let batch = match version {
            Some(version) => batch.if_version(at.as_str(), version),
            None => batch.if_absent(at.as_str()),
        };
        batch.put(at, json(&self))
    }

    /// Returns `true` if the head of `chain` was sealed with `key`.
    pub(crate) fn is_sealed(&self, chain: &str, key: &AuditKey) -> bool {
        key.verify(&self.sealed_text(chain), &self.seal)
    }

    fn sealed_text(&self, chain: &str) -> String {
        let Self { last, pruned, .. } = self;
        json(&("head", chain, last, pruned))
    }
}

/// Returns the key of the head of `chain`.
pub(crate) fn head_key(chain: &str) -> String {
    format!("{HEADS}{chain}")
}

/// Prefix of the keys of heads.
pub(crate) const HEADS: &str = "audit/head/";
