//! Replies of servers: one JSON document, or a stream of messages that ends in a response.
//!
//! A [`Reply`] is handed out before its body has been read; it is read at the pace of the client.
//! Dropping a reply cancels the request at the server, if the transport supports it.
//!
//! Layers that need the outcome of a call register a hook with [`Reply::on_complete`] instead of
//! wrapping the body.

mod completion;
mod deadlines;
mod events;
mod filter;
mod json;
mod rejected_body;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::StatusCode;
use tokio::time::Instant;

pub use self::completion::{CallOutcome, Completion};
pub use self::events::{ReplyEvent, ReplyStream, Responder, ServerRequest};
pub(crate) use self::filter::Filtering;
pub use self::filter::{FilteredBy, ReplyFilter, Withheld};
pub use self::json::JsonBody;
pub(crate) use self::rejected_body::RejectedBody;
use crate::catalog::Listing;
use crate::error::UpstreamError;
use crate::jsonrpc::{ErrorObject, Id, Message, Response};
use crate::protocol::ListKind;

/// The reply of a server to one request.
///
/// # Example
///
/// ```
/// use std::sync::{Arc, OnceLock};
///
/// use mcp_gateway_core::Reply;
/// use mcp_gateway_core::jsonrpc::Id;
/// use mcp_gateway_core::reply::CallOutcome;
///
/// let seen = Arc::new(OnceLock::new());
/// let mut reply = Reply::result(&Id::from(1), "{}");
/// let hook = Arc::clone(&seen);
/// reply.on_complete(move |completion| hook.set(completion.outcome).unwrap());
/// // The outcome of a complete reply is known at once.
/// assert_eq!(seen.get(), Some(&CallOutcome::Success));
/// ```
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every layer that looks into replies needs all of them"
)]
pub enum Reply {
    /// A stream of messages; the last one is the response.
    Events(ReplyStream),
    /// One response, whose body arrives incrementally.
    Json {
        /// HTTP status from the server, or the one that fits its error over HTTP.
        status: StatusCode,
        /// Body of the response.
        body: JsonBody,
    },
}

impl Reply {
    /// Creates a successful response of the gateway itself; `result` is JSON text.
    #[must_use]
    pub fn result(id: &Id, result: &str) -> Self {
        Self::Json {
            status: StatusCode::OK,
            body: JsonBody::full(Response::new(id, result).bytes(), CallOutcome::Success),
        }
    }

    /// Creates an error response of the gateway itself.
    #[must_use]
    pub fn error(id: &Id, status: StatusCode, error: &ErrorObject) -> Self {
        let outcome = CallOutcome::Error { code: error.code };
        Self::Json {
            status,
            body: JsonBody::full(error.to_response(Some(id)), outcome),
        }
    }

    /// Returns the HTTP status; that of event streams is 200.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Json { status, .. } => *status,
            Self::Events(_) => StatusCode::OK,
        }
    }

    /// Returns the code of the JSON-RPC error, if the reply is known to be one.
    pub(crate) fn error_code(&self) -> Option<i64> {
        match self {
            Self::Json { body, .. } => match body.outcome()? {
                CallOutcome::Error { code } => Some(code),
                CallOutcome::Cancelled
                | CallOutcome::Failed
                | CallOutcome::Success
                | CallOutcome::ToolError => None,
            },
            Self::Events(_) => None,
        }
    }

    /// Creates the response to the request `id` from the list of a server.
    ///
    /// It is serialized only if it is read.
    pub(crate) fn listing(id: &Id, listing: Arc<Listing>) -> Self {
        Self::Json {
            status: StatusCode::OK,
            body: JsonBody::listing(id, listing),
        }
    }

    /// Replaces the final response by what `change` makes of it.
    ///
    /// A stream stays a stream; a document of up to [`MAX_RESULT`] bytes is read completely.
    ///
    /// # Errors
    ///
    /// Those of `change`, and [`UpstreamError`] if the document cannot be read. An error of `change`
    /// ends a stream.
    pub(crate) async fn map_response(
        self,
        change: impl Fn(Response) -> Result<Response, UpstreamError> + Send + 'static,
    ) -> Result<Self, UpstreamError> {
        match self {
            Self::Json { status, .. } => {
                let response = change(response(self).await?)?;
                Ok(single_response(status, &response))
            }
            Self::Events(events) => Ok(Self::Events(events.map(|messages| {
                messages.map(move |message| match message {
                    Ok(ReplyEvent::Response(response)) => {
                        change(response).map(ReplyEvent::Response)
                    }
                    other => other,
                })
            }))),
        }
    }

    /// Replaces the list of a reply that was created from one.
    pub(crate) fn map_listing(self, change: impl FnOnce(Arc<Listing>) -> Arc<Listing>) -> Self {
        match self {
            Self::Json { status, body } => Self::Json {
                status,
                body: body.map_listing(change),
            },
            events @ Self::Events(_) => events,
        }
    }

    /// Applies deadlines: the reply fails if the server is silent for `silence`, or is incomplete
    /// at `end`.
    pub(crate) fn with_deadlines(self, silence: Duration, end: Instant) -> Self {
        match self {
            Self::Events(events) => Self::Events(events.with_deadlines(silence, end)),
            Self::Json { status, body } => Self::Json {
                status,
                body: body.with_deadlines(silence, end),
            },
        }
    }

    /// Records the account whose credential was presented, for [`Completion::account`].
    pub(crate) fn set_account(&mut self, account: Arc<str>) {
        match self {
            Self::Events(events) => events.set_account(account),
            Self::Json { body, .. } => body.set_account(account),
        }
    }

    /// Registers a hook for the end of the reply: it has been read completely, has failed, or is
    /// dropped.
    ///
    /// Hooks run once, in the order of registration, on the task that reads the reply; they must
    /// not block. If the end is known already, `hook` runs at once.
    pub fn on_complete(&mut self, hook: impl FnOnce(&Completion) + Send + 'static) {
        match self {
            Self::Events(events) => events.on_complete(hook),
            Self::Json { body, .. } => body.on_complete(hook),
        }
    }
}

