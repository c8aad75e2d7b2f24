//! JSON-RPC responses.
//!
//! See [MCP 2026-07-28,
//! responses](https://modelcontextprotocol.io/specification/2026-07-28/basic#responses).

use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;

use super::envelope::Envelope;
use super::message::invalid;
use super::{ErrorObject, Id, Message, MessageError};
use crate::json::Edits;

/// A JSON-RPC response: the result or the error of a request.
///
/// Holds the text that arrived and the spans of its parts. Cloning is cheap: the text is shared.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::jsonrpc::{ErrorObject, Id, Response, code};
///
/// let response = Response::new(&Id::from(1), r#"{"content":[]}"#);
/// assert_eq!(response.result(), Ok(r#"{"content":[]}"#));
///
/// let error = ErrorObject::new(code::INTERNAL_ERROR, "internal error");
/// let response = Response::from_error(&Id::from(1), &error);
/// let error = response.result().unwrap_err();
/// assert_eq!(ErrorObject::code_of(error), code::INTERNAL_ERROR);
/// ```
#[derive(Clone, Debug)]
pub struct Response {
    text: ByteString,
    id: Option<Id>,
    id_span: Option<Range<usize>>,
    outcome: Payload,
}

/// Span of the `error` or of the `result` member.
#[derive(Clone, Debug)]
enum Payload {
    Error(Range<usize>),
    Result(Range<usize>),
}

impl Response {
    /// Creates a successful response of the gateway itself.
    ///
    /// `result` is JSON text and is embedded as it is; it must be valid.
    #[must_use]
    pub fn new(id: &Id, result: &str) -> Self {
        Self::written(id, "result", result, Payload::Result)
    }

    /// Creates an error response of the gateway itself.
    #[must_use]
    pub fn from_error(id: &Id, error: &ErrorObject) -> Self {
        Self::written(id, "error", &error.to_json(), Payload::Error)
    }

    fn written(id: &Id, key: &str, value: &str, outcome: fn(Range<usize>) -> Payload) -> Self {
        let token = id.to_token();
        let head = format!("{{\"jsonrpc\":\"2.0\",\"id\":{token}");
        let id_span = head.len() - token.len()..head.len();
        let head = format!("{head},\"{key}\":");
        let value_span = head.len()..head.len() + value.len();
        Self {
            text: ByteString::from(format!("{head}{value}}}")),
            id: Some(id.clone()),
            id_span: Some(id_span),
            outcome: outcome(value_span),
        }
    }

    /// Builds a response from a text whose envelope has no method.
    ///
    /// Fails unless it has exactly one of `result` and `error`.
    pub(super) fn read(
        text: ByteString,
        envelope: Envelope,
        id: Option<Id>,
    ) -> Result<Self, (MessageError, ByteString)> {
        let outcome = match (envelope.result, envelope.error) {
            (Some(result), None) => Payload::Result(result),
            (None, Some(error)) => Payload::Error(error),
            _ => {
                let detail = "it has neither a method nor one of result and error";
                return Err((invalid(id, detail), text));
            }
        };
        Ok(Self {
            text,
            id,
            id_span: envelope.id,
            outcome,
        })
    }

    /// Returns the JSON text of the message.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the JSON text as shared bytes, without copying it.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        self.text.as_bytes().clone()
    }

    /// Returns the identifier of the request that the response belongs to.
    ///
    /// `None` for an error response to a request whose identifier could not be read.
    #[must_use]
    pub fn id(&self) -> Option<&Id> {
        self.id.as_ref()
    }

    /// Returns the JSON text of the result.
    ///
    /// # Errors
    ///
    /// The JSON text of the error object if the response is an error.
    pub fn result(&self) -> Result<&str, &str> {
        match &self.outcome {
            Payload::Error(span) => Err(&self.text[span.clone()]),
            Payload::Result(span) => Ok(&self.text[span.clone()]),
        }
    }

    /// Returns the response under the identifier `id`, which its caller uses for the request.
    ///
    /// Costs nothing if the response has that identifier already.
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
                Payload::Error(part) => Payload::Error(shift(part)),
                Payload::Result(part) => Payload::Result(shift(part)),
            },
            id_span: Some(span.start..span.start + token.len()),
            id: Some(id.clone()),
            text,
        }
    }

    /// Returns the response with an `id` member appended.
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

    /// Returns a copy with the replacements that `edit` records, or an unchanged clone if the
    /// edited text is not a valid response.
    pub(crate) fn with_edits(&self, edit: impl FnOnce(&mut Edits<'_>)) -> Self {
        let mut edits = Edits::new();
        edit(&mut edits);
        match Message::parse(edits.apply(self.text.as_bytes())) {
            Ok(Message::Response(response)) => response,
            _ => self.clone(),
        }
    }

    /// Returns the response with `text`, a JSON text, in the place of its result or error; `None` if
    /// that is no valid response.
    ///
    /// Everything else stays byte for byte as it was.
    #[must_use]
    pub fn with_outcome(&self, text: &str) -> Option<Self> {
        let (Payload::Error(span) | Payload::Result(span)) = &self.outcome;
        let mut edits = Edits::new();
        edits.replace(span.clone(), text);
        match Message::parse(edits.apply(self.text.as_bytes())) {
            Ok(Message::Response(response)) => Some(response),
            _ => None,
        }
    }

    /// Returns the offset of the error object in the text.
    pub(crate) fn error_start(&self) -> Option<usize> {
        match &self.outcome {
            Payload::Error(span) => Some(span.start),
            Payload::Result(_) => None,
        }
    }

    /// Returns the span of the result in the text.
    pub(crate) fn result_span(&self) -> Option<Range<usize>> {
        match &self.outcome {
            Payload::Error(_) => None,
            Payload::Result(span) => Some(span.clone()),
        }
    }

    #[cfg(test)]
    pub(crate) fn id_span(&self) -> Option<Range<usize>> {
        self.id_span.clone()
    }
}
