//! Messages of a server outside of any request, on their way to subscribers.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::time;

use crate::reply::ReplyEvent;
use crate::task::BackgroundTask;

/// Queue of unsolicited messages for any number of subscribers.
///
/// A server may send a request right after the handshake, before its client listens. Messages are
/// therefore held for the first subscriber, at most for [`HOLD`].
#[derive(Debug)]
pub(super) struct UnsolicitedMessages {
    /// Queues of the subscribers.
    sender: broadcast::Sender<Arc<ReplyEvent>>,
    /// Queue of the first subscriber, until that takes it.
    first: Arc<Mutex<Option<broadcast::Receiver<Arc<ReplyEvent>>>>>,
    /// Task that ends the time of messages without a subscriber; started by the first of them.
    expiry: OnceLock<BackgroundTask>,
}

impl UnsolicitedMessages {
    /// Creates queues of `capacity` messages, which are allocated in advance.
    pub(super) fn new(capacity: usize) -> Self {
        let (sender, first) = broadcast::channel(capacity);
        Self {
            sender,
            first: Arc::new(Mutex::new(Some(first))),
            expiry: OnceLock::new(),
        }
    }

    /// Subscribes to the messages from now on; the first subscriber also receives those before.
    pub(super) fn subscribe(&self) -> broadcast::Receiver<Arc<ReplyEvent>> {
        let first = lock(&self.first).take();
        first.unwrap_or_else(|| self.sender.subscribe())
    }

    /// Sends a message to all subscribers. Without one, it is held or dropped.
    ///
    /// A dropped request is rejected by its [`Unanswered`](super::unanswered::Unanswered)
    /// responder.
    pub(super) fn send(&self, event: ReplyEvent) {
        if self.is_held() {
            self.expiry.get_or_init(|| {
                let first = Arc::clone(&self.first);
                BackgroundTask::spawn(async move {
                    time::sleep(HOLD).await;
                    lock(&first).take();
                })
            });
        }
        // Fails only if there is no subscriber.
        let _ = self.sender.send(Arc::new(event));
    }

    /// Returns `true` if there are subscribers.
    pub(super) fn has_subscribers(&self) -> bool {
        self.sender.receiver_count() > usize::from(self.is_held())
    }

    /// Drops the messages that are held for the first subscriber.
    pub(super) fn close(&self) {
        lock(&self.first).take();
    }

    /// Returns `true` if messages are held for the first subscriber.
    fn is_held(&self) -> bool {
        lock(&self.first).is_some()
    }
}

/// Locks the queue of the first subscriber.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Maximum time for which messages are held for the first subscriber: a client opens its stream
/// right after its first request.
const HOLD: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonrpc::Notification;
    use crate::protocol::Method;

    fn message() -> ReplyEvent {
        ReplyEvent::Notification(Notification::new(&Method::LogMessage, Some("{}")))
    }

    #[tokio::test(start_paused = true)]
    async fn the_first_subscriber_receives_earlier_messages() {
        let messages = UnsolicitedMessages::new(4);
        messages.send(message());
        time::sleep(HOLD / 2).await;
        assert!(!messages.has_subscribers());
        let (mut first, mut second) = (messages.subscribe(), messages.subscribe());
        assert!(messages.has_subscribers());
        messages.send(message());
        assert!(first.try_recv().is_ok() && first.try_recv().is_ok());
        assert!(second.try_recv().is_ok() && second.try_recv().is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn messages_are_held_for_a_limited_time() {
        let messages = UnsolicitedMessages::new(4);
        messages.send(message());
        time::sleep(HOLD * 2).await;
        assert!(messages.subscribe().try_recv().is_err());
    }
}
