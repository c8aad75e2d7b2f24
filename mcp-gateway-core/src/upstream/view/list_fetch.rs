//! Requests for the lists of a server.
//!
//! | request | extent | answer |
//! |---|---|---|
//! | of the gateway, to merge lists or to look up a tool | all pages | from the cache if it is fresh |
//! | of a client, without a cursor | first page | from the cache if it is fresh and the only page |
//! | of a client, with a cursor of the server | page at the cursor | from the server |
//!
//! See [MCP 2026-07-28,
//! pagination](https://modelcontextprotocol.io/specification/2026-07-28/server/utilities/pagination).

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time;

use super::attempt::IsAwaited;
#[cfg(doc)]
use super::list_cache::MAX_AGE;
use super::list_cache::{CachedList, DelayedFetch, FirstPage};
use super::list_pages::{Extent, ListAnswer, ListRequest, fetch_pages};
use super::{MERGED_WAIT, UseGuard, View};
use crate::call::Prepared;
use crate::catalog::{ListKind, Listing};
use crate::error::UpstreamError;
use crate::jsonrpc::{Id, Request};
use crate::upstream::connection::SendError;
use crate::{Call, Reply, reply};

impl View {
    /// Returns the complete list `kind` of the server, from the cache if it is fresh.
    ///
    /// A list that the server does not have is [unsupported](Listing::unsupported). It is requested
    /// even if the server does not declare it, and the answer remembered for [`MAX_AGE`].
    /// Fetching a list whose changes the server announces also subscribes to these announcements.
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
        let list = self.lists.of(kind);
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
                return Ok(list.precede().unwrap_or(last));
            }
            let fetch = |awaited| {
                let (view, call) = (UseGuard::new(self), request());
                async move { view.0.fetch(kind, &call, &awaited).await }
            };
            let credential = call.credential();
            if is_merged && let Some(last) = list.if_slow() {
                list.fetching.begin(credential, fetch);
                return Ok(list.precede().unwrap_or(last));
            }
            let fetched = (list.fetching).join(credential, || list.if_fresh(info), fetch);
            listing = Some(match is_merged {
                false => fetched.await?,
                true => match time::timeout(wait, fetched).await {
                    Ok(fetched) => fetched?,
                    Err(_) => match list.precede() {
                        Some(last) => return Ok(last),
                        None if info.supports(&kind.method()) => {
                            return Err(UpstreamError::Timeout);
                        }
                        None => return Ok(Arc::new(Listing::unsupported(kind))),
                    },
                },
            });
            if list.unchanged().is_some() {
                break;
            }
        }
        listing.ok_or(UpstreamError::Closed)
    }

    /// Returns the page of the list `kind` that a client requests, or the error of the server.
    ///
    /// The list is requested even if the server does not declare it.
    ///
    /// # Errors
    ///
    /// Those of the connection and of the request.
    pub(super) async fn page(
        self: &Arc<Self>,
        kind: ListKind,
        call: &Call<Prepared>,
    ) -> Result<Reply, UpstreamError> {
        let cursor = call.request().param("cursor");
        let answer = match cursor.filter(|cursor| *cursor != "null") {
            None => self.first_page(kind, call).await?,
            Some(cursor) => self.page_at(kind, cursor, call).await?,
        };
        let id = call.request().id();
        Ok(match answer {
            ListAnswer::Listed(listing) => Reply::listing(id, listing),
            ListAnswer::Rejected(status, response) => {
                reply::single_response(status, &response.with_id(id))
            }
        })
    }

    /// Returns the page at `cursor`, a JSON text that only the server interprets.
    async fn page_at(
        self: &Arc<Self>,
        kind: ListKind,
        cursor: &str,
        call: &Call<Prepared>,
    ) -> Result<ListAnswer, UpstreamError> {
        let fetched = self.fetch_with_reconnect(kind, Extent::Page, Some(cursor), call);
        let fetched = time::timeout(FETCH_TIMEOUT, fetched).await;
        let answer = fetched.unwrap_or(Err(UpstreamError::Timeout))?;
        if let (ListAnswer::Listed(page), Some(cursor)) = (&answer, crate::json::string(cursor)) {
            self.lists.of(kind).remember(&cursor, page);
        }
        Ok(answer)
    }

    /// Returns the first page, from the cache if it is fresh and the whole list.
    async fn first_page(
        self: &Arc<Self>,
        kind: ListKind,
        call: &Call<Prepared>,
    ) -> Result<ListAnswer, UpstreamError> {
        let connection = self.connection(call).await?;
        let info = connection.server_info();
        let list = self.lists.of(kind);
        let fresh = || list.if_fresh(info).and_then(CachedList::single_page);
        let request = Request::new(&Id::from(kind.member()), &kind.method(), "{}");
        let request = || call.derive_for_server(request.clone());
        let mut page = None;
        // A request in progress may precede a change of which this caller has been notified.
        for _ in 0..2 {
            if let Some(listing) = fresh() {
                return Ok(ListAnswer::Listed(listing));
            }
            if list.last().and_then(CachedList::single_page).is_some()
                && let Some((last, delay)) = list.if_exhausted()
            {
                self.fetch_later(kind, request(), delay);
                return Ok(ListAnswer::Listed(list.precede().unwrap_or(last)));
            }
            let fetch = |awaited| {
                let (view, call) = (UseGuard::new(self), request());
                async move { view.0.fetch_page(kind, &call, &awaited).await }
            };
            let fetched = list.fetching_page.join(call.credential(), || None, fetch);
            let fetched = fetched.await?;
            let is_current = list.is_unchanged_since(fetched.changes);
            page = Some(fetched.answer);
            if is_current {
                break;
            }
        }
        page.ok_or(UpstreamError::Closed)
    }

    /// Fetches the first page of the list `kind`, and caches it if it is the whole list.
    ///
    /// If no caller has waited for it, subscribers are notified unless it is the same as the last
    /// one.
    async fn fetch_page(
        self: &Arc<Self>,
        kind: ListKind,
        call: &Call<Prepared>,
        awaited: &IsAwaited<FirstPage>,
    ) -> Result<FirstPage, UpstreamError> {
        let list = self.lists.of(kind);
        let before = list.begin();
        let fetched = self.fetch_with_reconnect(kind, Extent::Page, None, call);
        let fetched = time::timeout(FETCH_TIMEOUT, fetched).await;
        let fetched = fetched.unwrap_or(Err(UpstreamError::Timeout));
        match &fetched {
            Ok(ListAnswer::Listed(page)) => {
                if list.store_page(page, &before) && !awaited.get() {
                    self.notifications.broadcast_changed(kind);
                }
            }
            Ok(ListAnswer::Rejected(..)) | Err(_) => list.undo(&before),
        }
        Ok(FirstPage {
            answer: fetched?,
            changes: before.changes,
        })
    }

    /// Fetches the list `kind` after `delay`.
    fn fetch_later(self: &Arc<Self>, kind: ListKind, call: Call<Prepared>, delay: Duration) {
        let (view, credential) = (UseGuard::new(self), call.credential().clone());
        let fetch = |awaited: IsAwaited<Arc<Listing>>| async move {
            let list = view.0.lists.of(kind);
            let delayed = DelayedFetch::new(&list.delayed);
            time::sleep(delay).await;
            // Accounts for this request.
            let _ = list.refetches.take(time::Instant::now());
            drop(delayed);
            view.0.fetch(kind, &call, &awaited).await
        };
        self.lists.of(kind).fetching.begin(&credential, fetch);
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
        let list = self.lists.of(kind);
        let before = list.begin();
        let began = time::Instant::now();
        let connection = self.connection(call).await?;
        let is_declared = connection.server_info().supports(&kind.method());
        drop(connection);
        let fetched = self.fetch_with_reconnect(kind, Extent::Complete, None, call);
        let fetched = time::timeout(FETCH_TIMEOUT, fetched).await;
        let fetched = match fetched.unwrap_or(Err(UpstreamError::Timeout)) {
            // An attempt at what the server does not declare is no failure of the server.
            Ok(ListAnswer::Rejected(..)) | Err(_) if !is_declared => {
                Ok(Arc::new(Listing::unsupported(kind)))
            }
            Ok(answer) => answer.into_listing(kind, call.credential()),
            Err(error) => Err(error),
        };
        list.slow
            .store(began.elapsed() > MERGED_WAIT, Ordering::Release);
        let last = list.last();
        let precedes = list.preceded.swap(false, Ordering::AcqRel);
        match &fetched {
            Ok(listing) => {
                list.store(Some(Arc::clone(listing)), &before);
                let differs = match last {
                    Some(last) => !last.has_same_entries(listing),
                    None => listing.is_supported(),
                };
                if differs && (precedes || !awaited.get()) {
                    self.notifications.broadcast_changed(kind);
                }
            }
            Err(_) if precedes => {
                list.store(None, &before);
                self.notifications.broadcast_changed(kind);
            }
            Err(_) => list.undo(&before),
        }
        fetched
    }

    /// Fetches the list `kind` from `cursor` on, as far as `extent` demands, once more on a new
    /// connection if the server has lost the session.
    ///
    /// Fetching a list whose changes the server announces also subscribes to the announcements.
    async fn fetch_with_reconnect(
        self: &Arc<Self>,
        kind: ListKind,
        extent: Extent,
        cursor: Option<&str>,
        call: &Call<Prepared>,
    ) -> Result<ListAnswer, UpstreamError> {
        let lint = self.connector.lint();
        let request = ListRequest {
            kind,
            extent,
            cursor,
            policy: lint.policy(),
        };
        let mut closed = UpstreamError::Closed;
        for _ in 0..2 {
            let connection = self.connection(call).await?;
            if connection
                .server_info()
                .declares(kind.capability(), "listChanged")
            {
                self.start_subscription(call);
            }
            match fetch_pages(request, call, &*connection).await {
                Ok(answer) => {
                    if let ListAnswer::Listed(listing) = &answer {
                        lint.record(&call.target().server, listing, cursor.is_none());
                    }
                    return Ok(answer);
                }
                Err(SendError::Closed(error)) => closed = error,
                Err(SendError::Failed(error)) => return Err(error),
            }
        }
        Err(closed)
    }
}

/// Maximum time for all pages of a list.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);
