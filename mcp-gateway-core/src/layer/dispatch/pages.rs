//! Pages of a list of the only server of a gateway.
//!
//! A merged list has pages of the gateway. A client of one server receives the pages, the cursors
//! and the errors of that server, unless a page size is configured, the policy may hide entries, or
//! tools have aliases: an alias on one page may be the name of a tool on another.

use std::sync::Arc;

use super::{Listings, RoutedService, Shared};
use crate::call::Routed;
use crate::catalog::ListKind;
use crate::reply;
use crate::{Call, Error, Reply};

impl Shared {
    /// Returns the server whose pages of the list `kind` clients receive.
    pub(super) fn paging_server(&self, kind: ListKind) -> Option<Arc<str>> {
        let servers = self.router.servers();
        let [server] = &*servers else {
            return None;
        };
        let is_paged = self.page_size.is_none()
            && self.policy.permits_all(server, kind)
            && !(kind == ListKind::Tools && self.router.needs_whole_list(server));
        is_paged.then(|| Arc::clone(server))
    }

    /// Returns the page of `server` that the client requests.
    ///
    /// The list is requested even if the server does not declare it.
    pub(super) async fn server_page<S: RoutedService>(
        &self,
        kind: ListKind,
        inner: S,
        call: &Call,
        server: &Arc<str>,
    ) -> Result<Reply, Error> {
        let request = call.request();
        let stage = Routed::to_server(server, request.method());
        let page = call.for_request(request.clone(), stage).for_page();
        let listing = match self.call_one(inner, page).await {
            (_, Ok(reply)) => match reply::listed(reply, server, kind).await {
                Ok(Ok(listing)) => listing,
                Ok(Err(rejected)) => return Ok(rejected),
                Err(error) => return Err(Error::of_server(server)(error)),
            },
            (_, Err(error)) => {
                let placeholder = self.placeholder(kind, server, &error, call);
                Arc::new(placeholder.ok_or(error)?)
            }
        };
        if kind == ListKind::Tools && !listing.is_placeholder() {
            self.record_tools(server, &listing, call, listing.is_single_page());
        }
        let next = listing.next_cursor().map(str::to_owned);
        let listings: Listings = vec![(Arc::clone(server), listing)];
        let mut page = self.page(&listings, call, None, usize::MAX)?;
        page.next = next;
        let text = self.write(kind, &listings, call, &page);
        Ok(Reply::result(request.id(), &text))
    }
}
