//! Verification of all chains of a log.

use std::collections::BTreeMap;
use std::fmt;

use mcp_gateway_store::Store;

use crate::chain::{HEADS, Head, Link};
use crate::error::AuditError;
use crate::outbox::{self, OUTBOX};
use crate::pages::Pages;
use crate::segment::{AuditKey, Header, SEGMENTS, Segment, SegmentDefect};

/// Result of the verification of a log.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_audit::{Actor, AuditEvent, AuditKey, AuditLog, AuditRecord, Change, Verification};
/// use mcp_gateway_store::{Batch, CommitOutcome, MemoryStore, Store};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let (store, key) = (Arc::new(MemoryStore::new()), AuditKey::new(&[7; 32]));
/// let log = AuditLog::builder(store.clone(), key.clone()).open().await?;
/// for user in ["user/ada", "user/bob"] {
///     let event = AuditEvent::Change(Change::new("user.delete", user));
///     log.append(&AuditRecord::new(Actor::new("mallory"), event));
///     log.flush().await?;
/// }
/// assert!(Verification::run(&*store, &key).await?.is_intact());
///
/// let first = store.list("audit/segment/", None, 1).await?.remove(0).key;
/// let delete = store.commit(Batch::new().delete(first)).await?;
/// assert_eq!(delete, CommitOutcome::Committed);
/// let verification = Verification::run(&*store, &key).await?;
/// assert!(verification.faults[0].to_string().ends_with("segment 1 is missing"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Verification {
    /// Number of chains.
    pub chains: usize,
    /// Number of segments.
    pub segments: usize,
    /// Number of records.
    pub records: usize,
    /// Number of records of changes that are not in a chain yet.
    pub pending: usize,
    /// Faults, ordered by chain and segment.
    pub faults: Vec<Fault>,
}

/// Fault of a chain.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Fault {
    /// Identifier of the chain, or of a record that is not in a chain yet.
    pub chain: String,
    /// Number of the segment; 0 for the head.
    pub segment: u64,
    /// Kind of the fault.
    pub kind: FaultKind,
}

/// Kind of a [`Fault`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The segment does not follow the one before it.
    Detached,
    /// The document is malformed, or is not the one of its key.
    Malformed,
    /// The segment is missing.
    Missing,
    /// The records do not match the hash.
    Modified,
    /// The seal was not made with the key of the gateway.
    Unsealed,
    /// A record that is not in a chain yet was not sealed with the key of the gateway.
    UnsealedRecord,
}

impl Verification {
    /// Verifies all chains in `store` with the key of their seals.
    ///
    /// Reports records that were modified, deleted or inserted by a process without the key. It
    /// cannot report that a whole chain was deleted together with its head, that a record of a change
    /// was deleted before it was moved to a chain, or that the whole store was replaced by an older
    /// copy.
    ///
    /// # Errors
    ///
    /// [`AuditError`] if the store is unavailable.
    pub async fn run(store: &dyn Store, key: &AuditKey) -> Result<Self, AuditError> {
        let verification = Self::attempt(store, key).await?;
        if verification.is_intact() {
            return Ok(verification);
        }
        // Retention may have deleted segments between the reads.
        Self::attempt(store, key).await
    }

    async fn attempt(store: &dyn Store, key: &AuditKey) -> Result<Self, AuditError> {
        let mut verification = Self::default();
        // Heads first: segments that are added meanwhile are beyond them.
        let mut chains = verification.read_heads(store, key).await?;
        verification.read_segments(store, key, &mut chains).await?;
        verification.read_outbox(store, key).await?;
        verification.chains = chains.len();
        for (id, chain) in chains {
            chain.verify(&id, &mut verification.faults);
        }
        let order = |fault: &Fault| (fault.chain.clone(), fault.segment);
        verification.faults.sort_by_key(order);
        Ok(verification)
    }

    /// Returns `true` if there is no fault.
    #[must_use]
    pub fn is_intact(&self) -> bool {
        self.faults.is_empty()
    }

    async fn read_heads(
        &mut self,
        store: &dyn Store,
        key: &AuditKey,
    ) -> Result<BTreeMap<String, FoundChain>, AuditError> {
        let mut chains = BTreeMap::new();
        let mut pages = Pages::new(store, HEADS);
        loop {
            let page = pages.next().await?;
            if page.is_empty() {
                return Ok(chains);
            }
            for entry in page {
                let id = entry.key.strip_prefix(HEADS).unwrap_or_default();
                let head = Head::parse(&entry.key, &entry.document.value).ok();
                match &head {
                    None => self.faults.push(Fault::new(id, 0, FaultKind::Malformed)),
                    Some(head) if !head.is_sealed(id, key) => {
                        self.faults.push(Fault::new(id, 0, FaultKind::Unsealed));
                    }
                    Some(_) => {}
                }
                let chain = FoundChain {
                    head,
                    links: BTreeMap::new(),
                };
                chains.insert(id.to_owned(), chain);
            }
        }
    }

