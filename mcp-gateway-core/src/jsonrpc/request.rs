use std::borrow::Cow;
use std::ops::Range;

use bytes::Bytes;
use bytestring::ByteString;

use super::{Id, Params};
use crate::protocol::Method;

/// A call that wants an answer.
#[derive(Clone, Debug)]
pub struct Request {
    text: ByteString,
    id: Id,
    id_span: Range<usize>,
    method: Method,
    params: Params,
}

impl Request {
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

    /// The same request in memory of its own: the text that arrived is a part of what was read with
    /// it, all of which is held for as long as the part is.
    pub(crate) fn detached(&self) -> Self {
        Self {
            text: ByteString::from(self.text.to_string()),
            ..self.clone()
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

    /// The same request under another identifier, with `members` in its parameters; those that are
    /// `None` are left out.
    pub(crate) fn with_params(&self, id: &Id, members: &[(&str, Option<&str>)]) -> Self {
        let changed = |key: &str| members.iter().any(|(other, _)| *other == key);
        let kept = self.params.iter(&self.text);
        let kept = kept.filter(|(key, _)| !changed(key));
        let mut params: Vec<_> = kept
            .map(|(key, span)| (key, Cow::Borrowed(&self.text[span])))
            .collect();
        let set = members.iter();
        params.extend(set.filter_map(|(key, value)| Some((*key, Cow::Borrowed((*value)?)))));
        Self::new(id, &self.method, &crate::json::object(&params))
    }

    pub(crate) fn id_span(&self) -> Range<usize> {
        self.id_span.clone()
    }

    pub(crate) fn params(&self) -> &Params {
        &self.params
    }
}
