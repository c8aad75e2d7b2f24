//! What comes back from a server: one JSON document, or messages that end in a response.
//!
//! Nothing of a reply has been read when it is handed out; it is read as the client takes it.
//! Dropping a reply tells the server that nobody waits for it any more, where its transport can.

mod deadlines;
mod ending;
mod events;
mod json;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use http::StatusCode;
use tokio::time::Instant;

pub use self::ending::{Ending, Outcome};
pub use self::events::{Event, Events, Respond, ServerRequest};
pub use self::json::JsonBody;
use crate::catalog::Listing;
use crate::error::UpstreamError;
use crate::jsonrpc::{ErrorObject, Id, Message, Response};
use crate::protocol::ListKind;

/// What comes back from a server.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "every layer that looks into replies needs all of them"
)]
pub enum Reply {
    /// Messages, of which the last is the response.
    Events(Events),
    /// One response, as it arrives.
    Json {
        /// The status that the server gave it, or that its error has over HTTP.
        status: StatusCode,
        /// The response.
        body: JsonBody,
    },
}

impl Reply {
    /// A response of the gateway itself.
    #[must_use]
    pub fn result(id: &Id, result: &str) -> Self {
        Self::Json {
            status: StatusCode::OK,
            body: JsonBody::full(Response::new(id, result).bytes(), Outcome::Success),
        }
    }

    /// An error of the gateway itself.
    #[must_use]
    pub fn error(id: &Id, status: StatusCode, error: &ErrorObject) -> Self {
        let outcome = Outcome::Error { code: error.code };
        Self::Json {
            status,
            body: JsonBody::full(error.to_response(Some(id)), outcome),
        }
    }

    /// All that a server lists, as the response to the request `id`.
    ///
    /// It is written as text only if somebody reads it.
    pub(crate) fn listing(id: &Id, listing: Arc<Listing>) -> Self {
        Self::Json {
            status: StatusCode::OK,
            body: JsonBody::listing(id, listing),
        }
    }

    /// Lets the reply fail when the server says nothing for `silence`, or has not ended at `end`.
    pub(crate) fn with_deadlines(self, silence: Duration, end: Instant) -> Self {
        match self {
            Self::Events(events) => Self::Events(events.with_deadlines(silence, end)),
            Self::Json { status, body } => Self::Json {
                status,
                body: body.with_deadlines(silence, end),
            },
        }
    }

    /// Calls `hook` when the reply has been read to its end, or is dropped before.
    ///
    /// Where the end is known already, it is called at once.
    pub fn on_end(&mut self, hook: impl FnOnce(&Ending) + Send + 'static) {
        match self {
            Self::Events(events) => events.on_end(hook),
            Self::Json { body, .. } => body.on_end(hook),
        }
    }
}

/// The reply that consists of a response alone.
pub(crate) fn single(status: StatusCode, response: &Response) -> Reply {
    Reply::Json {
        status,
        body: JsonBody::full(response.bytes(), Outcome::of_response(response)),
    }
}

/// The text of the response in which `reply` ends; what comes before it is passed over.
pub(crate) async fn text(reply: Reply, limit: usize) -> Result<Bytes, UpstreamError> {
    match reply {
        Reply::Json { body, .. } => body.into_text(limit).await.map_err(UpstreamError::of_body),
        Reply::Events(mut events) => loop {
            match events.next().await {
                Some(Ok(Event::Response(response))) => return Ok(response.bytes()),
                Some(Ok(Event::Notification(_) | Event::Request(_))) => {}
                Some(Err(error)) => return Err(error),
                None => return Err(UpstreamError::Closed),
            }
        },
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
    let reply = match reply {
        Reply::Json { status, body } => match body.into_listing() {
            Ok(listing) => return Ok(listing),
            Err(body) => Reply::Json { status, body },
        },
        events @ Reply::Events(_) => events,
    };
    match Message::parse(text(reply, MAX_LIST).await?)? {
        Message::Response(response) => match response.result() {
            Ok(result) => {
                let result = Bytes::copy_from_slice(result.as_bytes());
                Ok(Arc::new(Listing::from_result(server, kind, &result)?))
            }
            Err(_) => Ok(Arc::new(Listing::unsupported(kind))),
        },
        Message::Notification(_) | Message::Request(_) => Err(UpstreamError::invalid(
            "it answers a list with something else",
        )),
    }
}

/// The largest list that is read from a reply, in bytes.
const MAX_LIST: usize = 64 * 1024 * 1024;
