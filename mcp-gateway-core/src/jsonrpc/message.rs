use std::borrow::Cow;

use bytes::Bytes;
use bytestring::ByteString;

use super::envelope::Envelope;
use super::{Id, Notification, Params, Request, Response};
use crate::json::{FieldsError, MAX_DEPTH, WalkErrorKind, Walker};
use crate::protocol::Method;

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
    pub const MAX_DEPTH: usize = MAX_DEPTH as usize + 1;

    /// Reads the text of one message.
    ///
    /// # Errors
    ///
    /// [`MessageError`] when it is not one.
    pub fn parse(body: Bytes) -> Result<Self, MessageError> {
        let text = ByteString::try_from(body).map_err(|error| MessageError::Syntax {
            detail: format!("{error}"),
        })?;
        let envelope = Envelope::read(&text).map_err(|error| unreadable(&text, error))?;
        let id = envelope
            .id
            .clone()
            .and_then(|span| Id::from_token(&text[span]));
        if envelope.id.is_some() && id.is_none() && envelope.method.is_some() {
            return Err(invalid(None, "the id must be a string or an integer"));
        }
        if envelope
            .jsonrpc
            .as_ref()
            .is_none_or(|span| text[span.clone()] != *"\"2.0\"")
        {
            return Err(invalid(id, "the member jsonrpc must be \"2.0\""));
        }
        let Some(method) = envelope.method.clone() else {
            return Response::read(text, envelope, id).map(Self::Response);
        };
        let Some(method) = crate::json::string(&text[method]).map(|name| Method::from(&*name))
        else {
            return Err(invalid(id, "the method must be a string"));
        };
        let params = match Params::read(&text, envelope.params) {
            Ok(params) => params,
            Err(error) => {
                let detail = error.to_string();
                return Err(MessageError::Params { id, detail });
            }
        };
        Ok(match id.zip(envelope.id) {
            Some(id) => Self::Request(Request::read(text, id, method, params)),
            None => Self::Notification(Notification::read(text, method, params)),
        })
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Notification(notification) => notification.text(),
            Self::Request(request) => request.text(),
            Self::Response(response) => response.text(),
        }
    }
}

pub(super) fn invalid(id: Option<Id>, detail: impl Into<Cow<'static, str>>) -> MessageError {
    MessageError::Invalid {
        id,
        detail: detail.into(),
    }
}

fn unreadable(text: &str, error: FieldsError) -> MessageError {
    let walk = match error {
        FieldsError::Walk(walk) => walk,
        other => return invalid(None, other.to_string()),
    };
    if walk.kind == WalkErrorKind::TooDeep {
        return MessageError::TooDeep;
    }
    let mut walker = Walker::new(text);
    let first = walker.peek();
    // What is JSON, but no object, is told from what is none.
    match walker.value().and_then(|_| walker.end()) {
        Ok(()) if first == Some(b'[') => MessageError::Batch,
        Ok(()) => invalid(None, "it is not an object"),
        Err(error) if error.kind == WalkErrorKind::TooDeep => MessageError::TooDeep,
        Err(error) => MessageError::Syntax {
            detail: error.to_string(),
        },
    }
}

#[cfg(test)]
mod tests;
