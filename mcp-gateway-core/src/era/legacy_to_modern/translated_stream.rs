//! Stream of a legacy server's messages under translation.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use tokio::time;

use super::LegacyToModern;
use crate::era::parked_calls::ParkedCall;
use crate::error::UpstreamError;
use crate::jsonrpc::Notification;
use crate::reply::{ReplyEvent, ReplyStream, ServerRequest};

/// A stream of messages under translation.
pub(super) struct TranslatedStream {
    /// Translation, with the call to park.
    translation: LegacyToModern,
    /// Messages of the server; `None` after the end.
    events: Option<ReplyStream>,
    /// Translated messages that have not been returned.
    ready: VecDeque<ReplyEvent>,
}

impl TranslatedStream {
    /// Creates the translation of `events` by `translation`.
    pub(super) fn new(translation: LegacyToModern, events: ReplyStream) -> Self {
        Self {
            translation,
            events: Some(events),
            ready: VecDeque::new(),
        }
    }

    /// Converts the translation into a stream.
    pub(super) fn into_events(self) -> ReplyStream {
        ReplyStream::new(stream::unfold(self, |mut carried| async move {
            let item = carried.next().await.transpose()?;
            Some((item, carried))
        }))
    }

    /// Waits for the next message; `None` after the response.
    async fn next(&mut self) -> Result<Option<ReplyEvent>, UpstreamError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let Some(mut events) = self.events.take() else {
                return Ok(None);
            };
            match events.next().await.unwrap_or(Err(UpstreamError::Closed))? {
                ReplyEvent::Notification(notification) => {
                    self.push_notification(notification);
                    self.events = Some(events);
                }
                ReplyEvent::Request(question) => {
                    match self.translation.accept_request(question).await {
                        Some(question) => self.park(question, events).await?,
                        None => self.events = Some(events),
                    }
                }
                ReplyEvent::Response(response) => {
                    let response = self.translation.finish(&response).await?;
                    return Ok(Some(ReplyEvent::Response(response)));
                }
            }
        }
    }

    /// Queues the translation of a notification.
    fn push_notification(&mut self, notification: Notification) {
        let notification = self
            .translation
            .translator
            .translate_notification(notification);
        self.ready
            .extend(notification.map(ReplyEvent::Notification));
    }

    /// Parks the call with all requests that the server has sent by now, `question` first, and
    /// queues the `input_required` response.
    async fn park(
        &mut self,
        question: ServerRequest,
        mut events: ReplyStream,
    ) -> Result<(), UpstreamError> {
        let mut questions = vec![question];
        // A server that has several requests sends them one after the other.
        while let Ok(event) = time::timeout(BATCH_WINDOW, events.next()).await {
            match event.unwrap_or(Err(UpstreamError::Closed))? {
                ReplyEvent::Notification(notification) => self.push_notification(notification),
                ReplyEvent::Request(question) => {
                    questions.extend(self.translation.accept_request(question).await);
                }
                // The server has not waited for the answers.
                ReplyEvent::Response(response) => {
                    let response = self.translation.finish(&response).await?;
                    self.ready.push_back(ReplyEvent::Response(response));
                    return Ok(());
                }
            }
        }
        let response = self
            .translation
            .park(ParkedCall {
                requests: questions,
                events,
            })
            .await?;
        self.ready.push_back(ReplyEvent::Response(response));
        Ok(())
    }
}

/// Maximum time between two requests of a server that are combined.
const BATCH_WINDOW: Duration = Duration::from_millis(20);
