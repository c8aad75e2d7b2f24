//! Event streams of requests of the legacy era, with resumption.
//!
//! A server may close the stream of a request before its response and expect the client to resume
//! it. So the end of a stream is no error as long as the server has sent an event ID: the stream is
//! requested again, after that event. Callers do not notice the interruption.

use std::time::Duration;

use futures_util::stream;
use tokio::time;

use super::{InFlightRequest, MAX_RETRY, RETRY};
use crate::error::UpstreamError;
use crate::reply::{ReplyEvent, ReplyStream};
use crate::transport::{EventStream, HttpBody};
use crate::upstream::post_response::PostResponse;

/// The event stream of one request, which is resumed if the server supports it.
///
/// Dropping it cancels the request.
struct ResumableStream {
    /// Request that the stream responds to.
    asked: InFlightRequest,
    /// Current connection to the stream.
    events: EventStream,
    /// ID of the last event, for the header `Last-Event-ID`. Without one, the stream cannot be
    /// resumed.
    last: Option<String>,
    /// Delay before a resumption, as the server set it, at most [`MAX_RETRY`].
    retry: Duration,
    /// Consecutive resumptions without a new event.
    resumptions: u32,
}

impl ResumableStream {
    /// Waits for the next message, across resumptions.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Closed`] if the stream has ended and cannot be resumed, otherwise those of
    /// a message.
    async fn next(&mut self) -> Result<ReplyEvent, UpstreamError> {
        loop {
            let Some(event) = self.events.next().await else {
                self.resume().await?;
                continue;
            };
            let event = event?;
            self.retry = event.retry.unwrap_or(self.retry).min(MAX_RETRY);
            let is_message = event.is_message();
            self.last = event.id.or_else(|| self.last.take());
            if !is_message {
                continue;
            }
            self.resumptions = 0;
            if let Some(event) = self.asked.filter(event.data).await? {
                return Ok(event);
            }
        }
    }

    /// Resumes the stream after the last event.
    ///
    /// See [MCP 2025-11-25,
    /// resumability](https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery).
    async fn resume(&mut self) -> Result<(), UpstreamError> {
        let Some(last) = &self.last else {
            return Err(UpstreamError::Closed);
        };
        if self.resumptions == MAX_RESUMPTIONS {
            return Err(UpstreamError::Closed);
        }
        self.resumptions += 1;
        // The delay that a server sets is for streams that it closes itself. If it has died, its
        // callers should learn of it soon.
        let pause = match self.events.is_broken() {
            true => self.retry.min(BROKEN_RETRY),
            false => self.retry,
        };
        time::sleep(pause).await;
        let server = &self.asked.session.server;
        match PostResponse::from_http(server.get(Some(last)).await?)? {
            PostResponse::Events(body) => {
                self.events = EventStream::new(body, server.limit());
                Ok(())
            }
            PostResponse::Json(_) | PostResponse::Other(_) => Err(UpstreamError::Closed),
        }
    }
}

/// Returns the messages of `body`, the response to `asked`, up to the response or an error.
pub(super) fn messages(asked: InFlightRequest, body: HttpBody) -> ReplyStream {
    let events = EventStream::new(body, asked.session.server.limit());
    let stream = ResumableStream {
        asked,
        events,
        last: None,
        retry: RETRY,
        resumptions: 0,
    };
    ReplyStream::new(stream::unfold(Some(stream), |stream| async move {
        let mut stream = stream?;
        let item = stream.next().await;
        let ends = matches!(item, Err(_) | Ok(ReplyEvent::Response(_)));
        Some((item, (!ends).then_some(stream)))
    }))
}

/// Maximum delay before the resumption of a stream that broke.
const BROKEN_RETRY: Duration = Duration::from_millis(250);

/// Maximum number of consecutive resumptions without a new event.
const MAX_RESUMPTIONS: u32 = 20;
