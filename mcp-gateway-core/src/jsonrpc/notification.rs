//! JSON-RPC notifications: messages without an `id`, which must not be answered.
//!
//! See [MCP 2026-07-28,
//! notifications](https://modelcontextprotocol.io/specification/2026-07-28/basic#notifications).

use bytes::Bytes;
use bytestring::ByteString;

use super::{Message, Params};
use crate::json::{Edits, object_json};
use crate::protocol::Method;

/// A JSON-RPC notification: a one-way message that has no response.
///
/// Holds the text that arrived and the spans of its parameters. Cloning is cheap: the text is
/// shared.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::jsonrpc::Notification;
/// use mcp_gateway_core::protocol::Method;
///
/// let cancelled = Method::from("notifications/cancelled");
/// let notification = Notification::new(&cancelled, Some(r#"{"requestId":7}"#));
/// assert_eq!(notification.param("requestId"), Some("7"));
/// assert_eq!(
///     notification.text(),
///     r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":7}}"#
/// );
/// ```
#[derive(Clone, Debug)]
pub struct Notification {
    text: ByteString,
    method: Method,
    params: Params,
}

impl Notification {
    /// Builds a notification from a validated text and the index of its parameters.
    pub(super) fn read(text: ByteString, method: Method, params: Params) -> Self {
        Self {
            text,
            method,
            params,
        }
    }

    /// Creates a notification that the gateway itself sends.
    ///
    /// `params` is the JSON text of an object and is embedded as it is. A text that is not a JSON
    /// object yields a notification without readable parameters.
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

    /// Returns the method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Returns the index of the parameters.
    pub(crate) fn params(&self) -> &Params {
        &self.params
    }

    /// Returns the JSON text of the parameters, or `None` if there are none.
    pub(crate) fn param_text(&self) -> Option<&str> {
        Some(&self.text[self.params.object()?])
    }

    /// Returns the JSON text of the parameter `key`, or `None` if it is absent.
    #[must_use]
    pub fn param(&self, key: &str) -> Option<&str> {
        self.params.raw(&self.text, key)
    }

    /// Returns the JSON text of the member `key` of `_meta`, or `None` if it is absent.
    #[must_use]
    pub fn meta(&self, key: &str) -> Option<&str> {
        self.params.meta().raw(&self.text, key)
    }

    /// Returns a copy with the member `key` of `_meta` set to `value`, or removed if `value` is
    /// `None`.
    ///
    /// `value` is JSON text. All other members stay byte for byte as they were.
    pub(crate) fn with_meta(&self, key: &str, value: Option<&str>) -> Self {
        let text: &str = &self.text;
        let kept = self
            .params
            .meta()
            .iter(text)
            .filter(|(other, _)| *other != key);
        let mut members: Vec<_> = kept.map(|(key, span)| (key, text[span].into())).collect();
        members.extend(value.map(|value| (key, value.into())));
        let meta = object_json(&members);
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

    /// Returns a copy with the parameter `key` set to the JSON text `value`.
    ///
    /// Returns `None` if the notification has no such parameter or `value` is not valid JSON.
    pub(crate) fn with_param(&self, key: &str, value: &str) -> Option<Self> {
        let mut edits = Edits::new();
        edits.replace(self.params.span(&self.text, key)?, value);
        match Message::parse(edits.apply(self.text.as_bytes())) {
            Ok(Message::Notification(notification)) => Some(notification),
            _ => None,
        }
    }
}
