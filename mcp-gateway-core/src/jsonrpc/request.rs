//! JSON-RPC requests.
//!
//! See [MCP 2026-07-28,
//! requests](https://modelcontextprotocol.io/specification/2026-07-28/basic#requests).

use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;

use super::{Id, Params};
use crate::protocol::Method;

/// A JSON-RPC request: a call that requires a response.
///
/// Holds the text that arrived and the spans of its parts. Cloning is cheap: the text is shared.
///
/// # Example
///
/// ```
/// use mcp_gateway_core::jsonrpc::{Id, Request};
/// use mcp_gateway_core::protocol::Method;
///
/// let params = r#"{"name":"echo","arguments":{"text":"hi"},"_meta":{"progressToken":4}}"#;
/// let request = Request::new(&Id::from(1), &Method::from("tools/call"), params);
/// assert_eq!(request.name().as_deref(), Some("echo"));
/// assert_eq!(request.param("arguments"), Some(r#"{"text":"hi"}"#));
/// assert_eq!(request.meta("progressToken"), Some("4"));
/// ```
#[derive(Clone, Debug)]
pub struct Request {
    text: ByteString,
    id: Id,
    id_span: Range<usize>,
    method: Method,
    params: Params,
}

impl Request {
    /// Builds a request from a validated text and the index of its parameters.
    pub(super) fn read(
        text: ByteString,
        (id, id_span): (Id, Range<usize>),
        method: Method,
        params: Params,
    ) -> Self {
        Self {
            text,
            id,
            id_span,
            method,
            params,
        }
    }

    /// Creates a request of the gateway itself.
    ///
    /// `params` is the JSON text of an object and is embedded as it is. A text that is not a JSON
    /// object yields a request without readable parameters.
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

    /// Returns a copy with a buffer of its own.
    ///
    /// The text of a parsed request is a slice of a larger read buffer, which stays allocated as
    /// long as the slice. A request that is stored must not pin it.
    pub(crate) fn to_owned_buffer(&self) -> Self {
        Self {
            text: ByteString::from(self.text.to_string()),
            ..self.clone()
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

    /// Returns the identifier, which the response repeats.
    #[must_use]
    pub fn id(&self) -> &Id {
        &self.id
    }

    /// Returns the method.
    #[must_use]
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// Returns the tool, prompt, resource or task that the request names.
    ///
    /// `None` if its method has no such target, or the parameter is absent or not a string. The
    /// parameter is the one that [`Method::name_param`] returns.
    #[must_use]
    pub fn name(&self) -> Option<Cow<'_, str>> {
        self.params.string(&self.text, self.method.name_param()?)
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

    /// Returns the JSON text of parameters that consist of the `_meta` of this request, if it has
    /// one.
    pub(crate) fn meta_params(&self) -> String {
        match self.param("_meta") {
            Some(meta) => format!("{{\"_meta\":{meta}}}"),
            None => "{}".to_owned(),
        }
    }

    /// Returns the request under the identifier `id` with `members` set in its parameters.
    ///
    /// Values are JSON text; a member whose value is `None` is removed.
    pub(crate) fn with_params(&self, id: &Id, members: &[(&str, Option<&str>)]) -> Self {
        let changed = |key: &str| members.iter().any(|(other, _)| *other == key);
        let kept = self.params.iter(&self.text);
        let kept = kept.filter(|(key, _)| !changed(key));
        let mut params: Vec<_> = kept
            .map(|(key, span)| (key, Cow::Borrowed(&self.text[span])))
            .collect();
        let set = members.iter();
        params.extend(set.filter_map(|(key, value)| Some((*key, Cow::Borrowed((*value)?)))));
        Self::new(id, &self.method, &crate::json::object_json(&params))
    }

    /// Returns the span of the identifier in the text.
    pub(crate) fn id_span(&self) -> Range<usize> {
        self.id_span.clone()
    }

    /// Returns the index of the parameters.
    pub(crate) fn params(&self) -> &Params {
        &self.params
    }
}
