//! Server-sent events in the body of an HTTP response.
//!
//! See [WHATWG HTML, server-sent
//! events](https://html.spec.whatwg.org/multipage/server-sent-events.html).

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::{StreamExt, future, stream};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};

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

    /// Creates a stream from a body with one message per line, of which `first` has been read. Each
    /// line is an event.
    pub(crate) fn of_lines(first: Bytes, rest: HttpBody, limit: usize) -> Self {
        let text = |text: &'static str| stream::once(future::ready(Ok(text.into())));
        let first = stream::once(future::ready(Ok(first)));
        let lines = first.chain(rest.into_data_stream());
        let events = lines.map(|lines| lines.map(|lines| separated(&lines)));
        let body = text(DATA).chain(events).chain(text("\n\n"));
        Self::new(
            HttpBody::new(StreamBody::new(body.map(|data| data.map(Frame::data)))),
            limit,
        )
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

/// Returns `lines` with the end of each line replaced by the end of an event and the start of the
/// next.
fn separated(lines: &[u8]) -> Bytes {
    let mut events = BytesMut::with_capacity(lines.len() + 2 * DATA.len());
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        events.put_slice(line);
        if line.ends_with(b"\n") {
            events.put_slice(b"\n");
            events.put_slice(DATA.as_bytes());
        }
    }
    events.freeze()
}

/// Start of a line with data.
const DATA: &str = "data:";
