//! Deletion of expired records.

use mcp_gateway_store::{Batch, CommitOutcome, Store};

use crate::chain::{ATTEMPTS, Link, StoredHead};
use crate::error::AuditError;
use crate::segment::{AuditKey, SEGMENTS, Segment};

/// Deletes the segments whose records are all older than `before`, in milliseconds since
/// 1970-01-01 UTC.
///
/// The head of each chain records how far it was deleted, so that a verification detects other
/// deletions.
///
/// # Errors
///
/// [`AuditError`] if the store is unavailable.
pub(crate) async fn prune(
    store: &dyn Store,
    key: &AuditKey,
    before: u64,
) -> Result<(), AuditError> {
    loop {
        let page = store.list(SEGMENTS, None, PAGE).await?;
        let mut deleted = 0;
        for entry in &page {
            let segment = Segment::read(&entry.key, &entry.document.value)?;
            // Keys are in the order of the first records.
            if segment.header.first >= before {
                return Ok(());
            }
            if segment.header.last < before && delete(store, key, &segment).await? {
                deleted += 1;
            }
        }
        if deleted == 0 {
            return Ok(());
        }
    }
}

/// Deletes the oldest segment of a chain; returns `false` if it is not the oldest.
async fn delete(store: &dyn Store, key: &AuditKey, segment: &Segment) -> Result<bool, AuditError> {
    let chain = segment.header.chain.as_str();
    for _ in 0..ATTEMPTS {
        let StoredHead { mut head, version } = StoredHead::sealed(store, key, chain).await?;
        if head.pruned.number + 1 != segment.header.number {
            return Ok(false);
        }
        head.pruned = Link {
            number: segment.header.number,
            hash: segment.header.hash.clone(),
        };
        // The head of an empty chain remains: its process may be running.
        let batch = Batch::new().delete(segment.key());
        let batch = head.put(batch, (chain, version), key);
        if store.commit(batch).await? == CommitOutcome::Committed {
            return Ok(true);
        }
    }
    Err(AuditError::Conflict {
        chain: chain.to_owned(),
    })
}

/// Number of segments that are read at once.
const PAGE: usize = 64;
