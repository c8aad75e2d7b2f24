//! Deadlines of streams of messages.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{Stream, StreamExt, stream};
use tokio::sync::Notify;
use tokio::time::{self, Instant};

use super::{ReplyEvent, Responder, ServerRequest};
use crate::error::UpstreamError;
use crate::jsonrpc::{Notification, Response};

/// Makes `messages` fail with [`UpstreamError::Timeout`] if the server is silent for `silence`, or
/// has not ended at `end`.
///
/// The limit of silence is suspended while the client has an unanswered request of the server,
/// because the server waits then.
pub(super) fn with_deadlines(
    messages: impl Stream<Item = Result<ReplyEvent, UpstreamError>> + Send + Unpin + 'static,
    silence: Duration,
    end: Instant,
) -> impl Stream<Item = Result<ReplyEvent, UpstreamError>> + Send + 'static {
    let questions = Arc::new(OpenRequests::default());
    stream::unfold(Some((messages, questions)), move |state| async move {
        let (mut messages, questions) = state?;
        loop {
            let until = match questions.open.load(Ordering::Acquire) {
                0 => end.min(Instant::now() + silence),
                _ => end,
            };
            let item = tokio::select! {
                biased;
                item = messages.next() => item?,
                () = questions.answered.notified() => continue,
                () = time::sleep_until(until) => return Some((Err(UpstreamError::Timeout), None)),
            };
            let item = item.map(|event| OpenRequests::track(&questions, event));
            return Some((item, Some((messages, questions))));
        }
    })
}

/// Unanswered requests of the server in one stream.
#[derive(Debug, Default)]
struct OpenRequests {
    open: AtomicUsize,
    answered: Notify,
}

impl OpenRequests {
    /// Counts `event` if it is a request, and wraps its responder to detect the answer.
    fn track(this: &Arc<Self>, event: ReplyEvent) -> ReplyEvent {
        let ReplyEvent::Request(request) = event else {
            return event;
        };
        this.open.fetch_add(1, Ordering::AcqRel);
        let (request, _, server) = request.into_parts();
        let open = OpenRequest(Arc::clone(this));
        ReplyEvent::Request(ServerRequest::new(
            request,
            Arc::new(TrackedResponder { server, open }),
        ))
    }
}

/// An unanswered request; counted until it is dropped, because then it can no longer be answered.
#[derive(Debug)]
struct OpenRequest(Arc<OpenRequests>);

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::AcqRel);
        self.0.answered.notify_one();
    }
}

/// A responder that keeps its request counted.
#[derive(Debug)]
struct TrackedResponder {
    server: Arc<dyn Responder>,
    #[expect(dead_code, reason = "its drop ends the suspension")]
    open: OpenRequest,
}

#[async_trait]
impl Responder for TrackedResponder {
    async fn respond(&self, response: Response) -> Result<(), UpstreamError> {
        self.server.respond(response).await
    }

    async fn notify(&self, notification: Notification) -> Result<(), UpstreamError> {
        self.server.notify(notification).await
    }

    fn withdraw(&self) {
        self.server.withdraw();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jsonrpc::{Id, Request};
    use crate::protocol::Method;

    #[derive(Debug)]
    struct UpstreamServer;

    #[async_trait]
    impl Responder for UpstreamServer {
        async fn respond(&self, _: Response) -> Result<(), UpstreamError> {
            Ok(())
        }
    }

    fn question() -> ReplyEvent {
        let request = Request::new(&Id::from(1), &Method::RootsList, "{}");
        ReplyEvent::Request(ServerRequest::new(request, Arc::new(UpstreamServer)))
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_waits_for_an_answer_is_not_silent() {
        let started = Instant::now();
        let messages = stream::iter([Ok(question())]).chain(stream::pending());
        let (silence, end) = (Duration::from_secs(10), started + Duration::from_secs(1000));
        let mut messages = Box::pin(with_deadlines(messages, silence, end));
        let Some(Ok(ReplyEvent::Request(asked))) = messages.next().await else {
            panic!("the question is lost");
        };
        let answer = async {
            time::sleep(Duration::from_secs(100)).await;
            drop(asked);
        };
        let (next, ()) = tokio::join!(messages.next(), answer);
        assert!(matches!(next, Some(Err(UpstreamError::Timeout))));
        assert_eq!(started.elapsed(), Duration::from_secs(110));
        assert!(messages.next().await.is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_answers_for_ever() {
        let started = Instant::now();
        let messages = stream::iter([Ok(question())]).chain(stream::pending());
        let (silence, end) = (Duration::from_secs(10), started + Duration::from_secs(50));
        let mut messages = Box::pin(with_deadlines(messages, silence, end));
        let asked = messages.next().await;
        assert!(matches!(
            messages.next().await,
            Some(Err(UpstreamError::Timeout))
        ));
        assert_eq!(started.elapsed(), Duration::from_secs(50));
        drop(asked);
    }
}
