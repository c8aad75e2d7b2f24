//! Conditional, atomic writes.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::DocumentVersion;

/// Writes that are applied atomically if all conditions hold (compare and swap).
///
/// A batch contains at most one write per key: the last one counts. Conditions and writes may
/// concern different keys.
///
/// # Example
///
/// ```
/// use mcp_gateway_store::{Batch, MemoryStore, CommitOutcome, Store, StoreError};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), StoreError> {
/// let store = MemoryStore::new();
/// let claim = |owner: &'static str| Batch::new().if_absent("name/ada").put("name/ada", owner);
/// assert_eq!(store.commit(claim("1")).await?, CommitOutcome::Committed);
/// assert_eq!(store.commit(claim("2")).await?, CommitOutcome::Conflict);
/// assert_eq!(store.get("name/ada").await?.unwrap().value, "1");
///
/// let batch = Batch::new().put("a", "1").delete("a");
/// assert_eq!(batch.writes().len(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
#[must_use = "a batch is nothing until it is committed"]
pub struct Batch {
    conditions: Vec<Condition>,
    writes: Vec<WriteOp>,
}

/// A condition for a batch.
///
/// A store that does not implement a condition rejects the batch with an error.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Condition {
    /// The key does not exist.
    Absent(Arc<str>),
    /// The key has this version.
    Version(Arc<str>, DocumentVersion),
}

/// A write of a batch.
///
/// A store that does not implement a write rejects the batch with an error.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum WriteOp {
    /// Deletes the key, if it exists.
    Delete(Arc<str>),
    /// Creates or replaces the key.
    Put {
        /// Key of the document.
        key: Arc<str>,
        /// New content.
        value: Bytes,
        /// Expiration time; never if `None`.
        expires: Option<SystemTime>,
    },
}

impl Batch {
    /// Creates a batch without conditions and writes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Requires that `key` does not exist.
    pub fn if_absent(mut self, key: impl Into<Arc<str>>) -> Self {
        self.conditions.push(Condition::Absent(key.into()));
        self
    }

    /// Requires that `key` has the version `version`.
    pub fn if_version(mut self, key: impl Into<Arc<str>>, version: DocumentVersion) -> Self {
        self.conditions
            .push(Condition::Version(key.into(), version));
        self
    }

    /// Writes `value` under `key`, without expiration.
    pub fn put(self, key: impl Into<Arc<str>>, value: impl Into<Bytes>) -> Self {
        self.write(WriteOp::Put {
            key: key.into(),
            value: value.into(),
            expires: None,
        })
    }

    /// Writes `value` under `key`, which expires at `expires`.
    pub fn put_until(
        self,
        key: impl Into<Arc<str>>,
        value: impl Into<Bytes>,
        expires: SystemTime,
    ) -> Self {
        self.write(WriteOp::Put {
            key: key.into(),
            value: value.into(),
            expires: Some(expires),
        })
    }

    /// Deletes `key`.
    pub fn delete(self, key: impl Into<Arc<str>>) -> Self {
        self.write(WriteOp::Delete(key.into()))
    }

    /// Adds a write, and drops an earlier one to the same key.
    fn write(mut self, write: WriteOp) -> Self {
        self.writes.retain(|earlier| earlier.key() != write.key());
        self.writes.push(write);
        self
    }

    /// Returns the conditions.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// Returns the writes.
    #[must_use]
    pub fn writes(&self) -> &[WriteOp] {
        &self.writes
    }
}

impl Condition {
    /// Returns the key of the condition.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Absent(key) | Self::Version(key, _) => key,
        }
    }
}

impl WriteOp {
    /// Returns the key of the write.
    #[must_use]
    pub fn key(&self) -> &Arc<str> {
        match self {
            Self::Delete(key) | Self::Put { key, .. } => key,
        }
    }
}

impl fmt::Debug for WriteOp {
    /// Does not show the value, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delete(key) => f.debug_tuple("Delete").field(key).finish(),
            Self::Put {
                key,
                value,
                expires,
            } => f
                .debug_struct("WriteOp")
                .field("key", key)
                .field("len", &value.len())
                .field("expires", expires)
                .finish_non_exhaustive(),
        }
    }
}
