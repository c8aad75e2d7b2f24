//! Make what a server of one era sends understandable to a client of the other.
//!
//! Within an era nothing is changed. Across the eras, results get or lose what one of them does not
//! know, and errors the code that they have in the client's revision.

use std::borrow::Cow;

use futures_util::StreamExt;
use http::StatusCode;

use crate::call::Prepared;
use crate::jsonrpc::{Edits, ErrorObject, Fields, Message, Response, code};
use crate::protocol::{Era, Method, Version, meta};
use crate::reply::{self, Event, Events};
use crate::upstream::UpstreamError;
use crate::{Call, Reply, problem};

/// Translates the reply of a server that speaks `version` for the client of `call`.
pub(crate) async fn reply(
    reply: Reply,
    call: &Call<Prepared>,
    version: Version,
) -> Result<Reply, UpstreamError> {
    let crossing = Crossing {
        client: call.client().era(),
        method: call.request().method().clone(),
        logs: call.request().meta(meta::LOG_LEVEL).is_some(),
    };
    if crossing.client == version.era() {
        return Ok(reply);
    }
    match reply {
        Reply::Events(events) => Ok(Reply::Events(crossing.events(events))),
        json @ Reply::Json { .. } => {
            let text = reply::text(json, MAX_RESULT).await?;
            match Message::parse(text)? {
                Message::Response(response) => crossing
                    .response(&response)
                    .map(|response| reply::single(crossing.status(&response), &response)),
                Message::Notification(_) | Message::Request(_) => Err(UpstreamError::invalid(
                    "it answers with something else than a response",
                )),
            }
        }
        listing @ Reply::Listing(_) => Ok(listing),
    }
}

/// What has to be known of a call to carry its reply across the eras.
#[derive(Clone, Debug)]
struct Crossing {
    client: Era,
    method: Method,
    /// Whether the client asked for log messages in a way of the modern era.
    logs: bool,
}

impl Crossing {
    fn events(self, events: Events) -> Events {
        events.map(|events| {
            events.filter_map(move |event| {
                let translated = match event {
                    Ok(event) => self.event(event).transpose(),
                    Err(error) => Some(Err(error)),
                };
                std::future::ready(translated)
            })
        })
    }

    /// The event as the client is to see it; `None` when it is not meant for it.
    fn event(&self, event: Event) -> Result<Option<Event>, UpstreamError> {
        match event {
            Event::Notification(notification) => {
                let unasked = notification.method() == &Method::LogMessage
                    && self.client == Era::Modern
                    && !self.logs;
                Ok((!unasked).then_some(Event::Notification(notification)))
            }
            Event::Request(_) => Err(UpstreamError::Era {
                what: "a question",
                server: self.client.other(),
            }),
            Event::Response(response) => self.response(&response).map(|r| Some(Event::Response(r))),
        }
    }

    fn response(&self, response: &Response) -> Result<Response, UpstreamError> {
        match (self.client, response.result()) {
            (Era::Modern, Ok(result)) => Ok(self.modern_result(response, result)),
            (Era::Legacy, Ok(result)) => self.legacy_result(response, result),
            (_, Err(error)) => Ok(self.error(response, error)),
        }
    }

    /// Adds what every result has in the modern era.
    fn modern_result(&self, response: &Response, result: &str) -> Response {
        let Ok(fields) = Fields::read(result, 0..result.len()) else {
            return response.clone();
        };
        let mut added = String::new();
        let mut add = |key: &str, value: &str| {
            if fields.raw(result, key).is_none() {
                added.push_str(&format!("\"{key}\":{value},"));
            }
        };
        add("resultType", "\"complete\"");
        if self.method == Method::ResourcesRead {
            // The server does not say for how long, or for whom, the content is true.
            add("ttlMs", "0");
            add("cacheScope", "\"private\"");
        }
        if fields.iter(result).next().is_none() {
            added.pop();
        }
        let start = response.result_span().map_or(0, |span| span.start);
        response.edited(|edits: &mut Edits<'_>| edits.insert(start + 1, added))
    }

    /// Refuses results that a client of the legacy era cannot understand.
    fn legacy_result(&self, response: &Response, result: &str) -> Result<Response, UpstreamError> {
        let kind = Fields::read(result, 0..result.len())
            .ok()
            .and_then(|fields| fields.string(result, "resultType").map(Cow::into_owned));
        match kind.as_deref() {
            None | Some("complete") => Ok(response.clone()),
            Some("input_required") => Err(UpstreamError::Era {
                what: "a question",
                server: Era::Modern,
            }),
            Some("task") => Err(UpstreamError::Era {
                what: "a task",
                server: Era::Modern,
            }),
            Some(other) => Err(UpstreamError::invalid(format_args!(
                "result of type {other:?}"
            ))),
        }
    }

    /// Gives an error the code that it has in the client's revision.
    fn error(&self, response: &Response, error: &str) -> Response {
        let code = match (self.client, ErrorObject::code_of(error)) {
            (Era::Modern, code::RESOURCE_NOT_FOUND) => code::INVALID_PARAMS,
            (Era::Legacy, code::INVALID_PARAMS) if self.method == Method::ResourcesRead => {
                code::RESOURCE_NOT_FOUND
            }
            // These would tell a client of the legacy era nothing, and one of the modern era that
            // the server is of its own era.
            (_, code::HEADER_MISMATCH | code::MISSING_CAPABILITY | code::UNSUPPORTED_VERSION) => {
                code::INTERNAL_ERROR
            }
            _ => return response.clone(),
        };
        let Ok(fields) = Fields::read(error, 0..error.len()) else {
            return response.clone();
        };
        let (Some(span), Some(start)) = (fields.span(error, "code"), response.error_start()) else {
            return response.clone();
        };
        response.edited(|edits: &mut Edits<'_>| {
            edits.replace(start + span.start..start + span.end, code.to_string());
        })
    }

    fn status(&self, response: &Response) -> StatusCode {
        match self.client {
            Era::Legacy => StatusCode::OK,
            Era::Modern => problem::status_of(response),
        }
    }
}

/// The largest result that is carried across the eras, in bytes; it has to be held for that.
const MAX_RESULT: usize = 64 * 1024 * 1024;
