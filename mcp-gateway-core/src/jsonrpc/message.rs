//! Parser of JSON-RPC messages.
//!
//! One pass over the text validates its syntax and records the spans of the members of the
//! envelope, of `params` and of `_meta`. Nothing is decoded but the identifier and the method.
//!
//! See [JSON-RPC 2.0](https://www.jsonrpc.org/specification) and [MCP 2026-07-28,
//! messages](https://modelcontextprotocol.io/specification/2026-07-28/basic#messages).

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;

use super::envelope::Envelope;
use super::{Id, Notification, Params, Request, Response, response_id};
use crate::json::{Fields, FieldsError, MAX_DEPTH, WalkErrorKind, Walker, object_json};
use crate::protocol::Method;

/// A JSON-RPC message: the text that arrived and the spans of its significant parts.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::jsonrpc::{Message, MessageError};
///
/// let body = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"echo"}}"#;
/// let Ok(Message::Request(request)) = Message::parse(body.into()) else {
///     panic!("not a request");
/// };
/// assert_eq!(request.name().as_deref(), Some("echo"));
///
/// let batch = Message::parse("[]".into());
/// assert_eq!(batch.unwrap_err(), MessageError::Batch);
/// ```
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "JSON-RPC 2.0 defines exactly these three kinds"
)]
pub enum Message {
    /// A one-way message; it has a `method` and no `id`.
    Notification(Notification),
    /// A call that requires a response; it has a `method` and an `id`.
    Request(Request),
    /// The response to a request; it has either a `result` or an `error`.
    Response(Response),
}

/// Rejection of a text that is not a valid JSON-RPC message.
///
/// Always the fault of the sender. A client receives HTTP 400 with the JSON-RPC code that fits the
/// variant.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum MessageError {
    /// Several messages in an array. Only revision 2025-03-26 of MCP has batches.
    #[error("batches of messages are not supported: send one message per request")]
    Batch,
    /// A member of the envelope has the wrong type, is missing or is duplicated.
    #[error("not a JSON-RPC message: {detail}")]
    Invalid {
        /// Identifier of the request, if it could be parsed.
        id: Option<Id>,
        /// Description of the defect.
        detail: Cow<'static, str>,
    },
    /// `params` or `_meta` is not an object, has a duplicate key, or has too many members.
    #[error("invalid params: {detail}")]
    Params {
        /// Identifier of the request, `None` for a notification.
        id: Option<Id>,
        /// Description of the defect.
        detail: String,
    },
    /// The text is not valid JSON or not valid UTF-8.
    #[error("the body is not valid JSON: {detail}")]
    Syntax {
        /// Description of the defect, with its offset in bytes.
        detail: String,
    },
    /// Arrays and objects are nested deeper than [`Message::MAX_DEPTH`].
    #[error("the body is nested deeper than {} levels", Message::MAX_DEPTH)]
    TooDeep,
}

impl Message {
    /// Maximum nesting depth of arrays and objects, the envelope included.
    ///
    /// The limit of common JSON parsers. An upstream must not receive a message that its parser may
    /// fail on in an unspecified way.
    pub const MAX_DEPTH: usize = MAX_DEPTH as usize + 1;

    /// Parses the text of one message.
    ///
    /// The text is validated as a whole. Members of the envelope that JSON-RPC does not define are
    /// ignored and kept. The bytes are shared, not copied.
    ///
    /// # Errors
    ///
    /// [`MessageError`] if the text is not a valid message. The variants carry the identifier of
    /// the request where it could be parsed, so that the error response can name it.
    pub fn parse(body: Bytes) -> Result<Self, MessageError> {
        Self::read(decoded(body)?).map_err(|(error, _)| error)
    }

    /// Parses the text of one message of a server.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse), and the identifier of the request to which the text responds.
    pub(crate) fn parse_answer(body: Bytes) -> Result<Self, (MessageError, Option<Id>)> {
        let text = decoded(body).map_err(|error| (error, None))?;
        Self::read(text).map_err(|(error, text)| (error, response_id(text.as_bytes())))
    }

