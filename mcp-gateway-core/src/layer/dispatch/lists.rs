//! Merged, filtered and paginated lists.
//!
//! See [MCP 2026-07-28,
//! pagination](https://modelcontextprotocol.io/specification/2026-07-28/server/utilities/pagination).

use std::collections::HashSet;
use std::sync::Arc;

pub(super) use super::cursor::Cursor;
use super::fan_out::{FanOutResults, is_late, successes, unknown_method};
use super::{Listings, RoutedService, Shared};
use crate::catalog::{CacheScope, CatalogEntry, ListKind, Listing};
use crate::error::RequestError;
use crate::json::{object_json, string_json};
use crate::jsonrpc::Request;
use crate::policy::PolicyRequest;
use crate::protocol::{Era, meta};
use crate::reply;
use crate::route::{Feature, Target};
use crate::{Call, Error, Reply};

impl Shared {
    /// Returns one page of the list by the present decisions of the policy: a page of the only server,
    /// or of the merged list.
    pub(super) async fn page_of<S: RoutedService>(
        &self,
        kind: ListKind,
        inner: S,
        call: &Call,
    ) -> Result<Reply, Error> {
        let cursor = match call.request().param("cursor") {
            Some(cursor) if cursor.starts_with('"') => Some(cursor),
            None | Some("null") => None,
            Some(_) => {
                let detail = "cursor must be a string".into();
                return Err(RequestError::InvalidParams { detail }.into());
            }
        };
        if let Some(search) = self.search.as_ref().filter(|_| kind == ListKind::Tools) {
            return self.search_list(search, &inner, call).await;
        }
        match self.paging_server(kind) {
            Some(server) => self.server_page(kind, inner, call, &server).await,
            None => self.merged_page(kind, inner, call, cursor).await,
        }
    }

    /// Returns one page of the merged list.
    async fn merged_page<S: RoutedService>(
        &self,
        kind: ListKind,
        inner: S,
        call: &Call,
        cursor: Option<&str>,
    ) -> Result<Reply, Error> {
        let cursor = Cursor::read(cursor)?;
        let answers = self.answers(kind, &inner, call).await;
        // A server that has not answered in time may support the method.
        let complete = !answers.iter().any(|(_, answer)| is_late(answer));
        let listings = self.recorded_or_placeholders(kind, answers, call)?;
        // A gateway without servers has tools as soon as it gets one.
        let is_empty = kind == ListKind::Tools && self.router.servers().is_empty();
        let is_supported = listings.iter().any(|(_, listing)| listing.is_supported());
        if complete && !is_supported && !is_empty {
            return Err(unknown_method(call));
        }
        let size = self.page_size.unwrap_or(DEFAULT_PAGE_SIZE);
        let mut page = self.page(&listings, call, cursor.as_ref(), size)?;
        page.is_merged = true;
        let text = self.write(kind, &listings, call, &page);
        Ok(Reply::result(call.request().id(), &text))
    }

    /// Returns the lists of the servers that answer.
    pub(super) async fn listings<S: RoutedService>(
        &self,
        kind: ListKind,
        inner: &S,
        call: &Call,
    ) -> Result<Listings, Error> {
        let answers = self.answers(kind, inner, call).await;
        self.recorded(kind, answers, call)
    }

    /// Requests the list `kind` of all servers.
    pub(super) async fn answers<S: RoutedService>(
        &self,
        kind: ListKind,
        inner: &S,
        call: &Call,
    ) -> FanOutResults<Arc<Listing>> {
        let request = list_request(kind, call);
        let params = call.request().meta_params();
        let call = call.for_request(request, ());
        let mut answers = Vec::new();
        for (server, answer) in self.call_all(inner, &call, &params).await {
            let listing = parsed(answer, &server, kind).await;
            answers.push((server, listing));
        }
        answers
    }

