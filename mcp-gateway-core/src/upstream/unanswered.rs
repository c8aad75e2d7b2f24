//! Requests of servers that nobody answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time;

use crate::error::UpstreamError;
use crate::jsonrpc::{ErrorObject, Id, Notification, Response};
use crate::reply::Responder;
use crate::task::BackgroundTask;

/// Responder that answers one request of a server exactly once.
///
/// If it is dropped before, no client is left that could answer, and the request is rejected with
/// "method not found": its server must not wait in vain.
#[derive(Debug)]
pub(super) struct Unanswered {
    /// ID that the server chose.
    id: Id,
    /// Responder of the connection.
    server: Arc<dyn Responder>,
    /// `true` if the server needs no answer any more.
    answered: AtomicBool,
}

impl Unanswered {
    /// Creates the responder of the request `id`, whose answer is sent to `server`.
    pub(super) fn new(id: Id, server: Arc<dyn Responder>) -> Self {
        Self {
            id,
            server,
            answered: AtomicBool::new(false),
        }
    }
}

#[async_trait]
impl Responder for Unanswered {
    async fn respond(&self, response: Response) -> Result<(), UpstreamError> {
        if self.answered.swap(true, Ordering::AcqRel) {
            return Ok(());
        }
        self.server.respond(response).await
    }

    async fn notify(&self, notification: Notification) -> Result<(), UpstreamError> {
        self.server.notify(notification).await
    }

    fn withdraw(&self) {
        self.answered.store(true, Ordering::Release);
    }
}

impl Drop for Unanswered {
    fn drop(&mut self) {
        if *self.answered.get_mut() {
            return;
        }
        let error = ErrorObject::method_not_found().with_data("no client available".into());
        let response = Response::from_error(&self.id, &error);
        let server = Arc::clone(&self.server);
        BackgroundTask::detach(async move {
            // A server that is gone needs no answer.
            let _ = time::timeout(REJECT_TIMEOUT, server.respond(response)).await;
        });
    }
}

/// Maximum time for sending the rejection.
const REJECT_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A server that records what it receives.
    #[derive(Debug, Default)]
    struct Recorder(Mutex<Vec<Response>>);

    #[async_trait]
    impl Responder for Recorder {
        async fn respond(&self, response: Response) -> Result<(), UpstreamError> {
            self.0.lock().unwrap().push(response);
            Ok(())
        }
    }

    async fn received(server: &Recorder) -> Vec<String> {
        tokio::task::yield_now().await;
        let received = server.0.lock().unwrap();
        let texts = received.iter().map(|response| response.text().to_owned());
        texts.collect()
    }

    fn unanswered() -> (Arc<Recorder>, Unanswered) {
        let server = Arc::new(Recorder::default());
        let id = Id::from("q");
        (Arc::clone(&server), Unanswered::new(id, server))
    }

    #[tokio::test]
    async fn a_dropped_request_is_rejected() {
        let (server, asked) = unanswered();
        drop(asked);
        let [rejection] = &received(&server).await[..] else {
            panic!("{server:?}");
        };
        assert!(rejection.contains("\"q\"") && rejection.contains("-32601"));
    }

    #[tokio::test]
    async fn a_request_is_answered_once() {
        let (server, asked) = unanswered();
        for _ in 0..2 {
            let response = Response::new(&Id::from("q"), "{}");
            asked.respond(response).await.unwrap();
        }
        drop(asked);
        assert_eq!(received(&server).await.len(), 1);
    }

    #[tokio::test]
    async fn a_withdrawn_request_is_not_rejected() {
        let (server, asked) = unanswered();
        asked.withdraw();
        drop(asked);
        assert!(received(&server).await.is_empty());
    }
}