/// Creates a reply from a complete response.
pub(crate) fn single_response(status: StatusCode, response: &Response) -> Reply {
    Reply::Json {
        status,
        body: JsonBody::full(response.bytes(), CallOutcome::of_response(response)),
    }
}

/// Reads the final response of `reply` into memory, skipping the messages before it.
///
/// Fails beyond `limit` bytes, or if the stream ends without a response.
pub(crate) async fn into_response_text(reply: Reply, limit: usize) -> Result<Bytes, UpstreamError> {
    match reply {
        Reply::Json { body, .. } => body.into_text(limit).await.map_err(UpstreamError::of_body),
        Reply::Events(mut events) => loop {
            match events.next().await {
                Some(Ok(ReplyEvent::Response(response))) => return Ok(response.bytes()),
                Some(Ok(ReplyEvent::Notification(_) | ReplyEvent::Request(_))) => {}
                Some(Err(error)) => return Err(error),
                None => return Err(UpstreamError::Closed),
            }
        },
    }
}

/// Reads the response that `reply` ends in, of up to [`MAX_RESULT`] bytes, skipping the messages
/// before it.
///
/// # Errors
///
/// As [`into_response`].
pub(crate) async fn response(reply: Reply) -> Result<Response, UpstreamError> {
    into_response(reply, MAX_RESULT).await
}

/// Reads the response that `reply` ends in, of up to `limit` bytes, skipping the messages before
/// it.
///
/// # Errors
///
/// [`UpstreamError`] if the reply is not one response, or exceeds `limit`.
pub(crate) async fn into_response(reply: Reply, limit: usize) -> Result<Response, UpstreamError> {
    match Message::parse(into_response_text(reply, limit).await?)? {
        Message::Response(response) => Ok(response),
        Message::Notification(_) | Message::Request(_) => {
            Err(UpstreamError::invalid("expected a response"))
        }
    }
}

/// Returns the list that `reply` of `server` is.
///
/// An error of the server says that it has no such list.
pub(crate) async fn listing(
    reply: Reply,
    server: &str,
    kind: ListKind,
) -> Result<Arc<Listing>, UpstreamError> {
    let listed = listed(reply, server, kind).await?;
    Ok(listed.unwrap_or_else(|_| Arc::new(Listing::unsupported(kind))))
}

/// Returns the list, or the page of it, that `reply` of `server` is; the inner error is the reply
/// by which the server rejects the request.
pub(crate) async fn listed(
    reply: Reply,
    server: &str,
    kind: ListKind,
) -> Result<Result<Arc<Listing>, Reply>, UpstreamError> {
    let status = reply.status();
    let reply = match reply {
        Reply::Json { status, body } => match body.into_listing() {
            Ok(listing) => return Ok(Ok(listing)),
            Err(body) => Reply::Json { status, body },
        },
        events @ Reply::Events(_) => events,
    };
    let response = response(reply).await?;
    match response.result() {
        Ok(result) => {
            let result = Bytes::copy_from_slice(result.as_bytes());
            let listing = Listing::from_result(server, kind, &result)?;
            Ok(Ok(Arc::new(listing)))
        }
        Err(_) => Ok(Err(single_response(status, &response))),
    }
}

/// Maximum size of a response that must be held in memory, in bytes: 64 MiB.
const MAX_RESULT: usize = 64 * 1024 * 1024;
