use std::collections::HashMap;

use tokio::sync::mpsc;

use crate::jsonrpc::{Id, Notification, Response};
use crate::reply::Event;
use crate::upstream::UpstreamError;

/// The calls that a server has not answered.
#[derive(Debug, Default)]
pub(super) struct Pending(HashMap<i64, Waiting>);

/// Somebody who waits for an answer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) messages: mpsc::Sender<Result<Event, UpstreamError>>,
    /// The identifier that the caller gave.
    pub(super) id: Id,
    /// The JSON text of the token with which the caller asked for progress.
    pub(super) progress_token: Option<Box<str>>,
}

impl Pending {
    pub(super) fn insert(&mut self, number: i64, waiting: Waiting) {
        self.0.insert(number, waiting);
    }

    /// Whether the call was still waiting.
    pub(super) fn remove(&mut self, number: i64) -> bool {
        self.0.remove(&number).is_some()
    }

    /// Tells everybody that no answer comes.
    pub(super) fn fail(&mut self, error: &UpstreamError) {
        for (_, waiting) in self.0.drain() {
            // Where the channel is full, the caller sees it end after what it holds.
            let _ = waiting.messages.try_send(Err(error.clone()));
        }
    }

    /// Hands a response to who waits for it; `false` when nobody does.
    pub(super) fn answer(&mut self, response: &Response) -> bool {
        let number = match response.id() {
            Some(id) => id.as_i64(),
            // A server that could not read a request does not know its identifier.
            None if response.result().is_err() => self.only(),
            None => None,
        };
        let Some(waiting) = number.and_then(|number| self.0.remove(&number)) else {
            return false;
        };
        let response = response.with_id(&waiting.id);
        let _ = waiting.messages.try_send(Ok(Event::Response(response)));
        true
    }

    /// Hands a report of progress to the call that it is about; `false` when there is none.
    pub(super) fn progress(&mut self, notification: &Notification) -> bool {
        let found = notification
            .param("progressToken")
            .and_then(Id::from_token)
            .and_then(|token| token.as_i64())
            .and_then(|number| Some((number, self.0.get(&number)?.progress_token.as_deref()?)))
            .and_then(|(number, token)| {
                Some((number, notification.with_param("progressToken", token)?))
            });
        let Some((number, restored)) = found else {
            return false;
        };
        self.deliver(number, Event::Notification(restored));
        true
    }

    /// Hands a message that names no call to the only one there is, or gives it back.
    pub(super) fn attribute(&mut self, event: Event) -> Option<Event> {
        match self.only() {
            Some(number) => {
                self.deliver(number, event);
                None
            }
            None => Some(event),
        }
    }

    fn only(&self) -> Option<i64> {
        let mut numbers = self.0.keys();
        numbers.next().copied().filter(|_| numbers.next().is_none())
    }

    fn deliver(&mut self, number: i64, event: Event) {
        let Some(waiting) = self.0.get(&number) else {
            return;
        };
        // One caller that does not read must not hold up the others.
        if let Err(mpsc::error::TrySendError::Full(_)) = waiting.messages.try_send(Ok(event)) {
            tracing::warn!("a caller does not read its messages; its call is given up");
            self.0.remove(&number);
        }
    }
}