    /// Returns the lists of the servers that have answered, and records their resources and tools.
    pub(super) fn recorded(
        &self,
        kind: ListKind,
        answers: FanOutResults<Arc<Listing>>,
        call: &Call,
    ) -> Result<Listings, Error> {
        let listings = successes(answers)?;
        if matches!(kind, ListKind::Resources | ListKind::Templates) {
            self.resources.record_listing(kind, &listings);
        }
        if kind == ListKind::Tools {
            self.apps.record(&listings);
            for (server, listing) in &listings {
                let is_whole = listing.next_cursor().is_none();
                self.record_tools(server, listing, call, is_whole);
            }
        }
        Ok(listings)
    }

    /// Selects the entries of the page after `cursor`, at most `size`.
    pub(super) fn page<'a>(
        &self,
        listings: &'a Listings,
        call: &Call,
        cursor: Option<&Cursor>,
        size: usize,
    ) -> Result<ListPage<'a>, Error> {
        let mut page = ListPage::default();
        let mut names = ExposedNames {
            call,
            seen: HashSet::new(),
        };
        let mut before = cursor;
        for (server, listing) in listings {
            for entry in listing.entries() {
                let name = match listing.is_placeholder() {
                    true => self.router.expose(server, entry.name()).map(Into::into),
                    false => names.visible_name(self, server, listing.kind(), entry),
                };
                let Some(name) = name else {
                    continue;
                };
                match before {
                    Some(cursor) if cursor.is_at(server, entry) => before = None,
                    Some(_) => {}
                    None if page.entries.len() == size => {
                        page.next = page
                            .entries
                            .last()
                            .map(|shown| Cursor::after(shown.server, shown.entry).encode());
                        return Ok(page);
                    }
                    None => page.entries.push(VisibleEntry {
                        server,
                        entry,
                        name,
                    }),
                }
            }
        }
        match before {
            None => Ok(page),
            Some(_) => Err(Cursor::expired().into()),
        }
    }

    /// Returns the JSON text of the result.
    pub(super) fn write(
        &self,
        kind: ListKind,
        listings: &Listings,
        call: &Call,
        page: &ListPage<'_>,
    ) -> String {
        let mut list = vec![b'['];
        for (at, definition) in page.definitions.iter().enumerate() {
            if at > 0 {
                list.push(b',');
            }
            list.extend_from_slice(definition.as_bytes());
        }
        for shown in &page.entries {
            if list.len() > 1 {
                list.push(b',');
            }
            let uri = |uri: &str| self.exposed_uri(shown.server, uri);
            shown.entry.write_json(&shown.name, uri, &mut list);
        }
        list.push(b']');
        // Entries are UTF-8, and the separators are ASCII.
        let list = String::from_utf8(list).unwrap_or_else(|_| "[]".to_owned());
        let mut members = vec![(kind.member(), list.into())];
        if let Some(next) = &page.next {
            members.push(("nextCursor", string_json(next).into()));
        }
        if call.client().era() == Era::Modern {
            members.push(("resultType", "\"complete\"".into()));
            members.push(("ttlMs", self.ttl(listings).to_string().into()));
            members.push(("cacheScope", self.scope(listings).to_json().into()));
        }
        for (key, value) in listings.iter().flat_map(|(_, listing)| listing.extras()) {
            if members.iter().all(|(other, _)| *other != key) {
                members.push((key, value.into()));
            }
        }
        let is_named = members.iter().any(|(key, _)| *key == "_meta");
        if call.client().era() == Era::Modern && page.is_merged && !is_named {
            let identity = object_json(&[(meta::SERVER_INFO, self.identity.to_json().into())]);
            members.push(("_meta", identity.into()));
        }
        object_json(&members)
    }

    /// Returns `true` if the policy lists the entry for the caller.
    pub(super) fn lists(
        &self,
        call: &Call,
        server: &Arc<str>,
        kind: ListKind,
        entry: &CatalogEntry,
    ) -> bool {
        let feature = Feature::of_entry(kind, Arc::clone(entry.name()));
        let target = Target::new(Arc::clone(server), feature);
        let request = PolicyRequest::listing(call.caller(), &target).with_entry(entry);
        self.policy.decide(&request).is_listed()
    }

    /// Returns the lifetime of the list in milliseconds: the shortest of its parts.
    fn ttl(&self, listings: &Listings) -> u128 {
        let complete = listings.len() == self.router.servers().len();
        let ttl = listings
            .iter()
            .filter(|(_, listing)| listing.is_supported())
            .map(|(_, listing)| listing.fresh_for().unwrap_or_default())
            .min();
        // A missing server may return at any time.
        let ttl = ttl.filter(|_| complete).unwrap_or_default();
        // A lifetime that has just begun is that of the server.
        ttl.as_micros().div_ceil(1000)
    }

    /// Returns the scope of the merged list: public only if all parts are, and the policy does not
    /// depend on the caller.
    fn scope(&self, listings: &Listings) -> CacheScope {
        let public = listings
            .iter()
            .filter(|(_, listing)| listing.is_supported())
            .all(|(_, listing)| listing.scope() == CacheScope::Public);
        CacheScope::of_public(public && self.policy.is_uniform())
    }
}

