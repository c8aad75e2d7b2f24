//! Holding of streams, sessions and calls.

mod calls;
mod sessions;
mod streams;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

pub(crate) use self::calls::calls;
pub(crate) use self::sessions::sessions;
pub(crate) use self::streams::streams;
use crate::failure::Failure;
use crate::process::{ResourceUsage, seconds};

/// Result of holding items.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HoldResult {
    /// Number of requested items.
    pub(crate) asked: u64,
    /// Number of opened items.
    pub(crate) opened: u64,
    /// Number of items that were still open, or could be ended, at the end.
    pub(crate) stayed: u64,
    /// Number of failures to open or end items, by reason.
    pub(crate) failures: BTreeMap<String, u64>,
    /// Time to open the items.
    #[serde(rename = "openingSeconds", serialize_with = "seconds")]
    pub(crate) opening: Duration,
    /// Time for which the items were held.
    #[serde(rename = "holdingSeconds", serialize_with = "seconds")]
    pub(crate) holding: Duration,
    /// Resource usage of the observed processes, from before the first item was opened until before
    /// the end.
    pub(crate) usage: Vec<ResourceUsage>,
}

impl HoldResult {
    /// Records a failure to open or end an item.
    fn fail(&mut self, failure: &Failure) {
        *self.failures.entry(failure.chain()).or_default() += 1;
    }
}
