use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use futures_core::Stream;
use tokio::time::Instant;

use super::deadlines::with_deadlines;
use super::ending::{Ending, Outcome, Watchers};
use crate::error::UpstreamError;
use crate::jsonrpc::{ErrorObject, Id, Notification, Request, Response};
use crate::{Error, Problem};

/// One message of a reply.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "JSON-RPC 2.0 knows these three")]
pub enum Event {
    /// Something happened on the way.
    Notification(Notification),
    /// The server asks the client; only in the legacy era.
    Request(ServerRequest),
    /// The response, after which nothing comes.
    Response(Response),
}

/// A request of a server to the client that called it.
#[derive(Clone, Debug)]
pub struct ServerRequest {
    request: Request,
    server: Arc<dyn Respond>,
}

/// Takes the answers to the requests of a server.
#[async_trait]
pub trait Respond: fmt::Debug + Send + Sync + 'static {
    /// Hands `response`, whose id is that of the server's request, to the server.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] when the server cannot be reached any more.
    async fn respond(&self, response: Response) -> Result<(), UpstreamError>;

    /// Hands over a notification about what the server asked, such as one of progress.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] when the server cannot be reached any more.
    async fn notify(&self, notification: Notification) -> Result<(), UpstreamError> {
        let _ = notification;
        Ok(())
    }
}

impl ServerRequest {
    /// A request whose answer goes to `server`.
    #[must_use]
    pub fn new(request: Request, server: Arc<dyn Respond>) -> Self {
        Self { request, server }
    }

    /// What the server asks, with the identifier that the server gave it.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Answers with the JSON text of a result.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] when the server cannot be reached any more.
    pub async fn answer(&self, result: &str) -> Result<(), UpstreamError> {
        let response = Response::new(self.request.id(), result);
        self.server.respond(response).await
    }

    /// Answers with an error.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] when the server cannot be reached any more.
    pub async fn refuse(&self, error: &ErrorObject) -> Result<(), UpstreamError> {
        self.server
            .respond(Response::from_error(self.request.id(), error))
            .await
    }

    pub(crate) fn into_parts(self) -> (Request, Id, Arc<dyn Respond>) {
        let id = self.request.id().clone();
        (self.request, id, self.server)
    }
}

type Messages = Pin<Box<dyn Stream<Item = Result<Event, UpstreamError>> + Send>>;

/// The messages of a reply, of which the last is the response.
pub struct Events {
    messages: Messages,
    /// The server that they come from, where that is one.
    server: Option<Arc<str>>,
    watchers: Watchers,
}

impl Events {
    /// Messages as they arrive.
    pub fn new(
        messages: impl Stream<Item = Result<Event, UpstreamError>> + Send + 'static,
    ) -> Self {
        Self {
            messages: Box::pin(messages),
            server: None,
            watchers: Watchers::default(),
        }
    }

    pub(super) fn with_deadlines(self, silence: Duration, end: Instant) -> Self {
        self.map(|messages| with_deadlines(messages, silence, end))
    }

    /// Says which server the messages come from.
    pub(crate) fn of_server(mut self, server: Arc<str>) -> Self {
        self.server = Some(server);
        self
    }

    /// What a client is told when the messages end in `error`.
    pub(crate) fn failure(&self, error: UpstreamError) -> Problem {
        match &self.server {
            Some(server) => Problem::from(&Error::Upstream {
                server: Arc::clone(server),
                source: error,
            }),
            None => Problem::from(&error),
        }
    }

    pub(super) fn on_end(&mut self, hook: impl FnOnce(&Ending) + Send + 'static) {
        self.watchers.add(hook);
    }

    /// The same messages, as `change` makes them.
    pub(crate) fn map<S>(self, change: impl FnOnce(Messages) -> S) -> Self
    where
        S: Stream<Item = Result<Event, UpstreamError>> + Send + 'static,
    {
        Self {
            messages: Box::pin(change(self.messages)),
            server: self.server,
            watchers: self.watchers,
        }
    }
}

impl Stream for Events {
    type Item = Result<Event, UpstreamError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let item = ready!(self.messages.as_mut().poll_next(cx));
        match &item {
            Some(Ok(Event::Response(response))) => {
                self.watchers.count(response.text().len());
                self.watchers.end(Outcome::of_response(response));
            }
            Some(Ok(Event::Notification(notification))) => {
                self.watchers.count(notification.text().len());
            }
            Some(Ok(Event::Request(request))) => {
                self.watchers.count(request.request.text().len());
            }
            Some(Err(_)) | None => self.watchers.end(Outcome::Failed),
        }
        Poll::Ready(item)
    }
}

impl Outcome {
    pub(super) fn of_response(response: &Response) -> Self {
        let result = match response.result() {
            Ok(result) => result,
            Err(error) => {
                return Self::Error {
                    code: ErrorObject::code_of(error),
                };
            }
        };
        // Most results are not tool errors, and few texts contain the word.
        let tool_error = memchr::memmem::find(result.as_bytes(), b"isError").is_some()
            && serde_json::from_str(result).is_ok_and(|IsError { is_error }| is_error);
        if tool_error {
            Self::ToolError
        } else {
            Self::Success
        }
    }
}

#[derive(serde::Deserialize)]
struct IsError {
    #[serde(default, rename = "isError")]
    is_error: bool,
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("watchers", &self.watchers)
            .finish_non_exhaustive()
    }
}
