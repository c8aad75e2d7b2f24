//! List cache of a server, and the tool schemas in it.
//!
//! A list is fetched in full, over all of its pages, the first time that a caller requests it, and
//! then served from memory. It stays fresh for the `ttlMs` that a modern server declares. Without a
//! declaration it is cached only if the server announces changes, and then until such an
//! announcement, until a call that may have changed it, or for [`MAX_AGE`].
//!
//! Announcements cause a bounded number of requests: beyond the [`RefetchBudget`], callers receive
//! the last list, and are notified of a change once the next one has been fetched.
//!
//! The list of tools also defines which arguments a client must mirror in headers, which is why a
//! call of a tool can fetch it. See [MCP 2026-07-28, caching][caching] and [custom
//! headers][headers].
//!
//! [caching]: https://modelcontextprotocol.io/specification/2026-07-28/server/utilities/caching
//! [headers]: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http#custom-headers-from-tool-parameters

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use tokio::time;

use super::MERGED_WAIT;
use super::attempt::{Attempt, IsAwaited};
use super::list_pages::fetch_pages;
use super::refetch_budget::RefetchBudget;
use super::{UseGuard, View};
use crate::Call;
use crate::call::Prepared;
use crate::catalog::{CatalogEntry, ListKind, Listing, ParamMismatch};
use crate::error::UpstreamError;
use crate::jsonrpc::{Id, Request};
use crate::protocol::{
    Era, Method,
    header::{self, ParamHeaders},
};
use crate::route::Feature;
use crate::upstream::{DiscoverResult, connection::SendError};

/// Cache of the lists of a server, one for each [`ListKind`].
///
/// Reads are lock-free. The lists are immutable and shared, so a reader keeps its list even if it
/// is invalidated meanwhile.
#[derive(Debug, Default)]
pub(super) struct ListCache([CachedList; 4]);

/// Cache of one list.
#[derive(Debug, Default)]
struct CachedList {
    /// Last list, fresh or not.
    listing: ArcSwapOption<Listing>,
    /// Request for the list, which concurrent callers share.
    fetching: Attempt<Arc<Listing>>,
    /// `true` if a call may have changed the list since it was fetched.
    suspect: AtomicBool,
    /// Number of announced changes.
    changes: AtomicU64,
    /// Number of announced changes before the request for the last list.
    included: AtomicU64,
    /// Limit of the requests that announced changes cause.
    refetches: RefetchBudget,
    /// `true` while a request waits until the limit permits it.
    delayed: AtomicBool,
    /// `true` if the last request took longer than other servers wait for it.
    slow: AtomicBool,
    /// `true` if callers have received the last list instead of the one that is requested.
    preceded: AtomicBool,
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
        }
    }

    /// Returns the cached list, fresh or not, unless the server has announced a change since.
    fn cached(&self, kind: ListKind) -> Option<Arc<Listing>> {
        self.0[kind.index()].unchanged()
    }
}

impl CachedList {
    /// Records that the server has announced a change.
    fn invalidate(&self) {
        self.changes.fetch_add(1, Ordering::AcqRel);
    }

    /// Stores a list that was requested after `changes` announced changes.
    fn store(&self, listing: Arc<Listing>, changes: u64) {
        self.listing.store(Some(listing));
        self.included.store(changes, Ordering::Release);
    }

    /// Returns the cached list, unless the server has announced a change since.
    fn unchanged(&self) -> Option<Arc<Listing>> {
        // Read before the list, which is stored first.
        let included = self.included.load(Ordering::Acquire);
        let listing = self.listing.load_full()?;
        (included == self.changes.load(Ordering::Acquire)).then_some(listing)
    }

    /// Returns the last list and the delay of the next request, if announced changes have used up
    /// the requests.
    fn if_exhausted(&self) -> Option<(Arc<Listing>, Duration)> {
        // After a call of its own, the caller must see the effects of that call.
        if self.suspect.load(Ordering::Acquire) || self.unchanged().is_some() {
            return None;
        }
        let listing = self.listing.load_full()?;
        if self.delayed.load(Ordering::Acquire) {
            return Some((listing, Duration::ZERO));
        }
        if self.fetching.age().is_some() {
            return None;
        }
        let delay = self.refetches.take(time::Instant::now()).err()?;
        Some((listing, delay))
    }

    /// Returns the last list if it takes long to request another one, and no change is known.
    fn if_slow(&self) -> Option<Arc<Listing>> {
        let is_sure = self.slow.load(Ordering::Acquire) && !self.suspect.load(Ordering::Acquire);
        let listing = is_sure.then(|| self.unchanged()).flatten()?;
        (listing.age() < MAX_AGE).then_some(listing)
    }

    /// Returns the last list as an answer that precedes the one of the request in progress.
    fn last(&self) -> Option<Arc<Listing>> {
        let listing = self.listing.load_full()?;
        self.preceded.store(true, Ordering::Release);
        Some(listing)
    }

