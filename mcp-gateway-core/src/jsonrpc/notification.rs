use bytes::Bytes;
use bytestring::ByteString;

use super::{Message, Params};
use crate::json::{Edits, object};
use crate::protocol::Method;

/// A message that wants no answer.
#[derive(Clone, Debug)]
pub struct Notification {
    text: ByteString,
    method: Method,
    params: Params,
}

impl Notification {
    pub(super) fn read(text: ByteString, method: Method, params: Params) -> Self {
        Self {
            text,
            method,
            params,
        }
    }

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
