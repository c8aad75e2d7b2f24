//! Object as a text.

use serde_json::Value;

/// Object of the cluster as a text, which takes a small part of the memory of its values. A gateway
/// keeps some of each server, and needs them rarely.
#[derive(Eq, PartialEq)]
pub(super) struct Compact(Box<str>);

impl Compact {
    pub(super) fn new(object: &Value) -> Self {
        Self(object.to_string().into())
    }

    /// Returns the object. The text of a value is valid.
    pub(super) fn value(&self) -> Value {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}
