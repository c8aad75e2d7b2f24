//! Keys of counts in the store.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

use crate::key::Key;
use crate::limit::Limit;

/// The count of one key of a quota, in any window.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Account {
    /// Name of the limit, for the store.
    limit: String,
    /// Digest of the values, which may be of any length and from anybody.
    digest: String,
    /// Values, for administrators.
    values: Vec<String>,
}

impl Account {
    /// Returns the count of `key` of `limit`.
    pub(crate) fn new(limit: &Limit, key: &Key) -> Self {
        let names = limit
            .dimensions()
            .iter()
            .map(|dimension| dimension.as_str());
        let parts: Vec<&str> = names.chain(key.parts()).collect();
        // JSON keeps the parts apart.
        let text = serde_json::to_vec(&parts).unwrap_or_default();
        Self {
            limit: hex(limit.name().as_bytes()),
            digest: hex(digest(&SHA256, &text).as_ref()),
            values: key.parts().map(str::to_owned).collect(),
        }
    }

    /// Returns the key of the count in the window `index` of the kind `window`.
    pub(crate) fn document(&self, window: &str, index: u32) -> String {
        format!("{}{}", prefix_of(&self.limit, window, index), self.digest)
    }

    /// Returns the values of the key.
    pub(crate) fn values(&self) -> &[String] {
        &self.values
    }
}

/// Returns the prefix of the counts of the limit `name` in the window `index` of the kind `window`.
pub(super) fn prefix(name: &str, window: &str, index: u32) -> String {
    prefix_of(&hex(name.as_bytes()), window, index)
}

fn prefix_of(limit: &str, window: &str, index: u32) -> String {
    let window = window.replace(' ', "-");
    format!("limits/quota/{limit}/{window}/{index}/")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string is infallible.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
