//! Index of the parameters of a request or notification.

use std::borrow::Cow;
use std::ops::Range;

use crate::json::{Fields, FieldsError, Member, Walker};
use crate::protocol::meta;

/// Spans of the members of `params` and of `params._meta` in the text of a message.
///
/// Only these two levels are indexed; arguments of tools are forwarded without being read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params {
    span: Option<Range<usize>>,
    fields: Fields,
    meta: Fields,
}

impl Params {
    /// Indexes the object at `span`; an empty index if there is none.
    pub(super) fn read(text: &str, span: Option<Range<usize>>) -> Result<Self, FieldsError> {
        let Some(span) = span else {
            return Ok(Self::default());
        };
        let mut walker = Walker::part(text, span);
        let params = Self::walk(text, &mut walker)?;
        walker.end()?;
        Ok(params)
    }

    /// Indexes the next value of `walker`, which walks over `text`.
    pub(super) fn walk(text: &str, walker: &mut Walker<'_>) -> Result<Self, FieldsError> {
        let mut fields = Fields::with_capacity();
        let mut meta = None;
        let span = walker.members(|walker, key| {
            let value = match &text[key.span.clone()] {
                "_meta" => {
                    let (read, value) = walker.nested(|walker| Fields::walk(text, walker))?;
                    meta = Some(read);
                    value
                }
                _ => walker.value()?,
            };
            fields.add(text, Member { key, value })
        })?;
        // A key with escapes is not recognized before.
        let meta = match (meta, fields.span(text, "_meta")) {
            (Some(meta), _) => meta,
            (None, Some(span)) => Fields::parse(text, span)?,
            (None, None) => Fields::default(),
        };
        Ok(Self {
            span: Some(span),
            fields,
            meta,
        })
    }

    /// Returns the span of the `params` object.
    pub(crate) fn object(&self) -> Option<Range<usize>> {
        self.span.clone()
    }

    /// Returns the span of the value of `key`.
    pub(crate) fn span(&self, text: &str, key: &str) -> Option<Range<usize>> {
        self.fields.span(text, key)
    }

    /// Returns the JSON text of the value of `key`.
    pub(crate) fn raw<'a>(&self, text: &'a str, key: &str) -> Option<&'a str> {
        self.fields.raw(text, key)
    }

    /// Returns the value of `key` if it is a string.
    pub(crate) fn string<'a>(&self, text: &'a str, key: &str) -> Option<Cow<'a, str>> {
        self.fields.string(text, key)
    }

    /// Returns the keys and the spans of their values, in the order of the text.
    pub(crate) fn iter<'a>(
        &'a self,
        text: &'a str,
    ) -> impl Iterator<Item = (&'a str, Range<usize>)> + 'a {
        self.fields.iter(text)
    }

    /// Returns the index of `_meta`; empty if there is none.
    pub(crate) fn meta(&self) -> &Fields {
        &self.meta
    }

    /// Returns the span of `_meta.progressToken`.
    pub(crate) fn progress_token(&self, text: &str) -> Option<Range<usize>> {
        self.meta.span(text, meta::PROGRESS_TOKEN)
    }
}
