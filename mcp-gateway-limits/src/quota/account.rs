//! Keys of counts in the store.

use std::fmt::Write as _;

use aws_lc_rs::digest::{SHA256, digest};

use crate::key::{Key, KeyRef};
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
        Self {
            limit: Self::name(limit),
            digest: Self::digest(limit, &key.borrowed()),
            values: key.parts().map(str::to_owned).collect(),
        }
    }

    /// Returns the name of `limit` in keys of the store.
    pub(crate) fn name(limit: &Limit) -> String {
        hex(limit.name().as_bytes())
    }

    /// Returns the digest of `key` of `limit`: of the attributes and their values.
    pub(crate) fn digest(limit: &Limit, key: &KeyRef<'_>) -> String {
        let names = limit
            .dimensions()
            .iter()
            .map(|dimension| dimension.as_str());
        let parts: Vec<&str> = names.chain(key.parts()).collect();
        // JSON keeps the parts apart.
        let text = serde_json::to_vec(&parts).unwrap_or_default();
        hex(digest(&SHA256, &text).as_ref())
    }

    /// Returns the prefix of the counts of `limit` in the window `index` of the kind `window`.
    pub(crate) fn prefix(limit: &Limit, window: &str, index: u32) -> String {
        prefix_of(&Self::name(limit), window, index)
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