/// Returns a request for the list `kind`.
pub(in crate::layer) fn list_request<S>(kind: ListKind, call: &Call<S>) -> Request {
    let request = call.request();
    Request::new(request.id(), &kind.method(), &request.meta_params())
}

/// Returns the list in the answer of `server`.
pub(in crate::layer) async fn parsed(
    answer: Result<Reply, Error>,
    server: &Arc<str>,
    kind: ListKind,
) -> Result<Arc<Listing>, Error> {
    let listing = reply::listing(answer?, server, kind).await;
    listing.map_err(Error::of_server(server))
}

/// Names under which a caller sees entries.
struct ExposedNames<'a, 'c> {
    call: &'c Call,
    /// URIs that are taken.
    seen: HashSet<&'a str>,
}

impl<'a> ExposedNames<'a, '_> {
    /// Returns the name of an entry, or `None` if the policy hides it.
    fn visible_name(
        &mut self,
        shared: &Shared,
        server: &Arc<str>,
        kind: ListKind,
        entry: &'a CatalogEntry,
    ) -> Option<String> {
        if !shared.lists(self.call, server, kind, entry) {
            return None;
        }
        match kind {
            ListKind::Prompts => shared.router.expose(server, entry.name()).map(Into::into),
            ListKind::Tools => shared
                .router
                .expose_tool(server, entry.name())
                .map(Into::into),
            ListKind::Resources | ListKind::Templates => {
                let uri = entry.name();
                let scope = shared.uri_scope(server);
                if let Some(scoped) = scope.and_then(|scope| scope.exposed(uri)) {
                    return Some(scoped);
                }
                // The first server keeps the URI; that of a later one is qualified.
                Some(match self.seen.insert(uri) {
                    true => uri.to_string(),
                    false => super::resources::qualified(server, uri),
                })
            }
        }
    }
}

/// One page of a list.
#[derive(Default)]
pub(super) struct ListPage<'a> {
    /// Definitions of the gateway itself, which come first.
    pub(super) definitions: Vec<String>,
    pub(super) entries: Vec<VisibleEntry<'a>>,
    /// Cursor of the next page.
    pub(super) next: Option<String>,
    /// `true` if the list is the gateway's, so that it identifies itself in the result.
    pub(super) is_merged: bool,
}

/// An entry of a page, under the name that the client sees.
pub(super) struct VisibleEntry<'a> {
    pub(super) server: &'a Arc<str>,
    pub(super) entry: &'a CatalogEntry,
    pub(super) name: String,
}

/// Default size of a page. Many clients read only the first page, so it should contain every entry
/// in practice.
const DEFAULT_PAGE_SIZE: usize = 1000;
