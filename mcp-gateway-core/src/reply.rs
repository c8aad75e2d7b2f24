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
use crate::jsonrpc::{ErrorObject, Id, Response};

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
    /// All that a server lists, not yet written as a response.
    Listing(Arc<Listing>),
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

    /// Lets the reply fail when the server says nothing for `silence`, or has not ended at `end`.
    pub(crate) fn with_deadlines(self, silence: Duration, end: Instant) -> Self {
        match self {
            Self::Events(events) => Self::Events(events.with_deadlines(silence, end)),
            Self::Json { status, body } => Self::Json {
                status,
                body: body.with_deadlines(silence, end),
            },
            listing @ Self::Listing(_) => listing,
        }
    }

    /// Calls `hook` when the reply has been read to its end, or is dropped before.
    ///
    /// Where the end is known already, it is called at once.
    pub fn on_end(&mut self, hook: impl FnOnce(&Ending) + Send + 'static) {
        match self {
            Self::Events(events) => events.on_end(hook),
            Self::Json { body, .. } => body.on_end(hook),
            Self::Listing(_) => hook(&Ending::new(Outcome::Success, 0)),
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
        Reply::Listing(_) => Err(UpstreamError::invalid("a list is not a response")),
    }
}
