//! The audit log.

use std::time::Duration;

/// The audit log of calls and administrative changes, in the store.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Audit {
    /// Age at which records are deleted; never if `None`.
    pub retention: Option<Duration>,
}

impl Audit {
    /// Creates a log whose records are never deleted.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Deletes records of this age.
    #[must_use]
    pub fn with_retention(self, age: Duration) -> Self {
        Self {
            retention: Some(age),
        }
    }
}
