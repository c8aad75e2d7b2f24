use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;
use serde_json::error::Category;

use super::params::Params;
use super::{Edits, ErrorObject, Fields, Id};
use crate::protocol::Method;
use crate::upstream::object;

/// A JSON-RPC message: the text that arrived, and where in it the parts are that matter.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "JSON-RPC 2.0 knows these three")]
pub enum Message {
    /// Something happened; no answer is wanted.
    Notification(Notification),
    /// A call that wants an answer.
    Request(Request),
    /// The answer to a request.
    Response(Response),
}

/// A call that wants an answer.
#[derive(Clone, Debug)]
pub struct Request {
    text: ByteString,
    id: Id,
    id_span: Range<usize>,
    method: Method,
    params: Params,
}

/// A message that wants no answer.
#[derive(Clone, Debug)]
pub struct Notification {
    text: ByteString,
    method: Method,
    params: Params,
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub struct Response {
    text: ByteString,
    id: Option<Id>,
    id_span: Option<Range<usize>>,
    outcome: Outcome,
}

#[derive(Clone, Debug)]
enum Outcome {
    Error(Range<usize>),
    Result(Range<usize>),
}

/// Why a text is not a message.
///
/// Always the fault of who sent it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Several messages at once, which no revision but 2025-03-26 knows.
    #[error("batches of messages are not supported: send one message per request")]
    Batch,
    /// A part of the message has the wrong type or is there twice.
    #[error("not a JSON-RPC message: {detail}")]
    Invalid {
        /// The identifier of the request, where it could be read.
        id: Option<Id>,
        /// What is wrong.
        detail: Cow<'static, str>,
    },
    /// The parameters are not an object, or have a key twice.
    #[error("invalid params: {detail}")]
    Params {
        /// The identifier of the request.
        id: Option<Id>,
        /// What is wrong.
        detail: String,
    },
    /// The text is not JSON, or not UTF-8.
    #[error("the body is not valid JSON: {detail}")]
    Syntax {
        /// What is wrong, and where.
        detail: String,
    },
    /// Brackets are nested deeper than [`Message::MAX_DEPTH`].
    #[error("the body is nested deeper than {} levels", Message::MAX_DEPTH)]
    TooDeep,
}

impl Message {
    /// How deep arrays and objects may be nested.
    ///
    /// As deep as common JSON readers follow; a server behind the gateway should not be the one to
    /// find out what happens beyond.
    pub const MAX_DEPTH: usize = 128;

    /// Reads the text of one message.
    ///
    /// # Errors
    ///
    /// [`MessageError`] when it is not one.
    pub fn parse(body: Bytes) -> Result<Self, MessageError> {
        let text = ByteString::try_from(body).map_err(|error| MessageError::Syntax {
            detail: format!("{error}"),
        })?;
        if deeper_than(&text, Self::MAX_DEPTH) {
            return Err(MessageError::TooDeep);
        }
        let envelope =
            Fields::read(&text, 0..text.len()).map_err(|error| not_object(&text, &error))?;
        let id_span = envelope.span(&text, "id");
        let id = id_span.clone().and_then(|span| Id::from_token(&text[span]));
        if id_span.is_some() && id.is_none() && envelope.span(&text, "method").is_some() {
            return Err(invalid(None, "the id must be a string or an integer"));
        }
        if envelope.raw(&text, "jsonrpc") != Some("\"2.0\"") {
            return Err(invalid(id, "the member jsonrpc must be \"2.0\""));
        }
        let Some(method) = envelope.span(&text, "method") else {
            return Response::from_envelope(text, &envelope, id).map(Self::Response);
        };
        let Some(method) = super::string(&text[method]).map(|name| Method::from(&*name)) else {
            return Err(invalid(id, "the method must be a string"));
        };
        let params = match Params::read(&text, envelope.span(&text, "params")) {
            Ok(params) => params,
            Err(error) => {
                return Err(MessageError::Params {
                    id,
                    detail: describe(&error),
                });
            }
        };
        Ok(match (id, id_span) {
            (Some(id), Some(id_span)) => Self::Request(Request {
                text,
                id,
                id_span,
                method,
                params,
            }),
            _ => Self::Notification(Notification {
                text,
                method,
                params,
            }),
        })
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Notification(notification) => &notification.text,
            Self::Request(request) => &request.text,
            Self::Response(response) => &response.text,
        }
    }
}

impl Request {
    /// A request of the gateway itself.
    #[must_use]
    pub fn new(id: &Id, method: &Method, params: &str) -> Self {
        let head = format!("{{\"jsonrpc\":\"2.0\",\"id\":{}", id.to_token());
        let id_span = head.len() - id.to_token().len()..head.len();
        let method_token = serde_json::Value::from(method.as_str());
        let head = format!("{head},\"method\":{method_token},\"params\":");
        let span = head.len()..head.len() + params.len();
        let text = ByteString::from(format!("{head}{params}}}"));
        Self {
            params: Params::read(&text, Some(span)).unwrap_or_default(),
            text,
            id: id.clone(),
            id_span,
            method: method.clone(),
        }
    }

