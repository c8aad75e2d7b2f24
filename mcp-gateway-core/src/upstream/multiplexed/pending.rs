//! Correlation of messages with in-flight calls.
//!
//! Messages of the server refer to a call by its identifier or progress token; log messages and
//! server requests refer to none. Those are attributed to a call only if no other call can be
//! meant. Abandoned calls count, too, as long as the server may still be working on them. A server
//! can work on beyond the response of a call, so on a connection that several principals have used,
//! those messages are attributed to nobody.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::auth::Principal;
use crate::error::UpstreamError;
use crate::jsonrpc::{Id, Notification, Response};
use crate::protocol::meta;
use crate::reply::ReplyEvent;

/// In-flight calls of a connection by their number.
///
/// All methods are synchronous and never wait: a full queue fails its own call only.
#[derive(Debug, Default)]
pub(super) struct PendingRequests {
    /// Calls that wait for a response.
    waiting: HashMap<i64, PendingRequest>,
    /// Abandoned calls without a response, with the time at which the server is expected to have
    /// ended them.
    given_up: HashMap<i64, Instant>,
    /// Principals that have used the connection.
    users: Users,
}

/// Principals that have used a connection.
#[derive(Debug, Default)]
enum Users {
    #[default]
    None,
    One(Principal),
    Several,
}

impl Users {
    /// Records a use.
    fn record(&mut self, principal: &Principal) {
        match self {
            Self::None => *self = Self::One(principal.clone().without_assertion()),
            Self::One(known) if known != principal => *self = Self::Several,
            Self::One(_) | Self::Several => {}
        }
    }
}

/// An in-flight call.
#[derive(Debug)]
pub(super) struct PendingRequest {
    /// Queue of messages for the caller.
    pub(super) messages: mpsc::Sender<Result<ReplyEvent, UpstreamError>>,
    /// Caller.
    pub(super) sender: PendingSender,
    /// `true` if the server received the identifier that the caller chose, a text, instead of the
    /// number.
    pub(super) is_kept: bool,
}

/// Properties of a call that its caller chose.
#[derive(Debug)]
pub(super) struct PendingSender {
    /// Identifier.
    pub(super) id: Id,
    /// JSON text of the progress token.
    pub(super) progress_token: Option<Box<str>>,
    /// `true` for `subscriptions/listen`, which lasts, and to which no other message belongs.
    pub(super) listens: bool,
    /// Principal; `None` for a request of the gateway itself.
    pub(super) principal: Option<Principal>,
}

impl PendingSender {
    /// Creates the sender of a request without progress.
    pub(super) fn of(id: Id) -> Self {
        Self {
            id,
            progress_token: None,
            listens: false,
            principal: None,
        }
    }
}

impl PendingRequests {
    /// Registers a call under `number`, which must be unused.
    pub(super) fn insert(&mut self, number: i64, waiting: PendingRequest) {
        if let Some(principal) = &waiting.sender.principal {
            self.users.record(principal);
        }
        self.waiting.insert(number, waiting);
    }

    /// Abandons a call; returns `true` if it was in flight, so that the server should be notified.
    pub(super) fn remove(&mut self, number: i64) -> bool {
        let waited = self.waiting.remove(&number).is_some();
        if waited {
            self.purge_cancelled();
            self.given_up.insert(number, Instant::now() + STRAGGLE);
        }
        waited
    }

    /// Records that the server has been notified of the cancellation of an abandoned call: it ends
    /// the call, and should not respond.
    pub(super) fn cancelled(&mut self, number: i64) {
        if let Some(end) = self.given_up.get_mut(&number) {
            *end = Instant::now() + CANCEL_GRACE;
        }
    }

    /// Removes a request of the gateway itself, to which no message of the server belongs.
    pub(super) fn forget(&mut self, number: i64) {
        self.waiting.remove(&number);
    }

    /// Removes abandoned calls that the server is expected to have ended.
    fn purge_cancelled(&mut self) {
        let now = Instant::now();
        self.given_up.retain(|_, end| *end > now);
    }

    /// Fails all in-flight calls with `error`.
    pub(super) fn fail(&mut self, error: &UpstreamError) {
        for (_, waiting) in self.waiting.drain() {
            // If the queue is full, the caller sees the end after its content.
            let _ = waiting.messages.try_send(Err(error.clone()));
        }
    }

