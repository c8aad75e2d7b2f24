//! Documents as they are in a store.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

/// The content of a key.
#[derive(Clone, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `Store` make them"
)]
pub struct Document {
    /// Stored bytes.
    pub value: Bytes,
    /// Version of the write.
    pub version: DocumentVersion,
    /// Expiration time.
    pub expires: Option<SystemTime>,
}

impl fmt::Debug for Document {
    /// Does not show the value, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Document")
            .field("len", &self.value.len())
            .field("version", &self.version)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// The version of a document. It is unique among all writes to a key, even across a deletion.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `Store` make them"
)]
pub struct DocumentVersion(pub u64);

/// A document with its key.
#[derive(Clone, Debug, Eq, PartialEq)]
#[expect(
    clippy::exhaustive_structs,
    reason = "implementations of `Store` make them"
)]
pub struct ListedDocument {
    /// Key of the document.
    pub key: Arc<str>,
    /// Content of the key.
    pub document: Document,
}
