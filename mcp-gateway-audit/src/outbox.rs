//! Outbox: records that are written in the batch of their change, and are not in a chain yet.
//!
//! Any process of the log moves them to the chain `changes`, which all processes share: changes are
//! rare. A segment, the head of the chain and the deletion of its records from the outbox are one
//! batch, so that each record is moved once.

use std::sync::Arc;

use mcp_gateway_store::{Batch, CommitOutcome, DocumentVersion, ListedDocument, Store};
use serde::{Deserialize, Serialize};

use crate::chain::{ATTEMPTS, Link, StoredHead};
use crate::error::AuditError;
use crate::journal::MAX_SPAN;
use crate::record::AuditRecord;
use crate::segment::{AuditKey, Segment, json, read_time};

/// Record in the outbox.
#[derive(Debug, Deserialize, Serialize)]
struct Pending {
    /// Line of the segment, without its end.
    record: String,
    /// Seal of the line and the key of the document.
    seal: String,
}

/// Sealed record that was read from the outbox.
#[derive(Debug)]
struct Found {
    document: (String, DocumentVersion),
    line: String,
    time: u64,
}

/// Adds the write of `record` to `batch`. No other record has the `suffix`.
pub(crate) fn attach(batch: Batch, record: &AuditRecord, suffix: &str, key: &AuditKey) -> Batch {
    let at = format!("{OUTBOX}{:013}/{suffix}", record.time);
    let record = json(record);
    let seal = key.seal(&sealed_text(&at, &record));
    let pending = Pending { record, seal };
    batch.put(at, json(&pending))
}

/// Moves all records of the outbox to the chain, in the order of their times.
///
/// # Errors
///
/// [`AuditError`] if the store is unavailable, or other processes keep changing the chain. The
/// records stay in the outbox.
pub(crate) async fn empty(store: &dyn Store, key: &AuditKey) -> Result<(), AuditError> {
    let (mut after, mut conflicts) = (None, 0);
    loop {
        let page = store.list(OUTBOX, after.as_deref(), PAGE).await?;
        let Some(end) = page.last().map(|last| Arc::clone(&last.key)) else {
            return Ok(());
        };
        let records = page.iter();
        let found: Vec<_> = records
            .filter_map(|entry| Found::read(entry, key))
            .collect();
        let Some(first) = found.first().map(|first| first.time) else {
            after = Some(end);
            continue;
        };
        // Queries rely on the maximum time between the records of a segment.
        let last = first.saturating_add(u64::try_from(MAX_SPAN.as_millis()).unwrap_or(u64::MAX));
        let within = found.partition_point(|found| found.time <= last);
        match append(store, key, &found[..within]).await? {
            CommitOutcome::Committed => conflicts = 0,
            // Another process has moved them, or retention has changed the head.
            CommitOutcome::Conflict if conflicts < ATTEMPTS => conflicts += 1,
            CommitOutcome::Conflict => {
                let chain = CHAIN.to_owned();
                return Err(AuditError::Conflict { chain });
            }
        }
    }
}

/// Moves `records` to the next segment of the chain.
async fn append(
    store: &dyn Store,
    key: &AuditKey,
    records: &[Found],
) -> Result<CommitOutcome, AuditError> {
    let StoredHead { mut head, version } = StoredHead::sealed(store, key, CHAIN).await?;
    let number = head.last.number + 1;
    let lines = records.iter().map(|record| format!("{}\n", record.line));
    let segment = Segment::new((CHAIN, number), &head.last.hash, lines.collect(), key);
    head.last = Link {
        number,
        hash: segment.header.hash.clone(),
    };
    let batch = head.put(Batch::new(), (CHAIN, version), key);
    let batch = batch.put(segment.key(), segment.text());
    let moved = records.iter().map(|record| &record.document);
    let batch = moved.fold(batch, |batch, (key, version)| {
        batch
            .if_version(key.as_str(), *version)
            .delete(key.as_str())
    });
    Ok(store.commit(batch).await?)
}

/// Returns `true` if `entry` is a record of this gateway.
pub(crate) fn is_sealed(entry: &ListedDocument, key: &AuditKey) -> bool {
    Found::read(entry, key).is_some()
}

impl Found {
    /// Reads a document; `None` if it was not sealed with `key`. It stays where it is, and a
    /// verification reports it.
    fn read(ListedDocument { key: at, document }: &ListedDocument, key: &AuditKey) -> Option<Self> {
        let pending: Pending = serde_json::from_slice(&document.value).ok()?;
        let is_sealed = key.verify(&sealed_text(at, &pending.record), &pending.seal);
        is_sealed.then_some(())?;
        Some(Self {
            document: (at.to_string(), document.version),
            time: read_time(&pending.record)?,
            line: pending.record,
        })
    }
}

fn sealed_text(at: &str, record: &str) -> String {
    json(&("outbox", at, record))
}

/// Prefix of the keys of the records. They are in the order of their times.
pub(crate) const OUTBOX: &str = "audit/outbox/";

/// Identifier of the chain. That of a process has another length.
pub(crate) const CHAIN: &str = "changes";

/// Maximum number of records that are moved at once.
const PAGE: usize = 256;