    /// Delivers a response to its call; returns `false` if no call waits for it.
    ///
    /// The call gets the response under its own identifier. An error without an identifier is
    /// delivered if there is only one call.
    pub(super) fn complete(&mut self, response: &Response) -> bool {
        let number = match response.id() {
            Some(id) => self.number_of(id).inspect(|number| {
                self.given_up.remove(number);
            }),
            // A server that could not parse a request cannot repeat its identifier.
            None if response.result().is_err() => self.single(),
            None => None,
        };
        let Some(waiting) = number.and_then(|number| self.waiting.remove(&number)) else {
            return false;
        };
        let response = response.with_id(&waiting.sender.id);
        let _ = waiting
            .messages
            .try_send(Ok(ReplyEvent::Response(response)));
        true
    }

    /// Fails the call whose identifier the server received as `seen`.
    pub(super) fn reject(&mut self, seen: &Id, error: UpstreamError) {
        let Some(number) = self.number_of(seen) else {
            return;
        };
        self.given_up.remove(&number);
        if let Some(waiting) = self.waiting.remove(&number) {
            let _ = waiting.messages.try_send(Err(error));
        }
    }

    /// Returns the number of the call whose identifier the server received as `seen`.
    fn number_of(&self, seen: &Id) -> Option<i64> {
        // Texts are kept for subscriptions only, so that they are searched rarely.
        seen.number().or_else(|| {
            let mut calls = self.waiting.iter();
            let (number, _) = calls.find(|(_, it)| it.is_kept && it.sender.id == *seen)?;
            Some(*number)
        })
    }

    /// Delivers a progress notification to its call, with the caller's token; returns `false` if
    /// there is no such call.
    pub(super) fn progress(&mut self, notification: &Notification) -> bool {
        let found = notification
            .param("progressToken")
            .and_then(Id::from_token)
            .and_then(|token| token.as_i64())
            .and_then(|number| {
                Some((
                    number,
                    self.waiting
                        .get(&number)?
                        .sender
                        .progress_token
                        .as_deref()?,
                ))
            })
            .and_then(|(number, token)| {
                Some((number, notification.with_param("progressToken", token)?))
            });
        let Some((number, restored)) = found else {
            return false;
        };
        self.deliver(number, ReplyEvent::Notification(restored));
        true
    }

    /// Delivers a notification of a subscription to its `subscriptions/listen`; returns `false` if
    /// it belongs to none.
    pub(super) fn subscription(&mut self, notification: &Notification) -> bool {
        let tag = notification.meta(meta::SUBSCRIPTION_ID);
        let tag = tag.and_then(Id::from_token);
        let number = tag.and_then(|tag| self.number_of(&tag));
        let Some(number) = number.filter(|number| self.waiting.contains_key(number)) else {
            return false;
        };
        self.deliver(number, ReplyEvent::Notification(notification.clone()));
        true
    }

    /// Delivers a message without a reference to the only in-flight call, or returns it.
    ///
    /// With several calls, or an abandoned one that the server may still work on, the message could
    /// concern any of them; with several users, a call that has ended.
    pub(super) fn attribute(&mut self, event: ReplyEvent) -> Option<ReplyEvent> {
        if matches!(self.users, Users::Several) {
            return Some(event);
        }
        match self.single() {
            Some(number) => {
                self.deliver(number, event);
                None
            }
            None => Some(event),
        }
    }

    /// Returns the only call that the server can be working on; `None` if there is none or several.
    fn single(&mut self) -> Option<i64> {
        self.purge_cancelled();
        if !self.given_up.is_empty() {
            return None;
        }
        let calls = self.waiting.iter().filter(|(_, it)| !it.sender.listens);
        let mut numbers = calls.map(|(number, _)| *number);
        numbers.next().filter(|_| numbers.next().is_none())
    }

    /// Delivers a message; abandons the call if its queue is full.
    fn deliver(&mut self, number: i64, event: ReplyEvent) {
        let Some(waiting) = self.waiting.get(&number) else {
            return;
        };
        // A caller that does not read must not block the others.
        if let Err(mpsc::error::TrySendError::Full(_)) = waiting.messages.try_send(Ok(event)) {
            tracing::warn!("caller too slow; call abandoned");
            self.waiting.remove(&number);
        }
    }
}

/// Time for which a server may send messages of a call after it was notified of the cancellation.
const CANCEL_GRACE: Duration = Duration::from_secs(1);

