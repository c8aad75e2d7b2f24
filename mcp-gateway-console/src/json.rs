//! Members of the documents of the API.

use serde_json::Value;

use crate::names;

/// Members of a document, in the forms that pages need.
pub(crate) trait Members {
    /// Returns the text at `pointer`; empty without one.
    fn text(&self, pointer: &str) -> &str;

    /// Returns the text at `pointer`, unless it is absent or empty.
    fn some_text(&self, pointer: &str) -> Option<&str>;

    /// Returns the number at `pointer`; 0 without one.
    fn number(&self, pointer: &str) -> u64;

    /// Returns `true` if `pointer` leads to `true`.
    fn is(&self, pointer: &str) -> bool;

    /// Returns the elements of the array at `pointer`.
    fn list(&self, pointer: &str) -> &[Value];

    /// Returns the texts in the array at `pointer`.
    fn texts(&self, pointer: &str) -> Vec<String>;

    /// Returns the [names] in the array at `pointer`, with commas.
    fn joined(&self, pointer: &str) -> String;
}

impl Members for Value {
    fn text(&self, pointer: &str) -> &str {
        self.some_text(pointer).unwrap_or_default()
    }

    fn some_text(&self, pointer: &str) -> Option<&str> {
        let found = self.pointer(pointer).and_then(Self::as_str);
        found.filter(|text| !text.is_empty())
    }

    fn number(&self, pointer: &str) -> u64 {
        let found = self.pointer(pointer).and_then(Self::as_u64);
        found.unwrap_or_default()
    }

    fn is(&self, pointer: &str) -> bool {
        self.pointer(pointer).and_then(Self::as_bool) == Some(true)
    }

    fn list(&self, pointer: &str) -> &[Value] {
        let found = self.pointer(pointer).and_then(Self::as_array);
        found.map_or(&[], Vec::as_slice)
    }

    fn texts(&self, pointer: &str) -> Vec<String> {
        let texts = self.list(pointer).iter().filter_map(Self::as_str);
        texts.map(str::to_owned).collect()
    }

    fn joined(&self, pointer: &str) -> String {
        names::join(&self.texts(pointer))
    }
}

/// Formats `value` for people who edit it.
pub(crate) fn pretty(value: &Value) -> String {
    format!("{value:#}")
}
