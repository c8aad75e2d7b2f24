//! Positions in lists.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::catalog::CatalogEntry;
use crate::error::RequestError;

/// A position in a list: after an entry of a server.
///
/// It names the entry instead of counting, so that entries that are added or removed elsewhere
/// neither hide nor repeat any.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Cursor {
    server: String,
    name: String,
}

impl Cursor {
    /// Creates the cursor after the entry `name` of `server`.
    pub(super) fn new(server: &str, name: &str) -> Self {
        Self {
            server: server.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Creates the cursor after `entry`.
    pub(super) fn after(server: &Arc<str>, entry: &CatalogEntry) -> Self {
        Self::new(server, entry.name())
    }

    /// Returns `true` if the cursor is after the entry `name` of `server`.
    pub(super) fn names(&self, server: &str, name: &str) -> bool {
        self.server == server && self.name == name
    }

    /// Returns `true` if the cursor is after `entry`.
    pub(super) fn is_at(&self, server: &Arc<str>, entry: &CatalogEntry) -> bool {
        self.names(server, entry.name())
    }

    /// Returns the text of the cursor.
    pub(super) fn encode(&self) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}\n{}", self.server, self.name))
    }

    /// Reads the JSON text of the cursor of a request, if there is one.
    pub(super) fn read(json: Option<&str>) -> Result<Option<Self>, RequestError> {
        let invalid = || RequestError::InvalidParams {
            detail: "invalid cursor; start again without one".into(),
        };
        json.map(|json| Self::parse(json).ok_or_else(invalid))
            .transpose()
    }

    /// Returns the error for a cursor after an entry that is no longer in the list.
    pub(super) fn expired() -> RequestError {
        RequestError::InvalidParams {
            detail: "expired cursor: the list has changed; start again without one".into(),
        }
    }

    /// Parses the JSON text of a cursor.
    fn parse(json: &str) -> Option<Self> {
        let text: String = serde_json::from_str(json).ok()?;
        let text = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (server, name) = text.split_once('\n')?;
        Some(Self {
            server: server.to_owned(),
            name: name.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::json::string_json;

    proptest! {
        #[test]
        fn cursors_read_back(server in "[a-z]{1,8}", name in "[^\n]{0,16}") {
            let cursor = Cursor { server, name };
            prop_assert_eq!(Cursor::parse(&string_json(&cursor.encode())), Some(cursor));
        }

        #[test]
        fn any_cursor_is_answered(text: String) {
            let _ = Cursor::parse(&text);
            let _ = Cursor::parse(&string_json(&text));
        }
    }
}
