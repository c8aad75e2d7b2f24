//! List cache of a server.
//!
//! A list is served from memory once it has been fetched in full. It stays fresh for the `ttlMs`
//! that a modern server declares. Without a declaration it is cached only if the server announces
//! changes, and then until such an announcement, until a call that may have changed it, or for
//! [`MAX_AGE`]. A page of a longer list is never served from memory, because its cursors belong to
//! the server; its entries are remembered for the calls of them.
//!
//! Announcements cause a bounded number of requests: beyond the [`RefetchBudget`], callers receive
//! the last list, and are notified of a change once the next one has been fetched.
//!
//! See [MCP 2026-07-28,
//! caching](https://modelcontextprotocol.io/specification/2026-07-28/server/utilities/caching).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::time;

use super::attempt::Attempt;
use super::list_pages::{ListAnswer, MAX_BYTES, MAX_PAGES};
use super::refetch_budget::RefetchBudget;
use crate::catalog::{CatalogEntry, ListKind, Listing};
use crate::protocol::Method;
use crate::upstream::DiscoverResult;

/// Cache of the lists of a server, one for each [`ListKind`].
///
/// Reads are lock-free. The lists are immutable and shared, so a reader keeps its list even if it
/// is invalidated meanwhile.
#[derive(Debug, Default)]
pub(super) struct ListCache([CachedList; 4]);

/// Cache of one list.
#[derive(Debug, Default)]
pub(super) struct CachedList {
    /// Last complete list, fresh or not.
    listing: ArcSwapOption<Listing>,
    /// Pages of a longer list that callers have read.
    pages: ArcSwapOption<ReadPages>,
    /// Request for the complete list, which concurrent callers share.
    pub(super) fetching: Attempt<Arc<Listing>>,
    /// Request for the first page, which concurrent callers share.
    pub(super) fetching_page: Attempt<FirstPage>,
    /// `true` if a call may have changed the list since it was fetched.
    suspect: AtomicBool,
    /// Number of announced changes.
    changes: AtomicU64,
    /// Number of announced changes before the request for the last list.
    included: AtomicU64,
    /// Limit of the requests that announced changes cause.
    pub(super) refetches: RefetchBudget,
    /// `true` while a request waits until the limit permits it.
    pub(super) delayed: AtomicBool,
    /// `true` if the last request took longer than other servers wait for it.
    pub(super) slow: AtomicBool,
    /// `true` if callers have received the last list instead of the one that is requested.
    pub(super) preceded: AtomicBool,
}

/// Consecutive pages of a list from the first one on, as callers have read them.
#[derive(Debug)]
struct ReadPages {
    /// The pages; at least one.
    pages: Vec<Arc<Listing>>,
    /// Number of announced changes before the request for the first one.
    changes: u64,
}

/// First page of a list, or the error of the server.
#[derive(Clone, Debug)]
pub(super) struct FirstPage {
    /// The page.
    pub(super) answer: ListAnswer,
    /// Number of announced changes before the request.
    pub(super) changes: u64,
}

/// State of a list before a request for it.
#[derive(Debug)]
pub(super) struct BeforeRequest {
    /// Number of announced changes.
    pub(super) changes: u64,
    /// `true` if a call may have changed the list.
    suspect: bool,
}

impl ListCache {
    /// Marks all lists as possibly changed by a call.
    ///
    /// A server announces changes by a notification, which over HTTP may arrive after the response
    /// to the call. Without the mark, a caller could read a list after its own call that lacks the
    /// effect of that call. A `ttlMs` that the server has declared takes precedence over the mark.
    pub(super) fn mark_stale(&self) {
        for list in &self.0 {
            list.suspect.store(true, Ordering::Release);
        }
    }

    /// Invalidates the list whose change the notification `method` announces; other methods have no
    /// effect.
    pub(super) fn invalidate(&self, method: &Method) {
        for kind in ListKind::ALL {
            if kind.list_changed_method() == *method {
                self.0[kind.index()].invalidate();
            }
        }
    }

