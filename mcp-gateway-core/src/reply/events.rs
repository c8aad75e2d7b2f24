//! Replies that are streams of messages.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use futures_core::Stream;
use tokio::time::Instant;

use super::completion::{CallOutcome, Completion, CompletionHooks};
use super::deadlines::with_deadlines;
use crate::error::UpstreamError;
use crate::jsonrpc::{ErrorObject, Id, Notification, Request, Response};
use crate::{Error, Problem};

/// One message of a reply.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "JSON-RPC 2.0 defines exactly these three kinds"
)]
pub enum ReplyEvent {
    /// A notification that precedes the response, such as progress.
    Notification(Notification),
    /// A request of the server to the client; only in the legacy era.
    Request(ServerRequest),
    /// The response, which ends the stream.
    Response(Response),
}

/// A request of a server to the client, sent while it handles that client's request.
///
/// It must be answered or refused; until then the server's call usually does not proceed. Cloning
/// is cheap.
#[derive(Clone, Debug)]
pub struct ServerRequest {
    request: Request,
    responder: Arc<dyn Responder>,
}

/// Sender of answers to the requests of a server.
///
/// Implemented by transports, and by layers that wrap another responder.
#[async_trait]
pub trait Responder: fmt::Debug + Send + Sync + 'static {
    /// Sends `response` to the server; its ID is the one that the server chose.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the server is no longer reachable.
    async fn respond(&self, response: Response) -> Result<(), UpstreamError>;

    /// Sends a notification about a request of the server, such as progress. Discarded by default.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the server is no longer reachable.
    async fn notify(&self, notification: Notification) -> Result<(), UpstreamError> {
        let _ = notification;
        Ok(())
    }

    /// Records that the server needs no answer any more, because it has cancelled its request.
    /// Ignored by default.
    fn withdraw(&self) {}
}

impl ServerRequest {
    /// Creates a request whose answer is sent to `server`.
    #[must_use]
    pub fn new(request: Request, responder: Arc<dyn Responder>) -> Self {
        Self { request, responder }
    }

    /// Returns the request, with the ID that the server chose.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Answers the request with `result`, a JSON text.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the server is no longer reachable.
    pub async fn answer(&self, result: &str) -> Result<(), UpstreamError> {
        let response = Response::new(self.request.id(), result);
        self.responder.respond(response).await
    }

    /// Answers the request with an error.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the server is no longer reachable.
    pub async fn reject(&self, error: &ErrorObject) -> Result<(), UpstreamError> {
        self.responder
            .respond(Response::from_error(self.request.id(), error))
            .await
    }

    /// Returns the request, the ID that the server chose, and the sender of the answer.
    pub(crate) fn into_parts(self) -> (Request, Id, Arc<dyn Responder>) {
        let id = self.request.id().clone();
        (self.request, id, self.responder)
    }
}

/// Boxed stream of messages.
type Messages = Pin<Box<dyn Stream<Item = Result<ReplyEvent, UpstreamError>> + Send>>;

/// A reply that is a stream of messages, of which the last is the response.
///
/// The stream yields one item per message and an `Err` as its last item if the server fails.
/// Dropping it cancels the request.
pub struct ReplyStream {
    messages: Messages,
    /// Name of the server, for errors; `None` for messages of the gateway itself.
    responder: Option<Arc<str>>,
    /// Hooks for the end of the reply.
    hooks: CompletionHooks,
}

impl ReplyStream {
    /// Creates a reply from a stream of messages.
    pub fn new(
        messages: impl Stream<Item = Result<ReplyEvent, UpstreamError>> + Send + 'static,
    ) -> Self {
        Self {
            messages: Box::pin(messages),
            responder: None,
            hooks: CompletionHooks::default(),
        }
    }

    /// Applies deadlines; see [`Reply::with_deadlines`](super::Reply::with_deadlines).
    pub(super) fn with_deadlines(self, silence: Duration, end: Instant) -> Self {
        self.map(|messages| with_deadlines(messages, silence, end))
    }

    /// Sets the name of the server.
    pub(crate) fn of_server(mut self, server: Arc<str>) -> Self {
        self.responder = Some(server);
        self
    }

    /// Returns the client's view of an `error` that ends the stream.
    pub(crate) fn problem(&self, error: UpstreamError) -> Problem {
        match &self.responder {
            Some(server) => Problem::from(&Error::Upstream {
                server: Arc::clone(server),
                source: error,
            }),
            None => Problem::from(&error),
        }
    }

    /// Records the account whose credential was presented.
    pub(super) fn set_account(&mut self, account: Arc<str>) {
        self.hooks.set_account(account);
    }

    /// Registers a hook for the end.
    pub(super) fn on_complete(&mut self, hook: impl FnOnce(&Completion) + Send + 'static) {
        self.hooks.add(hook);
    }

    /// Replaces the stream of messages by the result of `change`; hooks are kept.
    pub(crate) fn map<S>(self, change: impl FnOnce(Messages) -> S) -> Self
    where
        S: Stream<Item = Result<ReplyEvent, UpstreamError>> + Send + 'static,
    {
        Self {
            messages: Box::pin(change(self.messages)),
            responder: self.responder,
            hooks: self.hooks,
        }
    }
}

impl Stream for ReplyStream {
    type Item = Result<ReplyEvent, UpstreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.messages.as_mut().poll_next(cx));
        match &item {
            Some(Ok(ReplyEvent::Response(response))) => {
                self.hooks.add_bytes(response.text().len());
                self.hooks.complete(CallOutcome::of_response(response));
            }
            Some(Ok(ReplyEvent::Notification(notification))) => {
                self.hooks.add_bytes(notification.text().len());
            }
            Some(Ok(ReplyEvent::Request(request))) => {
                self.hooks.add_bytes(request.request.text().len());
            }
            Some(Err(_)) | None => self.hooks.complete(CallOutcome::Failed),
        }
        Poll::Ready(item)
    }
}

impl CallOutcome {
    /// Returns the outcome that a complete response denotes.
    pub(super) fn of_response(response: &Response) -> Self {
        let result = match response.result() {
            Ok(result) => result,
            Err(error) => {
                return Self::Error {
                    code: ErrorObject::code_of(error),
                };
            }
        };
        // Most results contain no tool error, and few texts contain the key at all.
        let tool_error = memchr::memmem::find(result.as_bytes(), b"isError").is_some()
            && serde_json::from_str(result).is_ok_and(|ToolResultHead { is_error }| is_error);
        if tool_error {
            Self::ToolError
        } else {
            Self::Success
        }
    }
}

/// JSON shape of a tool result, as far as its outcome is concerned.
#[derive(serde::Deserialize)]
struct ToolResultHead {
    #[serde(default, rename = "isError")]
    is_error: bool,
}

impl fmt::Debug for ReplyStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReplyStream")
            .field("watchers", &self.hooks)
            .finish_non_exhaustive()
    }
}
