//! Index of the members of a JSON-RPC message.

use std::borrow::Cow;
use std::ops::Range;

use crate::json::{FieldsError, Member, Walker, unescape};

/// Spans of the members of a JSON-RPC message.
///
/// Members that JSON-RPC does not define have no meaning and are ignored.
#[derive(Clone, Debug, Default)]
pub(super) struct Envelope {
    pub(super) jsonrpc: Option<Range<usize>>,
    pub(super) id: Option<Range<usize>>,
    pub(super) method: Option<Range<usize>>,
    pub(super) params: Option<Range<usize>>,
    pub(super) result: Option<Range<usize>>,
    pub(super) error: Option<Range<usize>>,
}

impl Envelope {
    /// Reads `text`, which must be one object without duplicate JSON-RPC members.
    pub(super) fn read(text: &str) -> Result<Self, FieldsError> {
        let mut envelope = Self::default();
        let mut walker = Walker::new(text);
        walker.object(|member| envelope.set(text, member))?;
        walker.end()?;
        Ok(envelope)
    }

    /// Records one member.
    fn set(&mut self, text: &str, member: Member) -> Result<(), FieldsError> {
        let Member {
            key,
            escaped,
            value,
        } = member;
        let key = match escaped {
            false => Cow::Borrowed(&text[key]),
            true => Cow::Owned(unescape(text, key).into()),
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
}
