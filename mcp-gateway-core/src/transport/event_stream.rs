//! Server-sent events in the body of an HTTP response.
//!
//! See [WHATWG HTML, server-sent
//! events](https://html.spec.whatwg.org/multipage/server-sent-events.html).

use std::collections::VecDeque;

use http_body_util::BodyExt;

use super::HttpBody;
use crate::error::UpstreamError;
use crate::sse::{SseEvent, SseReader};

/// Stream of the server-sent events of a response.
///
/// The end of the body and a broken connection are both the end of the stream;
/// [`is_broken`](Self::is_broken) distinguishes them.
pub(crate) struct EventStream {
    /// Body of the response.
    body: HttpBody,
    /// Parser of the body.
    reader: SseReader,
    /// Parsed events that have not been returned.
    ready: VecDeque<SseEvent>,
    /// `true` if the body failed.
    broken: bool,
}

impl EventStream {
    /// Creates a stream of events of at most `limit` bytes each.
    pub(crate) fn new(body: HttpBody, limit: usize) -> Self {
        Self {
            body,
            reader: SseReader::new(limit),
            ready: VecDeque::new(),
            broken: false,
        }
    }

    /// Returns `true` if the connection broke before the end of the stream.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Waits for the next event; returns `None` if the stream has ended or is broken.
    ///
    /// An event that the body does not complete is discarded.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::TooLarge`] if an event exceeds the limit; the stream must not be used any
    /// more.
    ///
    /// # Cancel safety
    ///
    /// No event is lost if the future is dropped.
    pub(crate) async fn next(&mut self) -> Option<Result<SseEvent, UpstreamError>> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(Ok(event));
            }
            let frame = self.body.frame().await?;
            self.broken = frame.is_err();
            let Ok(data) = frame.ok()?.into_data() else {
                continue;
            };
            let mut events = Vec::new();
            if let Err(error) = self.reader.feed(&data, &mut events) {
                return Some(Err(UpstreamError::TooLarge { limit: error.limit }));
            }
            self.ready.extend(events);
        }
    }
}
