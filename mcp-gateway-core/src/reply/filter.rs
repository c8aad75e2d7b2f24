//! Filters of replies: changes of what a server answers, before the gateway itself reads it.
//!
//! A layer attaches a [`ReplyFilter`] to a call as [`FilteredBy`]. It sees each message of the reply
//! as the server sent it: budgets for results, kept results and the client receive what it returns.
//! A stream stays a stream. Calls without a filter are forwarded as they are.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::StreamExt;

use super::{Reply, ReplyEvent, ServerRequest, into_response, single_response};
use crate::Problem;
use crate::error::UpstreamError;
use crate::jsonrpc::{ErrorObject, Id, Message, Notification, Response, code};
use crate::protocol::{Era, Method};

/// A filter of the reply to one call.
///
/// # Cancel safety
///
/// The future of [`response`](Self::response) is dropped when the client cancels the call.
#[async_trait]
pub trait ReplyFilter: fmt::Debug + Send + Sync + 'static {
    /// Returns the maximum size of a response, in bytes. A larger one is withheld.
    fn max_bytes(&self) -> usize;

    /// Returns the JSON text that takes the place of `params`, those of a message that precedes the
    /// response; `None` if they stay as they are.
    ///
    /// # Errors
    ///
    /// [`Withheld`] if the message must not be sent: a notification is dropped, and a request of the
    /// server is rejected.
    async fn message(&self, params: &str) -> Result<Option<String>, Withheld>;

    /// Returns the response for the client, which is under the same identifier.
    ///
    /// # Errors
    ///
    /// [`Withheld`] if the client must not receive it.
    async fn response(&self, response: Response) -> Result<Response, Withheld>;

    /// Returns `true` if results may contradict the output schema of `tool`, which clients then do not
    /// see. Asked about the entries of a list of tools. `false` by default.
    fn hides_output_schema(&self, tool: &str) -> bool {
        let _ = tool;
        false
    }
}

/// Filter of the reply to a call, among its [extensions](crate::Call::extensions).
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use async_trait::async_trait;
/// use mcp_gateway_core::call::{Call, Permitted};
/// use mcp_gateway_core::jsonrpc::Response;
/// use mcp_gateway_core::reply::{FilteredBy, ReplyFilter, Withheld};
///
/// /// Withholds all responses, and what precedes them.
/// #[derive(Debug)]
/// struct Nothing;
///
/// #[async_trait]
/// impl ReplyFilter for Nothing {
///     fn max_bytes(&self) -> usize {
///         1024
///     }
///
///     async fn message(&self, _: &str) -> Result<Option<String>, Withheld> {
///         Err(Withheld::new("for nobody"))
///     }
///
///     async fn response(&self, _: Response) -> Result<Response, Withheld> {
///         Err(Withheld::new("for nobody"))
///     }
/// }
///
/// fn filter(mut call: Call<Permitted>) -> Call<Permitted> {
///     call.extensions_mut().insert(FilteredBy(Arc::new(Nothing)));
///     call
/// }
/// ```
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "a wrapper of one value")]
pub struct FilteredBy(pub Arc<dyn ReplyFilter>);

/// Decision that the client must not receive a message.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Withheld {
    /// Reason for the client.
    pub reason: Arc<str>,
}

impl Withheld {
    /// Creates the decision with a reason that the client receives.
    #[must_use]
    pub fn new(reason: impl Into<Arc<str>>) -> Self {
        let reason = reason.into();
        Self { reason }
    }
}

/// Application of a filter to the reply to one request.
#[derive(Clone, Debug)]
pub(crate) struct Filtering {
    filter: Arc<dyn ReplyFilter>,
    id: Id,
    method: Method,
    era: Era,
}

impl Filtering {
    /// Creates the application of `filter` to the reply to the request `id` of a client of `era`.
    pub(crate) fn new(filter: &FilteredBy, (id, method): (&Id, &Method), era: Era) -> Self {
        Self {
            filter: Arc::clone(&filter.0),
            id: id.clone(),
            method: method.clone(),
            era,
        }
    }

