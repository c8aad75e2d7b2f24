use std::collections::VecDeque;

use http_body_util::BodyExt;

use super::HttpBody;
use crate::error::UpstreamError;
use crate::sse::{Reader, SseEvent};

/// The events of a response.
pub(crate) struct EventStream {
    body: HttpBody,
    reader: Reader,
    ready: VecDeque<SseEvent>,
    broken: bool,
}

impl EventStream {
    pub(crate) fn new(body: HttpBody, limit: usize) -> Self {
        Self {
            body,
            reader: Reader::new(limit),
            ready: VecDeque::new(),
            broken: false,
        }
    }

    /// Whether it did not end, but was cut off.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// The next event; `None` when the stream has ended or broken.
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
