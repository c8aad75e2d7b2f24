//! Index of the members of a JSON-RPC message.

use std::borrow::Cow;
use std::ops::Range;

use super::Params;
use crate::json::{FieldsError, MemberKey, Walker, unescape};

/// Spans of the members of a JSON-RPC message.
///
/// Members that JSON-RPC does not define have no meaning and are ignored.
#[derive(Clone, Debug, Default)]
pub(super) struct Envelope {
    pub(super) jsonrpc: Option<Range<usize>>,
    pub(super) id: Option<Range<usize>>,
    pub(super) method: Option<Range<usize>>,
    pub(super) params: Option<Range<usize>>,
    /// Index of `params`, unless they are invalid.
    pub(super) index: Option<Params>,
    pub(super) result: Option<Range<usize>>,
    pub(super) error: Option<Range<usize>>,
}

impl Envelope {
    /// Reads `text`, which must be one object without duplicate JSON-RPC members.
    pub(super) fn read(text: &str) -> Result<Self, FieldsError> {
        let mut envelope = Self::default();
        let mut walker = Walker::new(text);
        walker.members(|walker, key| envelope.member(text, walker, key))?;
        walker.end()?;
        Ok(envelope)
    }

    /// Reads and records one member.
    fn member(
        &mut self,
        text: &str,
        walker: &mut Walker<'_>,
        key: MemberKey,
    ) -> Result<(), FieldsError> {
        let key = match key.escaped {
            false => Cow::Borrowed(&text[key.span]),
            true => Cow::Owned(unescape(text, key.span).into()),
        };
        let value = match &*key {
            "params" => self.params(text, walker)?,
            _ => walker.value()?,
        };
        let place = match &*key {
            "jsonrpc" => &mut self.jsonrpc,
            "id" => &mut self.id,
            "method" => &mut self.method,
            "params" => &mut self.params,
            "result" => &mut self.result,
            "error" => &mut self.error,
            _ => return Ok(()),
        };
        match place.replace(value) {
            None => Ok(()),
            Some(_) => Err(FieldsError::Duplicate(key.into_owned())),
        }
    }

    /// Reads and indexes `params` in one pass; returns their span.
    fn params(&mut self, text: &str, walker: &mut Walker<'_>) -> Result<Range<usize>, FieldsError> {
        let start = walker.clone();
        let indexed = walker.nested(|walker| Params::walk(text, walker));
        if let Ok(params) = indexed
            && let Some(span) = params.object()
        {
            self.index = Some(params);
            return Ok(span);
        }
        // The rest of the envelope has to be read first, because the error names the identifier.
        *walker = start;
        Ok(walker.value()?)
    }
}
