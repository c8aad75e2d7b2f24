//! Stream of a legacy server's messages under translation.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time;

use super::Passage;
use crate::bridge::parking::Waiting;
use crate::error::UpstreamError;
use crate::jsonrpc::Notification;
use crate::reply::{Event, Events, ServerRequest};

/// A stream of messages under translation.
pub(super) struct Carried {
    /// Translation, with the call to park.
    passage: Passage,
    /// Messages of the server; `None` after the end.
    events: Option<Events>,
    /// Translated messages that have not been returned.
    ready: VecDeque<Event>,
}

impl Carried {
    /// Creates the translation of `events` by `passage`.
    pub(super) fn new(passage: Passage, events: Events) -> Self {
        Self {
            passage,
            events: Some(events),
            ready: VecDeque::new(),
        }
    }

    /// Converts the translation into a stream.
    pub(super) fn into_events(self) -> Events {
        Events::new(stream::unfold(self, |mut carried| async move {
            let item = carried.next().await.transpose()?;
            Some((item, carried))
        }))
    }

    /// Waits for the next message; `None` after the response.
    async fn next(&mut self) -> Result<Option<Event>, UpstreamError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let Some(mut events) = self.events.take() else {
                return Ok(None);
            };
            match events.next().await.unwrap_or(Err(UpstreamError::Closed))? {
                Event::Notification(notification) => {
                    self.notified(notification);
                    self.events = Some(events);
                }
                Event::Request(question) => match self.passage.permitted(question).await {
                    Some(question) => self.asked(question, events).await?,
                    None => self.events = Some(events),
                },
                Event::Response(response) => {
                    let response = self.passage.end(&response).await?;
                    return Ok(Some(Event::Response(response)));
                }
            }
        }
    }

    /// Queues the translation of a notification.
    fn notified(&mut self, notification: Notification) {
        let notification = self.passage.crossing.notification(notification);
        self.ready.extend(notification.map(Event::Notification));
    }

    /// Parks the call with all requests that the server has sent by now, `question` first, and
    /// queues the `input_required` response.
    async fn asked(
        &mut self,
        question: ServerRequest,
        mut events: Events,
    ) -> Result<(), UpstreamError> {
        let mut questions = vec![question];
        // A server that has several requests sends them one after the other.
        while let Ok(event) = time::timeout(TOGETHER, events.next()).await {
            match event.unwrap_or(Err(UpstreamError::Closed))? {
                Event::Notification(notification) => self.notified(notification),
                Event::Request(question) => {
                    questions.extend(self.passage.permitted(question).await);
                }
                // The server has not waited for the answers.
                Event::Response(response) => {
                    let response = self.passage.end(&response).await?;
                    self.ready.push_back(Event::Response(response));
                    return Ok(());
                }
            }
        }
        let response = self.passage.park(Waiting { questions, events }).await?;
        self.ready.push_back(Event::Response(response));
        Ok(())
    }
}

/// Maximum time between two requests of a server that are combined.
const TOGETHER: Duration = Duration::from_millis(20);