    /// Invalidates all lists, because change notifications may have been lost.
    pub(super) fn clear(&self) {
        for list in &self.0 {
            list.invalidate();
        }
    }

    /// Aborts the requests that are in progress.
    pub(super) async fn abort(&self) {
        for list in &self.0 {
            list.fetching.abort().await;
            list.fetching_page.abort().await;
        }
    }

    /// Returns the cache of the list `kind`.
    pub(super) fn of(&self, kind: ListKind) -> &CachedList {
        &self.0[kind.index()]
    }
}

impl CachedList {
    /// Records that the server has announced a change.
    fn invalidate(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Records that the list is about to be requested, so that a concurrent change is not missed.
    pub(super) fn begin(&self) -> BeforeRequest {
        BeforeRequest {
            suspect: self.suspect.swap(false, Ordering::AcqRel),
            changes: self.changes.load(Ordering::Acquire),
        }
    }

    /// Records that the request has not replaced the list.
    pub(super) fn undo(&self, before: &BeforeRequest) {
        self.suspect.fetch_or(before.suspect, Ordering::AcqRel);
    }

    /// Stores a complete list, or drops the last one.
    pub(super) fn store(&self, listing: Option<Arc<Listing>>, before: &BeforeRequest) {
        self.listing.store(listing);
        self.included.store(before.changes, Ordering::Release);
    }

    /// Stores a first page if it is the whole list, and remembers it otherwise. Returns `true` if
    /// it differs from the last one.
    pub(super) fn store_page(&self, page: &Arc<Listing>, before: &BeforeRequest) -> bool {
        if page.is_single_page() {
            let last = self.last();
            self.store(Some(Arc::clone(page)), before);
            return last.is_none_or(|last| !last.has_same_entries(page));
        }
        self.undo(before);
        let pages = ReadPages {
            pages: vec![Arc::clone(page)],
            changes: before.changes,
        };
        let last = self.pages.swap(Some(Arc::new(pages)));
        last.is_none_or(|last| !last.pages[0].has_same_entries(page))
    }

    /// Remembers the page at `cursor` if it follows the pages that callers have read.
    ///
    /// Their number and size are bounded, because a server may have any number of pages.
    pub(super) fn remember(&self, cursor: &str, page: &Arc<Listing>) {
        let Some(read) = self.pages.load_full() else {
            return;
        };
        let follows = read.pages.last().and_then(|last| last.next_cursor()) == Some(cursor);
        let bytes: usize = read.pages.iter().map(|page| page.bytes()).sum();
        if follows && read.pages.len() < MAX_PAGES && bytes <= MAX_BYTES {
            let pages = read.pages.iter().chain([page]).map(Arc::clone).collect();
            let changes = read.changes;
            self.pages
                .store(Some(Arc::new(ReadPages { pages, changes })));
        }
    }

    /// Returns `true` if no change has been announced since `changes` of them.
    pub(super) fn is_unchanged_since(&self, changes: u64) -> bool {
        changes == self.changes.load(Ordering::Acquire)
    }

    /// Applies `read` to the entry `name` of the lists and pages in memory, fresh or not, unless
    /// the server has announced a change since.
    pub(super) fn known<T>(&self, name: &str, read: impl FnOnce(&CatalogEntry) -> T) -> Option<T> {
        if let Some(listing) = self.unchanged()
            && let Some(entry) = listing.get(name)
        {
            return Some(read(entry));
        }
        let pages = self.pages.load();
        let pages = pages.as_ref()?;
        let mut entries = pages.pages.iter().filter_map(|page| page.get(name));
        let entry = entries.next()?;
        self.is_unchanged_since(pages.changes).then(|| read(entry))
    }

    /// Returns the entry `name` of a list or page in memory that is at most [`MAX_AGE`] old, unless the
    /// server has announced a change since. Its digest is computed in the list, once.
    pub(super) fn recent(&self, name: &str) -> Option<CatalogEntry> {
        let read = |entry: &CatalogEntry| {
            let _ = entry.digest();
            entry.clone()
        };
        if let Some(listing) = self.unchanged()
            && listing.age() < MAX_AGE
            && let Some(entry) = listing.get(name)
        {
            return Some(read(entry));
        }
        let pages = self.pages.load();
        let read_pages = pages.as_ref()?;
        let mut pages = read_pages.pages.iter();
        let entry = pages.find_map(|page| page.get(name).filter(|_| page.age() < MAX_AGE))?;
        self.is_unchanged_since(read_pages.changes)
            .then(|| read(entry))
    }

    /// Returns the last complete list, fresh or not.
    pub(super) fn last(&self) -> Option<Arc<Listing>> {
        self.listing.load_full()
    }

    /// Returns the complete list if the server has it on one page.
    pub(super) fn single_page(listing: Arc<Listing>) -> Option<Arc<Listing>> {
        listing.is_single_page().then_some(listing)
    }

    /// Returns the cached list, unless the server has announced a change since.
    pub(super) fn unchanged(&self) -> Option<Arc<Listing>> {
        // Read before the list, which is stored first.
        let included = self.included.load(Ordering::Acquire);
        let listing = self.listing.load_full()?;
        (included == self.changes.load(Ordering::Acquire)).then_some(listing)
    }

    /// Returns the last list and the delay of the next request, if announced changes have used up
    /// the requests.
    pub(super) fn if_exhausted(&self) -> Option<(Arc<Listing>, Duration)> {
        // After a call of its own, the caller must see the effects of that call.
        if self.suspect.load(Ordering::Acquire) || self.unchanged().is_some() {
            return None;
        }
        let listing = self.listing.load_full()?;
        if self.delayed.load(Ordering::Acquire) {
            return Some((listing, Duration::ZERO));
        }
        if self
            .fetching
            .age()
            .or_else(|| self.fetching_page.age())
            .is_some()
        {
            return None;
        }
        let delay = self.refetches.take(time::Instant::now()).err()?;
        Some((listing, delay))
    }

    /// Returns the last list if it takes long to request another one, and no change is known.
    pub(super) fn if_slow(&self) -> Option<Arc<Listing>> {
        let is_sure = self.slow.load(Ordering::Acquire) && !self.suspect.load(Ordering::Acquire);
        let listing = is_sure.then(|| self.unchanged()).flatten()?;
        (listing.age() < MAX_AGE).then_some(listing)
    }

    /// Returns the last list as an answer that precedes the one of the request in progress.
    pub(super) fn precede(&self) -> Option<Arc<Listing>> {
        let listing = self.listing.load_full()?;
        self.preceded.store(true, Ordering::Release);
        Some(listing)
    }

    /// Returns the cached list if it is fresh.
    pub(super) fn if_fresh(&self, info: &DiscoverResult) -> Option<Arc<Listing>> {
        let listing = self.unchanged()?;
        let fresh = match listing.fresh_for() {
            Some(rest) => !rest.is_zero(),
            None if !listing.is_supported() => listing.age() < MAX_AGE,
            // A server that announces changes would have announced one.
            None => {
                info.declares(listing.kind().capability(), "listChanged")
                    && !self.suspect.load(Ordering::Acquire)
                    && listing.age() < MAX_AGE
            }
        };
        fresh.then_some(listing)
    }
}

/// Guard of a request that waits.
pub(super) struct DelayedFetch<'a>(&'a AtomicBool);

impl<'a> DelayedFetch<'a> {
    pub(super) fn new(delayed: &'a AtomicBool) -> Self {
        delayed.store(true, Ordering::Release);
        Self(delayed)
    }
}

impl Drop for DelayedFetch<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Maximum age of a list without a declared lifetime, in case its change notifications are lost.
pub(super) const MAX_AGE: Duration = Duration::from_secs(300);