    async fn read_outbox(&mut self, store: &dyn Store, key: &AuditKey) -> Result<(), AuditError> {
        let mut pages = Pages::new(store, OUTBOX);
        loop {
            let page = pages.next().await?;
            if page.is_empty() {
                return Ok(());
            }
            self.pending += page.len();
            for entry in page {
                if !outbox::is_sealed(&entry, key) {
                    let name = entry.key.strip_prefix(OUTBOX).unwrap_or_default();
                    self.faults
                        .push(Fault::new(name, 0, FaultKind::UnsealedRecord));
                }
            }
        }
    }

    async fn read_segments(
        &mut self,
        store: &dyn Store,
        key: &AuditKey,
        chains: &mut BTreeMap<String, FoundChain>,
    ) -> Result<(), AuditError> {
        let mut pages = Pages::new(store, SEGMENTS);
        loop {
            let page = pages.next().await?;
            if page.is_empty() {
                return Ok(());
            }
            for entry in page {
                self.segments += 1;
                let segment = Segment::read(&entry.key, &entry.document.value);
                let segment = segment.ok().filter(|segment| *segment.key() == *entry.key);
                let Some(segment) = segment else {
                    let name = entry.key.strip_prefix(SEGMENTS).unwrap_or_default();
                    self.faults.push(Fault::new(name, 0, FaultKind::Malformed));
                    continue;
                };
                self.records += segment.header.records;
                let (chain, number) = (&segment.header.chain, segment.header.number);
                match segment.defect(key) {
                    Some(SegmentDefect::Hash) => {
                        self.faults
                            .push(Fault::new(chain, number, FaultKind::Modified));
                    }
                    Some(SegmentDefect::Seal) => {
                        self.faults
                            .push(Fault::new(chain, number, FaultKind::Unsealed));
                    }
                    None => {}
                }
                let chain = chains.entry(segment.header.chain.clone()).or_default();
                chain.links.insert(number, segment.header);
            }
        }
    }
}

/// Chain as it was found.
#[derive(Debug, Default)]
struct FoundChain {
    head: Option<Head>,
    links: BTreeMap<u64, Header>,
}

impl FoundChain {
    /// Verifies that the segments follow each other from the last deleted one to the head.
    fn verify(self, id: &str, faults: &mut Vec<Fault>) {
        let Some(head) = self.head else {
            faults.push(Fault::new(id, 0, FaultKind::Missing));
            return;
        };
        let mut previous = head.pruned.clone();
        for (number, header) in &self.links {
            // Written after the head was read.
            if *number > head.last.number {
                break;
            }
            // Deleted by retention after the head was read, or before.
            if *number <= head.pruned.number {
                faults.push(Fault::new(id, *number, FaultKind::Detached));
                continue;
            }
            let missing = previous.number.saturating_add(1)..*number;
            let is_detached = missing.is_empty() && header.previous != previous.hash;
            let missing = missing.take(MAX_MISSING);
            faults.extend(missing.map(|number| Fault::new(id, number, FaultKind::Missing)));
            if is_detached {
                faults.push(Fault::new(id, *number, FaultKind::Detached));
            }
            previous = Link {
                number: *number,
                hash: header.hash.clone(),
            };
        }
        let missing = previous.number.saturating_add(1)..=head.last.number;
        let is_other = missing.is_empty() && previous.hash != head.last.hash;
        let missing = missing.take(MAX_MISSING);
        faults.extend(missing.map(|number| Fault::new(id, number, FaultKind::Missing)));
        if is_other {
            faults.push(Fault::new(id, head.last.number, FaultKind::Detached));
        }
    }
}

impl Fault {
    fn new(chain: &str, segment: u64, kind: FaultKind) -> Self {
        Self {
            chain: chain.to_owned(),
            segment,
            kind,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            chain,
            segment,
            kind,
        } = self;
        match segment {
            _ if *kind == FaultKind::UnsealedRecord => write!(f, "record {chain} {kind}"),
            0 => write!(f, "chain {chain}: head {kind}"),
            _ => write!(f, "chain {chain}: segment {segment} {kind}"),
        }
    }
}

impl fmt::Display for FaultKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Detached => "does not follow the one before it",
            Self::Malformed => "is malformed or misplaced",
            Self::Missing => "is missing",
            Self::Modified => "was modified",
            Self::Unsealed | Self::UnsealedRecord => "was not sealed by this gateway",
        })
    }
}

/// Maximum number of missing segments that are reported in a row.
const MAX_MISSING: usize = 100;
