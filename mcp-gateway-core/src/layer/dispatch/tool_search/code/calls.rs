//! Calls of tools by scripts.

use std::sync::Arc;

use futures_util::StreamExt as _;
use serde::de::IgnoredAny;
use serde_json::Value;
use tower::{ServiceExt as _, service_fn};
use tower_layer::Layer as _;

use super::super::super::RoutedService;
use super::{Run, value};
use crate::approval::Verdict;
use crate::json::string_json;
use crate::jsonrpc::{ErrorObject, Id, Message, Request, Response, code};
use crate::layer::trace::TraceLayer;
use crate::protocol::{Era, Method};
use crate::reply::{self, ReplyEvent, ServerRequest};
use crate::{Call, Error, Problem, Reply};

impl<S: RoutedService> Run<S> {
    /// Calls a tool, and returns the JSON text of what the script gets, or the text of its exception.
    ///
    /// It is a call of the tool like any other, in a span of its own.
    pub(super) async fn call_tool(
        &self,
        number: usize,
        tool: &str,
        arguments: &str,
    ) -> Result<String, String> {
        if !is_object(arguments) {
            return Err("the arguments are not an object".to_owned());
        }
        let request = self.request(number, tool, arguments);
        let mut call = self.call.for_request(request, ());
        // A script cannot wait for an approval, and must not run again with one.
        call.extensions_mut().insert(Verdict::Unaskable);
        let (shared, inner) = (&self.shared, &self.inner);
        let target = service_fn(|call: Call| Arc::clone(shared).call_listed(inner.clone(), call));
        let reply = TraceLayer::new().layer(target).oneshot(call).await;
        let response = match reply {
            Ok(reply) => self.response(reply).await?,
            Err(error) => self.error(&error)?,
        };
        value::of_response(&response)
    }

    /// Returns the request of a call. It has the metadata of the script's call but the token for its progress.
    fn request(&self, number: usize, tool: &str, arguments: &str) -> Request {
        let request = self.call.request();
        let id = Id::from(&*format!(
            "{}-{number}",
            request.id().to_token().trim_matches('"')
        ));
        let mut meta: Value = request
            .param("_meta")
            .and_then(|meta| serde_json::from_str(meta).ok())
            .unwrap_or_default();
        if let Some(members) = meta.as_object_mut() {
            members.remove("progressToken");
        }
        let meta = match meta {
            Value::Object(_) => format!(",\"_meta\":{meta}"),
            _ => String::new(),
        };
        let name = string_json(tool);
        let params = format!("{{\"name\":{name},\"arguments\":{arguments}{meta}}}");
        Request::new(&id, &Method::ToolsCall, &params)
    }

    /// Reads a reply. What its server asks meanwhile reaches clients with a session; others are told
    /// to call the tool themselves.
    async fn response(&self, reply: Reply) -> Result<Response, String> {
        let mut events = match reply {
            Reply::Events(events) => events,
            json @ Reply::Json { .. } => {
                let response = reply::into_response(json, value::LARGEST).await;
                return response.map_err(|error| Problem::from(&error).error.message.to_string());
            }
        };
        loop {
            match events.next().await {
                Some(Ok(ReplyEvent::Response(response))) => return Ok(response),
                Some(Ok(ReplyEvent::Request(question))) => self.pass_on(question).await,
                Some(Ok(ReplyEvent::Notification(_))) => {}
                Some(Err(error)) => return Err(events.problem(error).error.message.to_string()),
                None => return Err("the server has not answered".to_owned()),
            }
        }
    }

    async fn pass_on(&self, question: ServerRequest) {
        if self.call.client().era() == Era::Legacy {
            // A client that has gone drops the question, which rejects it.
            let _ = self.events.send(ReplyEvent::Request(question));
            return;
        }
        let error = ErrorObject::new(code::METHOD_NOT_FOUND, "scripts cannot be asked");
        // A server that is gone needs no answer.
        let _ = question.reject(&error).await;
    }

    /// Returns the response that a client would receive for `error`.
    fn error(&self, error: &Error) -> Result<Response, String> {
        let era = self.call.client().era();
        let problem = Problem::from(error).in_era(era);
        let text = problem.to_answer(Some(&Id::from(1)), Some(&Method::ToolsCall), era);
        match Message::parse(text) {
            Ok(Message::Response(response)) => Ok(response),
            Ok(_) | Err(_) => Err(problem.error.message.to_string()),
        }
    }
}

/// Returns `true` if a text of the sandbox is one object in JSON.
fn is_object(text: &str) -> bool {
    text.starts_with('{') && serde_json::from_str::<IgnoredAny>(text).is_ok()
}
