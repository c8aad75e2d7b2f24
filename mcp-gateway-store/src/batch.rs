//! Conditional writes.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use crate::Version;

/// Writes that are made together, if all their conditions hold.
///
/// A key is written at most once in a batch: the last write counts.
#[derive(Clone, Debug, Default)]
#[must_use = "a batch is nothing until it is committed"]
pub struct Batch {
    conditions: Vec<Condition>,
    writes: Vec<Write>,
}

/// What has to hold for a batch to be written.
///
/// A store that does not implement one of them rejects the batch with an error.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Condition {
    /// There is nothing under the key.
    Absent(Arc<str>),
    /// What is under the key is of that version still.
    Version(Arc<str>, Version),
}

/// What a batch does.
///
/// A store that does not implement one of them rejects the batch with an error.
#[derive(Clone, Eq, PartialEq)]
#[non_exhaustive]
pub enum Write {
    /// Deletes what is under the key, if anything is.
    Delete(Arc<str>),
    /// Puts something under a key, whatever was there before.
    Put {
        /// Where.
        key: Arc<str>,
        /// What.
        value: Bytes,
        /// When it is gone again.
        expires: Option<SystemTime>,
    },
}

impl Batch {
    /// Does nothing, under no condition.
    pub fn new() -> Self {
        Self::default()
    }

    /// Only if there is nothing under `key`.
    pub fn if_absent(mut self, key: impl Into<Arc<str>>) -> Self {
        self.conditions.push(Condition::Absent(key.into()));
        self
    }

    /// Only if what is under `key` is of `version` still.
    pub fn if_version(mut self, key: impl Into<Arc<str>>, version: Version) -> Self {
        self.conditions
            .push(Condition::Version(key.into(), version));
        self
    }

    /// Puts `value` under `key`, for good.
    pub fn put(self, key: impl Into<Arc<str>>, value: impl Into<Bytes>) -> Self {
        self.write(Write::Put {
            key: key.into(),
            value: value.into(),
            expires: None,
        })
    }

    /// Puts `value` under `key`, where it is gone from `expires` on.
    pub fn put_until(
        self,
        key: impl Into<Arc<str>>,
        value: impl Into<Bytes>,
        expires: SystemTime,
    ) -> Self {
        self.write(Write::Put {
            key: key.into(),
            value: value.into(),
            expires: Some(expires),
        })
    }

    /// Deletes what is under `key`.
    pub fn delete(self, key: impl Into<Arc<str>>) -> Self {
        self.write(Write::Delete(key.into()))
    }

    fn write(mut self, write: Write) -> Self {
        self.writes.retain(|earlier| earlier.key() != write.key());
        self.writes.push(write);
        self
    }

    /// What has to hold.
    #[must_use]
    pub fn conditions(&self) -> &[Condition] {
        &self.conditions
    }

    /// What is done.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.writes
    }
}

impl Condition {
    /// The key that it is about.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Self::Absent(key) | Self::Version(key, _) => key,
        }
    }
}

impl Write {
    /// The key that is written.
    #[must_use]
    pub fn key(&self) -> &Arc<str> {
        match self {
            Self::Delete(key) | Self::Put { key, .. } => key,
        }
    }
}

impl fmt::Debug for Write {
    /// Does not show what is written, which may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Delete(key) => f.debug_tuple("Delete").field(key).finish(),
            Self::Put {
                key,
                value,
                expires,
            } => f
                .debug_struct("Put")
                .field("key", key)
                .field("len", &value.len())
                .field("expires", expires)
                .finish_non_exhaustive(),
        }
    }
}
