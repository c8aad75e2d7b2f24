use std::time::Duration;

use futures_util::stream;
use tokio::time;

use super::{Asked, MAX_RETRY, RETRY};
use crate::error::UpstreamError;
use crate::reply::{Event, Events};
use crate::transport::{EventStream, HttpBody};
use crate::upstream::http::Answer;

/// The stream that answers one request, resumed where the server lets it.
struct Stream {
    asked: Asked,
    events: EventStream,
    last: Option<String>,
    retry: Duration,
    resumptions: u32,
}

impl Stream {
    async fn next(&mut self) -> Result<Event, UpstreamError> {
        loop {
            let Some(event) = self.events.next().await else {
                self.resume().await?;
                continue;
            };
            let event = event?;
            self.retry = event.retry.unwrap_or(self.retry).min(MAX_RETRY);
            self.last = event.id.or_else(|| self.last.take());
            if event.data.is_empty() {
                continue;
            }
            self.resumptions = 0;
            if let Some(event) = self.asked.take(event.data).await? {
                return Ok(event);
            }
        }
    }

    /// Takes up the stream where the connection broke.
    ///
    /// See [resumability](https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#resumability-and-redelivery).
    async fn resume(&mut self) -> Result<(), UpstreamError> {
        let Some(last) = &self.last else {
            return Err(UpstreamError::Closed);
        };
        if self.resumptions == MAX_RESUMPTIONS {
            return Err(UpstreamError::Closed);
        }
        self.resumptions += 1;
        // The pause that a server asks for is for streams that it ends itself. When it has died,
        // its callers should hear of it soon.
        let pause = match self.events.is_broken() {
            true => self.retry.min(BROKEN_RETRY),
            false => self.retry,
        };
        time::sleep(pause).await;
        let server = &self.asked.session.server;
        match Answer::of(server.get(Some(last)).await?)? {
            Answer::Events(body) => {
                self.events = EventStream::new(body, server.limit());
                Ok(())
            }
            Answer::Json(_) | Answer::Other(_) => Err(UpstreamError::Closed),
        }
    }
}

/// The messages of `body`, which answer what was `asked`.
pub(super) fn messages(asked: Asked, body: HttpBody) -> Events {
    let events = EventStream::new(body, asked.session.server.limit());
    let stream = Stream {
        asked,
        events,
        last: None,
        retry: RETRY,
        resumptions: 0,
    };
    Events::new(stream::unfold(Some(stream), |stream| async move {
        let mut stream = stream?;
        let item = stream.next().await;
        let ends = matches!(item, Err(_) | Ok(Event::Response(_)));
        Some((item, (!ends).then_some(stream)))
    }))
}

/// The longest pause before a stream is opened again that was cut off.
const BROKEN_RETRY: Duration = Duration::from_millis(250);

/// How often in a row a stream is resumed on which nothing new comes.
const MAX_RESUMPTIONS: u32 = 20;