    /// The text that arrived.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text that arrived, as bytes; cheap.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.text.as_bytes().clone()
    }

    /// The identifier to which the response refers.
    #[must_use]
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The tool, prompt, resource or task that it names, where its method has such a target.
    #[must_use]
    pub fn name(&self) -> Option<Cow<'_, str>> {
        self.params.string(&self.text, self.method.name_param()?)
    }

    /// The JSON text of a parameter.
    #[must_use]
    pub fn param(&self, key: &str) -> Option<&str> {
        self.params.raw(&self.text, key)
    }

    /// The JSON text of a member of `_meta`.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&str> {
        self.params.meta().raw(&self.text, key)
    }

    /// The JSON text of parameters that consist of `_meta` alone, as far as there is one.
    pub(crate) fn meta_params(&self) -> String {
        match self.param("_meta") {
            Some(meta) => format!("{{\"_meta\":{meta}}}"),
            None => "{}".to_owned(),
        }
    }

    pub(crate) fn id_span(&self) -> Range<usize> {
        self.id_span.clone()
    }

    pub(crate) fn params(&self) -> &Params {
        &self.params
    }
}

impl Notification {
    /// A notification of the gateway itself.
    #[must_use]
    pub fn new(method: &Method, params: Option<&str>) -> Self {
        let method_token = serde_json::Value::from(method.as_str());
        let head = format!("{{\"jsonrpc\":\"2.0\",\"method\":{method_token}");
        let (text, span) = match params {
            None => (format!("{head}}}"), None),
            Some(params) => {
                let start = head.len() + ",\"params\":".len();
                let text = format!("{head},\"params\":{params}}}");
                (text, Some(start..start + params.len()))
            }
        };
        let text = ByteString::from(text);
        Self {
            params: Params::read(&text, span).unwrap_or_default(),
            text,
            method: method.clone(),
        }
    }

    /// The text that arrived.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text that arrived, as bytes; cheap.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.text.as_bytes().clone()
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The JSON text of a parameter.
    #[must_use]
    pub fn param(&self, key: &str) -> Option<&str> {
        self.params.raw(&self.text, key)
    }

    /// The JSON text of a member of `_meta`.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&str> {
        self.params.meta().raw(&self.text, key)
    }

    /// The same notification with another value of one member of `_meta`, or without it.
    pub(crate) fn with_meta(&self, key: &str, value: Option<&str>) -> Self {
        let text: &str = &self.text;
        let kept = self
            .params
            .meta()
            .iter(text)
            .filter(|(other, _)| *other != key);
        let mut members: Vec<_> = kept.map(|(key, span)| (key, text[span].into())).collect();
        members.extend(value.map(|value| (key, value.into())));
        let meta = object(&members);
        let mut edits = Edits::new();
        if let Some(span) = self.params.span(text, "_meta") {
            edits.replace(span, meta);
        } else if let Some(span) = self.params.object() {
            let separator = if self.params.iter(text).next().is_some() {
                ","
            } else {
                ""
            };
            edits.insert(span.end - 1, format!("{separator}\"_meta\":{meta}"));
        } else {
            let end = text.trim_ascii_end().len() - 1;
            edits.insert(end, format!(",\"params\":{{\"_meta\":{meta}}}"));
        }
        match Message::parse(edits.apply(self.text.as_bytes())) {
            Ok(Message::Notification(notification)) => notification,
            _ => self.clone(),
        }
    }

    /// The same notification with another value of one parameter; `None` where it has none.
    pub(crate) fn with_param(&self, key: &str, value: &str) -> Option<Self> {
        let mut edits = Edits::new();
        edits.replace(self.params.span(&self.text, key)?, value);
        match Message::parse(edits.apply(self.text.as_bytes())) {
            Ok(Message::Notification(notification)) => Some(notification),
            _ => None,
        }
    }
}

impl Response {
    /// A response of the gateway itself.
    #[must_use]
    pub fn new(id: &Id, result: &str) -> Self {
        let head = format!("{{\"jsonrpc\":\"2.0\",\"id\":{}", id.to_token());
        let id_span = head.len() - id.to_token().len()..head.len();
        let head = format!("{head},\"result\":");
        let outcome = Outcome::Result(head.len()..head.len() + result.len());
        Self {
            text: ByteString::from(format!("{head}{result}}}")),
            id: Some(id.clone()),
            id_span: Some(id_span),
            outcome,
        }
    }

    /// An error of the gateway itself.
    #[must_use]
    pub fn from_error(id: &Id, error: &ErrorObject) -> Self {
        let text = ByteString::try_from(error.to_response(Some(id))).unwrap_or_default();
        let envelope = Fields::read(&text, 0..text.len()).unwrap_or_default();
        let span = |key| envelope.span(&text, key);
        Self {
            id_span: span("id"),
            outcome: Outcome::Error(span("error").unwrap_or_default()),
            id: Some(id.clone()),
            text,
        }
    }

