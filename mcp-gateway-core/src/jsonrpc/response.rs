use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;

use super::envelope::Envelope;
use super::message::invalid;
use super::{ErrorObject, Id, Message, MessageError};
use crate::json::Edits;

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

impl Response {
    /// A response of the gateway itself.
    #[must_use]
    pub fn new(id: &Id, result: &str) -> Self {
        Self::written(id, "result", result, Outcome::Result)
    }

    /// An error of the gateway itself.
    #[must_use]
    pub fn from_error(id: &Id, error: &ErrorObject) -> Self {
        Self::written(id, "error", &error.to_json(), Outcome::Error)
    }

    fn written(id: &Id, key: &str, value: &str, outcome: fn(Range<usize>) -> Outcome) -> Self {
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

    pub(super) fn read(
        text: ByteString,
        envelope: Envelope,
        id: Option<Id>,
    ) -> Result<Self, MessageError> {
        let outcome = match (envelope.result, envelope.error) {
            (Some(result), None) => Outcome::Result(result),
            (None, Some(error)) => Outcome::Error(error),
            _ => {
                let detail = "it has neither a method nor one of result and error";
                return Err(invalid(id, detail));
            }
        };
        Ok(Self {
            text,
            id,
            id_span: envelope.id,
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