    /// Returns the cached list if it is fresh.
    fn if_fresh(&self, info: &DiscoverResult) -> Option<Arc<Listing>> {
        let listing = self.unchanged()?;
        let fresh = match listing.fresh_for() {
            Some(rest) => !rest.is_zero(),
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

impl View {
    /// Returns the list `kind` of the server, from the cache if it is fresh.
    ///
    /// A list that the server does not support is empty. Fetching a list whose changes the server
    /// announces also subscribes to these announcements.
    ///
    /// If the list takes longer than other servers wait for it, the answer is the last list, and
    /// subscribers are notified if the next one differs.
    ///
    /// # Errors
    ///
    /// Those of the connection and of [`fetch_pages`]; [`UpstreamError::Timeout`] if other servers
    /// do not wait for the first list.
    pub(super) async fn listing(
        self: &Arc<Self>,
        kind: ListKind,
        call: &Call<Prepared>,
    ) -> Result<Arc<Listing>, UpstreamError> {
        let connection = self.connection(call).await?;
        let info = connection.server_info();
        if !info.supports(&kind.method()) {
            return Ok(Arc::new(Listing::unsupported(kind)));
        }
        let list = &self.lists.0[kind.index()];
        if let Some(listing) = list.if_fresh(info) {
            return Ok(listing);
        }
        let request = Request::new(&Id::from(kind.member()), &kind.method(), "{}");
        let request = || call.derive_for_server(request.clone());
        let mut listing = None;
        let is_merged = call.is_merged();
        let spent = list.fetching.age().unwrap_or_default();
        let wait = MERGED_WAIT.saturating_sub(spent);
        // A request in progress may precede a change of which this caller has been notified.
        for _ in 0..2 {
            if let Some((last, delay)) = list.if_exhausted() {
                self.fetch_later(kind, request(), delay);
                return Ok(list.last().unwrap_or(last));
            }
            let (view, call) = (UseGuard::new(self), request());
            let fetch = |awaited| async move { view.0.fetch(kind, &call, &awaited).await };
            if is_merged && let Some(last) = list.if_slow() {
                list.fetching.begin(fetch);
                return Ok(list.last().unwrap_or(last));
            }
            let fetched = list.fetching.join(|| list.if_fresh(info), fetch);
            listing = Some(match is_merged {
                false => fetched.await?,
                true => match time::timeout(wait, fetched).await {
                    Ok(fetched) => fetched?,
                    Err(_) => return list.last().ok_or(UpstreamError::Timeout),
                },
            });
            if list.unchanged().is_some() {
                break;
            }
        }
        listing.ok_or(UpstreamError::Closed)
    }

    /// Fetches the list `kind` after `delay`.
    fn fetch_later(self: &Arc<Self>, kind: ListKind, call: Call<Prepared>, delay: Duration) {
        let view = UseGuard::new(self);
        let fetch = |awaited: IsAwaited<Arc<Listing>>| async move {
            let list = &view.0.lists.0[kind.index()];
            let delayed = DelayedFetch::new(&list.delayed);
            time::sleep(delay).await;
            // Accounts for this request.
            let _ = list.refetches.take(time::Instant::now());
            drop(delayed);
            view.0.fetch(kind, &call, &awaited).await
        };
        self.lists.0[kind.index()].fetching.begin(fetch);
    }

    /// Fetches the list `kind` and caches it.
    ///
    /// If callers have been answered without it, subscribers are notified unless it is the same as
    /// the last one. If it fails then, the last one is dropped.
    async fn fetch(
        self: &Arc<Self>,
        kind: ListKind,
        call: &Call<Prepared>,
        awaited: &IsAwaited<Arc<Listing>>,
    ) -> Result<Arc<Listing>, UpstreamError> {
        let list = &self.lists.0[kind.index()];
        // Cleared before the request is sent, so that a concurrent change is not missed.
        list.suspect.store(false, Ordering::Release);
        let changes = list.changes.load(Ordering::Acquire);
        let began = time::Instant::now();
        let fetched = time::timeout(FETCH_TIMEOUT, self.fetch_with_reconnect(kind, call)).await;
        let fetched = fetched.unwrap_or(Err(UpstreamError::Timeout));
        list.slow
            .store(began.elapsed() > MERGED_WAIT, Ordering::Release);
        let last = list.listing.load_full();
        let fetched = fetched.map(Arc::new);
        let precedes = list.preceded.swap(false, Ordering::AcqRel);
        match &fetched {
            Ok(listing) => {
                list.store(Arc::clone(listing), changes);
                let differs = last.is_none_or(|last| !last.has_same_entries(listing));
                if differs && (precedes || !awaited.get()) {
                    self.notifications.broadcast_changed(kind);
                }
            }
            Err(_) if precedes => {
                list.listing.store(None);
                self.notifications.broadcast_changed(kind);
            }
            Err(_) => {}
        }
        fetched
    }

    /// Fetches the list `kind`, once more on a new connection if the server has lost the session.
    ///
    /// Fetching a list whose changes the server announces also subscribes to the announcements.
    async fn fetch_with_reconnect(
        self: &Arc<Self>,
        kind: ListKind,
        call: &Call<Prepared>,
    ) -> Result<Listing, UpstreamError> {
        let mut closed = UpstreamError::Closed;
        for _ in 0..2 {
            let connection = self.connection(call).await?;
            if connection
                .server_info()
                .declares(kind.capability(), "listChanged")
            {
                self.start_subscription(call);
            }
            match fetch_pages(kind, call, &*connection).await {
                Ok(listing) => return Ok(listing),
                Err(SendError::Closed(error)) => closed = error,
                Err(SendError::Failed(error)) => return Err(error),
            }
        }
        Err(closed)
    }

    /// Returns `true` if a cached list contains `feature`.
    ///
    /// Templates are not expanded, and servers and tasks are not listed at all.
    pub(in crate::upstream) fn lists(&self, feature: &Feature) -> bool {
        self.known(feature, |_| ()).is_some()
    }

    /// Returns the entry of `feature` in the cached list, stale or not.
    pub(in crate::upstream) fn entry(&self, feature: &Feature) -> Option<CatalogEntry> {
        self.known(feature, CatalogEntry::clone)
    }

    /// Applies `read` to the entry of `feature` in the cached list.
    fn known<T>(&self, feature: &Feature, read: impl FnOnce(&CatalogEntry) -> T) -> Option<T> {
        let (kind, name) = match feature {
            Feature::Prompt(name) => (ListKind::Prompts, name),
            Feature::Resource(uri) => (ListKind::Resources, uri),
            Feature::Tool(name) => (ListKind::Tools, name),
            Feature::Discovery
            | Feature::List(_)
            | Feature::Server
            | Feature::Subscriptions
            | Feature::Task(_) => return None,
        };
        self.lists.cached(kind)?.get(name).map(read)
    }

    /// Returns the headers that mirror the arguments of a tool call, after validating those of the
    /// client.
    ///
    /// `era` is that of the server: only a modern one requires them. On the side of the client,
    /// only a modern request over HTTP must have them; for all others they are derived from the
    /// arguments. If the schema of the tool is unavailable, the headers of the client are forwarded
    /// as they are.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::ParamMismatch`] if a header of the client differs from the argument that it
    /// mirrors.
    pub(super) async fn mirror_arguments(
        self: &Arc<Self>,
        call: &Call<Prepared>,
        era: Era,
    ) -> Result<ParamHeaders, UpstreamError> {
        let Feature::Tool(name) = &call.target().feature else {
            return Ok(ParamHeaders::new());
        };
        let listing = match (self.lists.cached(ListKind::Tools), era) {
            (Some(listing), _) => Some(listing),
            // Clients are required to know the schema of a tool before they call it.
            (None, Era::Modern) => Box::pin(self.tools(call)).await,
            (None, Era::Legacy) => None,
        };
        let sent = call.caller().headers();
        let Some(tool) = listing.as_ref().and_then(|listing| listing.get(name)) else {
            return Ok(sent_params(sent));
        };
        // Clients of the modern era are required to send them.
        let check = (call.client().era() == Era::Modern && call.caller().is_http()).then_some(sent);
        tool.param_headers(call.request().param("arguments"), check)
            .map_err(|ParamMismatch { header }| UpstreamError::ParamMismatch { header })
    }

    /// Returns the tools of the server, or `None` if they cannot be listed.
    ///
    /// The error is logged, and the schema of the tool treated as unknown.
    async fn tools(self: &Arc<Self>, call: &Call<Prepared>) -> Option<Arc<Listing>> {
        let tools = self.listing(ListKind::Tools, call).await;
        if let Err(error) = &tools {
            tracing::warn!(server = %call.target().server, %error, "tool schema unavailable; parameter headers not validated");
        }
        tools.ok()
    }
}

/// Guard of a request that waits.
struct DelayedFetch<'a>(&'a AtomicBool);

impl<'a> DelayedFetch<'a> {
    fn new(delayed: &'a AtomicBool) -> Self {
        delayed.store(true, Ordering::Release);
        Self(delayed)
    }
}

impl Drop for DelayedFetch<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Returns the headers of the client that mirror arguments, for a tool whose schema is unavailable.
fn sent_params(sent: &http::HeaderMap) -> ParamHeaders {
    sent.iter()
        .filter(|(name, _)| name.as_str().starts_with(header::MCP_PARAM_PREFIX))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// Maximum time for all pages of a list.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

/// Maximum age of a list without a declared lifetime, in case its change notifications are lost.
const MAX_AGE: Duration = Duration::from_secs(300);