    /// Filters `reply`. A document is read completely.
    ///
    /// # Errors
    ///
    /// [`UpstreamError`] if the document cannot be read, without a description by the server.
    pub(crate) async fn apply(self, reply: Reply) -> Result<Reply, UpstreamError> {
        if self.method == Method::ToolsList {
            return Ok(reply.map_listing(|listing| {
                let hides = |tool: &str| self.filter.hides_output_schema(tool);
                Arc::new(listing.without_output_schemas(hides))
            }));
        }
        match reply {
            Reply::Json { status, .. } => {
                let response = match into_response(reply, self.filter.max_bytes()).await {
                    Ok(response) => self.response(response).await,
                    Err(UpstreamError::TooLarge { limit }) => self.withheld(&too_large(limit)),
                    Err(error) => return Err(undescribed(error)),
                };
                Ok(single_response(status, &response))
            }
            Reply::Events(events) => Ok(Reply::Events(events.map(|messages| {
                let filtering = Arc::new(self);
                messages.filter_map(move |message| {
                    let filtering = Arc::clone(&filtering);
                    async move {
                        match message {
                            Ok(event) => filtering.event(event).await.map(Ok),
                            Err(error) => Some(Err(undescribed(error))),
                        }
                    }
                })
            }))),
        }
    }

    /// Returns the message for the client; `None` if there is none.
    async fn event(&self, event: ReplyEvent) -> Option<ReplyEvent> {
        match event {
            ReplyEvent::Notification(notification) => {
                let notification = self.notification(notification).await;
                notification.map(ReplyEvent::Notification)
            }
            ReplyEvent::Request(request) => {
                let request = self.request(request).await;
                request.map(ReplyEvent::Request)
            }
            ReplyEvent::Response(response) => {
                Some(ReplyEvent::Response(self.response(response).await))
            }
        }
    }

    async fn notification(&self, notification: Notification) -> Option<Notification> {
        let Some(params) = notification.param_text() else {
            return Some(notification);
        };
        match self.filter.message(params).await {
            Ok(None) => Some(notification),
            Ok(Some(params)) => Some(Notification::new(notification.method(), Some(&params))),
            Err(Withheld { .. }) => None,
        }
    }

    /// Returns the request of the server for the client. Otherwise it is rejected.
    async fn request(&self, asked: ServerRequest) -> Option<ServerRequest> {
        let request = asked.request();
        let params = request.param_text().unwrap_or("{}");
        match self.filter.message(params).await {
            Ok(None) => Some(asked),
            Ok(Some(params)) => {
                let (request, id, responder) = asked.into_parts();
                let request = crate::jsonrpc::Request::new(&id, request.method(), &params);
                Some(ServerRequest::new(request, responder))
            }
            Err(Withheld { .. }) => {
                let error = ErrorObject::new(code::INVALID_REQUEST, "the request is not permitted");
                // The stream ends if the server is unreachable.
                let _ = asked.reject(&error).await;
                None
            }
        }
    }

    async fn response(&self, response: Response) -> Response {
        let limit = self.filter.max_bytes();
        if response.text().len() > limit {
            return self.withheld(&too_large(limit));
        }
        match self.filter.response(response).await {
            Ok(response) => response,
            Err(withheld) => self.withheld(&withheld),
        }
    }

    /// Returns the response in the place of one that is withheld.
    fn withheld(&self, withheld: &Withheld) -> Response {
        let problem = Problem::withheld(&withheld.reason);
        let answer = problem.to_answer(Some(&self.id), Some(&self.method), self.era);
        match Message::parse(answer) {
            Ok(Message::Response(response)) => response,
            _ => Response::from_error(&self.id, &problem.error),
        }
    }
}

/// Returns the decision about a response that exceeds `limit` bytes.
fn too_large(limit: usize) -> Withheld {
    Withheld::new(format!(
        "it exceeds {limit} bytes, so that rules about results cannot be applied"
    ))
}