/// Time for which a server may send messages of an abandoned call.
const STRAGGLE: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::Method;

    fn wait(
        pending: &mut PendingRequests,
        number: i64,
    ) -> mpsc::Receiver<Result<ReplyEvent, UpstreamError>> {
        let (messages, receiver) = mpsc::channel(4);
        let waiting = PendingRequest {
            messages,
            sender: PendingSender::of(Id::from(number)),
            is_kept: false,
        };
        pending.insert(number, waiting);
        receiver
    }

    fn log() -> ReplyEvent {
        ReplyEvent::Notification(Notification::new(&Method::LogMessage, Some("{}")))
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_about_a_call_that_was_given_up_reaches_nobody_else() {
        let mut pending = PendingRequests::default();
        let _gone = wait(&mut pending, 1);
        let mut other = wait(&mut pending, 2);
        assert!(pending.remove(1));
        assert!(
            pending.attribute(log()).is_some(),
            "it may be about the first"
        );
        assert!(other.try_recv().is_err());

        // The server answers all the same, so it is done with it.
        assert!(!pending.complete(&Response::new(&Id::from(1), "{}")));
        assert!(pending.attribute(log()).is_none());
        assert!(other.try_recv().is_ok());
    }

    #[tokio::test]
    async fn a_subscription_gets_its_notifications_and_no_others() {
        let mut pending = PendingRequests::default();
        let (messages, mut listener) = mpsc::channel(4);
        let mut sender = PendingSender::of(Id::from("listen"));
        sender.listens = true;
        let waiting = PendingRequest {
            messages,
            sender,
            is_kept: true,
        };
        pending.insert(1, waiting);
        let mut call = wait(&mut pending, 2);
        let tagged = |tag: &str| {
            let params = format!(r#"{{"_meta":{{"{}":{tag}}}}}"#, meta::SUBSCRIPTION_ID);
            Notification::new(&Method::ToolsListChanged, Some(&params))
        };
        for tag in ["1", "\"1\"", "\"listen\""] {
            assert!(pending.subscription(&tagged(tag)), "{tag}");
            assert!(listener.try_recv().is_ok(), "{tag}");
        }
        assert!(!pending.subscription(&tagged("7")) && !pending.subscription(&tagged("\"7\"")));
        assert!(pending.attribute(log()).is_none(), "one call is in flight");
        assert!(call.try_recv().is_ok() && listener.try_recv().is_err());
        assert!(pending.complete(&Response::new(&Id::from("listen"), "{}")));
        assert!(listener.try_recv().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_was_given_up_is_forgotten() {
        let mut pending = PendingRequests::default();
        let _gone = wait(&mut pending, 1);
        let mut other = wait(&mut pending, 2);
        pending.remove(1);
        tokio::time::advance(STRAGGLE).await;
        assert!(pending.attribute(log()).is_none());
        assert!(other.try_recv().is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_cancelled_call_without_a_response_ends_soon() {
        let mut pending = PendingRequests::default();
        let _cancelled = wait(&mut pending, 1);
        let _probe = wait(&mut pending, 2);
        let mut other = wait(&mut pending, 3);
        assert!(pending.remove(1));
        pending.cancelled(1);
        pending.forget(2);
        assert!(pending.attribute(log()).is_some());
        tokio::time::advance(CANCEL_GRACE).await;
        assert!(pending.attribute(log()).is_none());
        assert!(other.try_recv().is_ok());
    }

    #[tokio::test]
    async fn what_is_about_a_job_of_somebody_else_reaches_nobody() {
        let mut pending = PendingRequests::default();
        let mut call_of = |number: i64, who: &str| {
            let (messages, receiver) = mpsc::channel(4);
            let mut sender = PendingSender::of(Id::from(number));
            sender.principal = Some(Principal::new(who.to_owned()));
            let waiting = PendingRequest {
                messages,
                sender,
                is_kept: false,
            };
            pending.insert(number, waiting);
            let alone = pending.attribute(log()).is_none();
            // The server has answered, and may still work on a job that the call has started.
            let response = Response::new(&Id::from(number), "{}");
            assert!(pending.complete(&response));
            (alone, receiver)
        };
        for number in 1..3 {
            let (alone, mut alice) = call_of(number, "alice");
            assert!(alone && matches!(alice.try_recv(), Ok(Ok(ReplyEvent::Notification(_)))));
        }
        for (number, who) in [(3, "bob"), (4, "alice")] {
            let (alone, mut call) = call_of(number, who);
            assert!(!alone && matches!(call.try_recv(), Ok(Ok(ReplyEvent::Response(_)))));
        }
    }
}
