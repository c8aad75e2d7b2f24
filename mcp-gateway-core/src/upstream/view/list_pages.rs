//! Request of a complete list, page by page.

use crate::call::Prepared;
use crate::catalog::{ListKind, ListPage, Listing};
use crate::error::UpstreamError;
use crate::json::{object_json, string_json};
use crate::jsonrpc::{Id, Message, Request};
use crate::protocol::Era;
use crate::upstream::connection::{SendError, UpstreamConnection};
use crate::{Call, reply};

/// Fetches all pages of a list.
///
/// The list is truncated, with a warning, after [`MAX_PAGES`] pages or [`MAX_BYTES`] bytes, or if
/// the server returns the same cursor twice.
///
/// # Errors
///
/// Those of the first page that fails.
pub(super) async fn fetch_pages(
    kind: ListKind,
    call: &Call<Prepared>,
    connection: &dyn UpstreamConnection,
) -> Result<Listing, SendError> {
    let server = &call.target().server;
    let mut pages = Vec::new();
    let mut bytes = 0;
    let mut cursor: Option<String> = None;
    loop {
        let page = read_page(kind, call, connection, cursor.as_deref()).await?;
        bytes += page.bytes();
        let next = page.next_cursor.clone();
        pages.push(page);
        if next.is_none() {
            break;
        }
        if pages.len() == MAX_PAGES || bytes > MAX_BYTES || next == cursor {
            tracing::warn!(%server, list = kind.member(), pages = pages.len(), "list truncated");
            break;
        }
        cursor = next;
    }
    Ok(Listing::new(server, kind, pages))
}

/// Fetches the page at `cursor`, or the first one.
///
/// The request is made with the capabilities of the client and the credential of `call`.
async fn read_page(
    kind: ListKind,
    call: &Call<Prepared>,
    connection: &dyn UpstreamConnection,
    cursor: Option<&str>,
) -> Result<ListPage, SendError> {
    let mut members = Vec::new();
    if let Some(cursor) = cursor {
        members.push(("cursor", string_json(cursor).into()));
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
    let reply = connection.send(&request).await?;
    let text = reply::into_response_text(reply, MAX_BYTES).await?;
    let page = match Message::parse(text).map_err(UpstreamError::from)? {
        Message::Response(response) => match response.result() {
            Ok(result) => ListPage::parse(kind, result),
            Err(error) => Err(UpstreamError::invalid(format_args!(
                "list request failed: {error}"
            ))),
        },
        Message::Notification(_) | Message::Request(_) => Err(UpstreamError::invalid(
            "expected a response to the list request",
        )),
    };
    page.map_err(SendError::Failed)
}

/// Maximum total size of a list in bytes: 64 MiB.
const MAX_BYTES: usize = 64 * 1024 * 1024;

/// Maximum number of pages of a list.
const MAX_PAGES: usize = 1000;