    /// Reads the text of one message; returns it with the error if it is not valid.
    fn read(text: ByteString) -> Result<Self, (MessageError, ByteString)> {
        let mut envelope = match Envelope::read(&text) {
            Ok(envelope) => envelope,
            Err(error) => return Err((parse_error(&text, error), text)),
        };
        let id = envelope
            .id
            .clone()
            .and_then(|span| Id::from_token(&text[span]));
        if envelope.id.is_some() && id.is_none() && envelope.method.is_some() {
            let error = invalid(None, "the id must be a string or an integer");
            return Err((error, text));
        }
        if envelope
            .jsonrpc
            .as_ref()
            .is_none_or(|span| text[span.clone()] != *"\"2.0\"")
        {
            let error = invalid(id, "the member jsonrpc must be \"2.0\"");
            return Err((error, text));
        }
        let Some(method) = envelope.method.clone() else {
            return Response::read(text, envelope, id).map(Self::Response);
        };
        let Some(method) = crate::json::string(&text[method]).map(|name| Method::from(&*name))
        else {
            return Err((invalid(id, "the method must be a string"), text));
        };
        let indexed = envelope.index.take().map(Ok);
        let read = || Params::read(&text, envelope.params.clone());
        let params = match indexed.unwrap_or_else(read) {
            Ok(params) => params,
            Err(error) => {
                return match envelope.params.and_then(|span| without_null(&text, span)) {
                    Some(params) => Ok(Self::new(id.as_ref(), &method, params.as_deref())),
                    None => {
                        let detail = error.to_string();
                        Err((MessageError::Params { id, detail }, text))
                    }
                };
            }
        };
        Ok(match id.zip(envelope.id) {
            Some(id) => Self::Request(Request::read(text, id, method, params)),
            None => Self::Notification(Notification::read(text, method, params)),
        })
    }

    /// Creates a request, or a notification without an identifier.
    fn new(id: Option<&Id>, method: &Method, params: Option<&str>) -> Self {
        match id {
            Some(id) => Self::Request(Request::new(id, method, params.unwrap_or("{}"))),
            None => Self::Notification(Notification::new(method, params)),
        }
    }

    /// Returns the JSON text of the message.
    #[must_use]
    pub fn text(&self) -> &str {
        match self {
            Self::Notification(notification) => notification.text(),
            Self::Request(request) => request.text(),
            Self::Response(response) => response.text(),
        }
    }
}

/// Decodes the text of a message, without a byte order mark.
fn decoded(body: Bytes) -> Result<ByteString, MessageError> {
    let body = match body.strip_prefix(BYTE_ORDER_MARK) {
        Some(text) => body.slice_ref(text),
        None => body,
    };
    ByteString::try_from(body).map_err(|error| MessageError::Syntax {
        detail: format!("{error}"),
    })
}

/// Creates a [`MessageError::Invalid`].
pub(super) fn invalid(id: Option<Id>, detail: impl Into<Cow<'static, str>>) -> MessageError {
    MessageError::Invalid {
        id,
        detail: detail.into(),
    }
}

/// Classifies a text whose envelope could not be read.
///
/// The error path may parse the text again: it tells valid JSON that is no object (`Invalid` or
/// `Batch`) from text that is no JSON at all (`Syntax`), which have different codes.
fn parse_error(text: &str, error: FieldsError) -> MessageError {
    let walk = match error {
        FieldsError::Walk(walk) => walk,
        other => return invalid(None, other.to_string()),
    };
    if walk.kind == WalkErrorKind::TooDeep {
        return MessageError::TooDeep;
    }
    let mut walker = Walker::new(text);
    let first = walker.peek();
    // Valid JSON that is not an object has another error code than invalid JSON.
    match walker.value().and_then(|_| walker.end()) {
        Ok(()) if first == Some(b'[') => MessageError::Batch,
        Ok(()) => invalid(None, "the message must be an object"),
        Err(error) if error.kind == WalkErrorKind::TooDeep => MessageError::TooDeep,
        Err(error) => MessageError::Syntax {
            detail: error.to_string(),
        },
    }
}

/// Returns `params` without what serializers write for an absent value: `null` itself, or a member
/// `_meta` that is `null`. Returns `None` if there is nothing to leave out.
///
/// Such parameters are common, and invalid: [`Params::read`] fails for them. Their recipient may
/// reject them, so they are not forwarded as they are.
fn without_null(text: &str, params: Range<usize>) -> Option<Option<String>> {
    if text[params.clone()] == *"null" {
        return Some(None);
    }
    let fields = Fields::parse(text, params).ok()?;
    if fields.raw(text, "_meta") != Some("null") {
        return None;
    }
    let members = fields.iter(text).filter(|(key, _)| *key != "_meta");
    let members: Vec<_> = members
        .map(|(key, value)| (key, text[value].into()))
        .collect();
    Some(Some(object_json(&members)))
}

/// Mark that some servers begin a document with. JSON does not allow it, and parsers may ignore it
/// (RFC 8259, section 8.1).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

#[cfg(test)]
mod tests;