    fn from_envelope(
        text: ByteString,
        envelope: &Fields,
        id: Option<Id>,
    ) -> Result<Self, MessageError> {
        let outcome = match (
            envelope.span(&text, "result"),
            envelope.span(&text, "error"),
        ) {
            (Some(result), None) => Outcome::Result(result),
            (None, Some(error)) => Outcome::Error(error),
            _ => {
                let detail = "it has neither a method nor one of result and error";
                return Err(invalid(id, detail));
            }
        };
        let id_span = envelope.span(&text, "id");
        Ok(Self {
            text,
            id,
            id_span,
            outcome,
        })
    }

    /// The text that arrived.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The text that arrived, as bytes; cheap.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.text.as_bytes().clone()
    }

    /// The identifier of the request that it answers; some errors have none.
    #[must_use]
    pub fn id(&self) -> Option<&Id> {
        self.id.as_ref()
    }

    /// The JSON text of the result, or else of the error.
    ///
    /// # Errors
    ///
    /// The JSON text of the error that the sender reports.
    pub fn result(&self) -> Result<&str, &str> {
        match &self.outcome {
            Outcome::Error(span) => Err(&self.text[span.clone()]),
            Outcome::Result(span) => Ok(&self.text[span.clone()]),
        }
    }

    /// The same response to the request that its caller knows as `id`.
    pub(crate) fn with_id(&self, id: &Id) -> Self {
        let token = id.to_token();
        let span = match &self.id_span {
            Some(span) if self.text[span.clone()] == token => return self.clone(),
            Some(span) => span.clone(),
            None => return self.with_added_id(id),
        };
        let mut edits = Edits::new();
        edits.replace(span.clone(), &*token);
        let text = ByteString::try_from(edits.apply(self.text.as_bytes())).unwrap_or_default();
        let shift = |part: &Range<usize>| match part.start > span.start {
            true => {
                let end = part.end + token.len() - span.len();
                end - part.len()..end
            }
            false => part.clone(),
        };
        Self {
            outcome: match &self.outcome {
                Outcome::Error(part) => Outcome::Error(shift(part)),
                Outcome::Result(part) => Outcome::Result(shift(part)),
            },
            id_span: Some(span.start..span.start + token.len()),
            id: Some(id.clone()),
            text,
        }
    }

    fn with_added_id(&self, id: &Id) -> Self {
        let token = id.to_token();
        let end = self.text.trim_ascii_end().len() - 1;
        let mut edits = Edits::new();
        edits.insert(end, format!(",\"id\":{token}"));
        let start = end + ",\"id\":".len();
        Self {
            text: ByteString::try_from(edits.apply(self.text.as_bytes())).unwrap_or_default(),
            id_span: Some(start..start + token.len()),
            id: Some(id.clone()),
            outcome: self.outcome.clone(),
        }
    }

    /// The same response after replacements in its text.
    pub(crate) fn edited(&self, edit: impl FnOnce(&mut Edits<'_>)) -> Self {
        let mut edits = Edits::new();
        edit(&mut edits);
        match Message::parse(edits.apply(self.text.as_bytes())) {
            Ok(Message::Response(response)) => response,
            _ => self.clone(),
        }
    }

    /// Where the error begins in the text.
    pub(crate) fn error_start(&self) -> Option<usize> {
        match &self.outcome {
            Outcome::Error(span) => Some(span.start),
            Outcome::Result(_) => None,
        }
    }

    pub(crate) fn result_span(&self) -> Option<Range<usize>> {
        match &self.outcome {
            Outcome::Error(_) => None,
            Outcome::Result(span) => Some(span.clone()),
        }
    }

    #[cfg(test)]
    pub(crate) fn id_span(&self) -> Option<Range<usize>> {
        self.id_span.clone()
    }
}

fn invalid(id: Option<Id>, detail: impl Into<Cow<'static, str>>) -> MessageError {
    MessageError::Invalid {
        id,
        detail: detail.into(),
    }
}

fn not_object(text: &str, error: &serde_json::Error) -> MessageError {
    match error.classify() {
        Category::Eof | Category::Io | Category::Syntax => MessageError::Syntax {
            detail: error.to_string(),
        },
        Category::Data if text.trim_ascii_start().starts_with('[') => MessageError::Batch,
        Category::Data => invalid(None, describe(error)),
    }
}

/// The text of `error` without the position, which for parameters counts from their start.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let end = text.rfind(" at line ").unwrap_or(text.len());
    text[..end].to_owned()
}

/// Whether brackets outside of strings are nested deeper than `limit`.
fn deeper_than(text: &str, limit: usize) -> bool {
    let mut depth = 0_usize;
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        match byte {
            b'"' => rest = after_string(rest),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > limit {
            return true;
        }
    }
    false
}

/// What follows the string whose opening quote has been read.
fn after_string(mut rest: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest) {
        if rest[at] == b'"' {
            return &rest[at + 1..];
        }
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    &[]
}

#[cfg(test)]
mod tests;