/// Returns `error` without the description of a defect, which may quote the server.
fn undescribed(error: UpstreamError) -> UpstreamError {
    match error {
        UpstreamError::Invalid { .. } => {
            UpstreamError::invalid("its description is withheld by a rule about results")
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;
    use crate::reply::{CallOutcome, JsonBody, ReplyStream, response};

    /// Replaces `secret` everywhere, and withholds results with `blocked`.
    #[derive(Debug)]
    struct Replacing;

    #[async_trait]
    impl ReplyFilter for Replacing {
        fn max_bytes(&self) -> usize {
            200
        }

        async fn message(&self, params: &str) -> Result<Option<String>, Withheld> {
            match params.contains("blocked") {
                true => Err(Withheld::new("blocked")),
                false => Ok(Some(params.replace("secret", "***"))),
            }
        }

        async fn response(&self, response: Response) -> Result<Response, Withheld> {
            let text = response.result().unwrap_or_else(|error| error).to_owned();
            let text = self.message(&text).await?.unwrap_or(text);
            response
                .with_outcome(&text)
                .ok_or_else(|| Withheld::new("invalid"))
        }
    }

    fn filtering(method: &Method) -> Filtering {
        let filter = FilteredBy(Arc::new(Replacing));
        Filtering::new(&filter, (&Id::from(1), method), Era::Modern)
    }

    async fn filtered(text: &str) -> String {
        let reply = Reply::Json {
            status: StatusCode::OK,
            body: JsonBody::full(text.to_owned().into(), CallOutcome::Success),
        };
        let reply = filtering(&Method::ToolsCall).apply(reply).await.unwrap();
        response(reply).await.unwrap().text().to_owned()
    }

    #[tokio::test]
    async fn documents_are_replaced_or_withheld() {
        let masked = filtered(r#"{"jsonrpc":"2.0","id":1,"result":{"a":"secret","b":1.50}}"#).await;
        assert_eq!(
            masked,
            r#"{"jsonrpc":"2.0","id":1,"result":{"a":"***","b":1.50}}"#
        );
        let error =
            filtered(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-7,"message":"secret"}}"#).await;
        assert_eq!(
            error,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-7,"message":"***"}}"#
        );
        let blocked = filtered(r#"{"jsonrpc":"2.0","id":1,"result":{"a":"blocked"}}"#).await;
        assert!(blocked.contains(r#""isError":true"#), "{blocked}");
        assert!(blocked.contains("result_withheld") && blocked.contains("withheld: blocked"));
        let large = format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"a":"{}"}}}}"#,
            "x".repeat(200)
        );
        let large = filtered(&large).await;
        assert!(large.contains("exceeds 200 bytes"), "{large}");
    }

    #[tokio::test]
    async fn messages_pass_at_once_and_are_filtered() {
        let progress = |text: &str| {
            let params = format!(r#"{{"message":"{text}"}}"#);
            let method = Method::from("notifications/progress");
            Ok(ReplyEvent::Notification(Notification::new(
                &method,
                Some(&params),
            )))
        };
        let broken = UpstreamError::invalid("secret");
        let messages = [progress("secret 1"), progress("blocked"), Err(broken)];
        // The stream never ends, so that nothing waits for its end.
        let messages = futures_util::stream::iter(messages);
        let messages = messages.chain(futures_util::stream::pending());
        let reply = Reply::Events(ReplyStream::new(messages));
        let Reply::Events(mut events) = filtering(&Method::ToolsCall).apply(reply).await.unwrap()
        else {
            panic!("not a stream");
        };
        let Some(Ok(ReplyEvent::Notification(first))) = events.next().await else {
            panic!("no notification");
        };
        assert_eq!(first.param("message"), Some("\"*** 1\""));
        let error = events.next().await.unwrap().unwrap_err();
        assert!(!error.to_string().contains("secret"), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_tool_result_is_withheld_by_an_error() {
        let reply = Reply::result(&Id::from(1), r#"{"contents":["blocked"]}"#);
        let reply = filtering(&Method::ResourcesRead)
            .apply(reply)
            .await
            .unwrap();
        let response = response(reply).await.unwrap();
        let error = response.result().unwrap_err();
        assert_eq!(
            ErrorObject::message_of(error),
            "The result is withheld: blocked"
        );
    }
}
