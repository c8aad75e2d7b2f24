//! Requests of lists, page by page.

use std::collections::HashSet;
use std::sync::Arc;

use http::StatusCode;

use crate::call::Prepared;
use crate::catalog::lint::{LintPolicy, LintRules};
use crate::catalog::{ListKind, ListPage, Listing};
use crate::error::UpstreamError;
use crate::json::{object_json, string_json};
use crate::jsonrpc::{ErrorObject, Id, Request, Response, code};
use crate::protocol::Era;
use crate::upstream::client_span;
use crate::upstream::connection::{SendError, UpstreamConnection};
use crate::{Call, Credential, reply};

/// Requested part of a list.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Extent {
    /// All pages.
    Complete,
    /// One page.
    Page,
}

/// Request of a list, or of a part of it.
#[derive(Clone, Copy, Debug)]
pub(super) struct ListRequest<'a> {
    /// Kind of the list.
    pub(super) kind: ListKind,
    /// Requested part.
    pub(super) extent: Extent,
    /// Cursor of the first requested page, a JSON text.
    pub(super) cursor: Option<&'a str>,
    /// Treatment of tools that model interfaces reject.
    pub(super) policy: LintPolicy,
}

/// Answer of a server to a list request.
#[derive(Clone, Debug)]
pub(super) enum ListAnswer {
    /// The list, or one page of it.
    Listed(Arc<Listing>),
    /// The error of the server, with its HTTP status.
    Rejected(StatusCode, Response),
}

impl ListAnswer {
    /// Returns the list of `kind`, which is unsupported if the server does not have the method.
    /// Errors mask quotes of `credential`, with which the list was requested.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Invalid`] if the server has rejected the request for another reason.
    pub(super) fn into_listing(
        self,
        kind: ListKind,
        credential: &Credential,
    ) -> Result<Arc<Listing>, UpstreamError> {
        let unknown = |error| ErrorObject::code_of(error) == code::METHOD_NOT_FOUND;
        match self {
            Self::Listed(listing) => Ok(listing),
            Self::Rejected(_, response) if response.result().is_err_and(unknown) => {
                Ok(Arc::new(Listing::unsupported(kind)))
            }
            Self::Rejected(_, response) => {
                let error = response.result().unwrap_or_else(|error| error);
                let error = credential.mask().apply(error).into_owned();
                Err(UpstreamError::invalid(format_args!(
                    "list request failed: {error}"
                )))
            }
        }
    }
}

/// Fetches the pages that `request` demands.
///
/// A complete list is truncated, with a warning, after [`MAX_PAGES`] pages or [`MAX_BYTES`] bytes,
/// or if the server returns the same cursor twice.
///
/// # Errors
///
/// Those of the first page that fails.
pub(super) async fn fetch_pages(
    request: ListRequest<'_>,
    call: &Call<Prepared>,
    connection: &dyn UpstreamConnection,
) -> Result<ListAnswer, SendError> {
    let server = &call.target().server;
    let kind = request.kind;
    let mut pages = Vec::new();
    let mut bytes = 0;
    let mut cursor = request.cursor.map(str::to_owned);
    let mut cursors = HashSet::new();
    loop {
        let page = match read_page(kind, call, connection, cursor.as_deref()).await? {
            Ok(page) => page,
            Err(rejected) => return Ok(rejected),
        };
        bytes += page.bytes();
        cursor = page.next_cursor.as_deref().map(string_json);
        pages.push(page);
        let Some(next) = &cursor else {
            break;
        };
        if request.extent == Extent::Page {
            break;
        }
        if pages.len() == MAX_PAGES || bytes > MAX_BYTES || !cursors.insert(next.clone()) {
            tracing::warn!(%server, list = kind.member(), pages = pages.len(), "list truncated");
            break;
        }
    }
    let rules = LintRules {
        policy: request.policy,
        era: call.client().era(),
    };
    let listing = Listing::new(server, kind, pages, rules);
    Ok(ListAnswer::Listed(Arc::new(listing)))
}

/// Fetches the page at `cursor`, a JSON text, or the first one. The inner error is the answer of a
/// server that rejects the request.
///
/// The request is made with the capabilities of the client and the credential of `call`.
async fn read_page(
    kind: ListKind,
    call: &Call<Prepared>,
    connection: &dyn UpstreamConnection,
    cursor: Option<&str>,
) -> Result<Result<ListPage, ListAnswer>, SendError> {
    let mut members = Vec::new();
    if let Some(cursor) = cursor {
        members.push(("cursor", cursor.into()));
    }
    if call.client().era() == Era::Modern {
        members.push(("_meta", call.client().request_context().into()));
    }
    let request = Request::new(
        &Id::from(kind.member()),
        &kind.method(),
        &object_json(&members),
    );
    let request = call.derive_for_server(request);
    let reply = client_span::send(connection, &request, |_| true).await?;
    let status = reply.status();
    let response = reply::into_response(reply, MAX_BYTES).await?;
    match response.result() {
        Ok(result) => Ok(Ok(ListPage::parse(kind, result)?)),
        Err(_) => Ok(Err(ListAnswer::Rejected(status, response))),
    }
}

/// Maximum total size of a list in bytes: 64 MiB.
pub(super) const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Maximum number of pages of a list.
pub(super) const MAX_PAGES: usize = 1000;
