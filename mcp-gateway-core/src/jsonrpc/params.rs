use std::borrow::Cow;
use std::ops::Range;

use crate::json::{Fields, FieldsError};
use crate::protocol::meta;

/// Where the parameters of a message are in its text, one level deep, and those of `_meta`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Params {
    span: Option<Range<usize>>,
    fields: Fields,
    meta: Fields,
}

impl Params {
    pub(super) fn read(text: &str, span: Option<Range<usize>>) -> Result<Self, FieldsError> {
        let Some(span) = span else {
            return Ok(Self::default());
        };
        let fields = Fields::read(text, span.clone())?;
        let meta = match fields.span(text, "_meta") {
            Some(meta) => Fields::read(text, meta)?,
            None => Fields::default(),
        };
        Ok(Self {
            span: Some(span),
            fields,
            meta,
        })
    }

    /// The span of the object itself.
    pub(crate) fn object(&self) -> Option<Range<usize>> {
        self.span.clone()
    }

    pub(crate) fn span(&self, text: &str, key: &str) -> Option<Range<usize>> {
        self.fields.span(text, key)
    }

    pub(crate) fn raw<'a>(&self, text: &'a str, key: &str) -> Option<&'a str> {
        self.fields.raw(text, key)
    }

    pub(crate) fn string<'a>(&self, text: &'a str, key: &str) -> Option<Cow<'a, str>> {
        self.fields.string(text, key)
    }

    pub(crate) fn iter<'a>(
        &'a self,
        text: &'a str,
    ) -> impl Iterator<Item = (&'a str, Range<usize>)> + 'a {
        self.fields.iter(text)
    }

    pub(crate) fn meta(&self) -> &Fields {
        &self.meta
    }

    pub(crate) fn progress_token(&self, text: &str) -> Option<Range<usize>> {
        self.meta.span(text, meta::PROGRESS_TOKEN)
    }
}
