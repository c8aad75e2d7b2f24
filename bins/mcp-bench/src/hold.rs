//! Opening many things at an endpoint, and holding them.

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
use crate::process::{Usage, seconds};

/// What became of the things that were to be held.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Held {
    /// How many were asked for.
    pub(crate) asked: u64,
    /// How many the server opened.
    pub(crate) opened: u64,
    /// How many of these were still open, or could be ended, at the end.
    pub(crate) stayed: u64,
    /// Why others were not opened, or not ended.
    pub(crate) failures: BTreeMap<String, u64>,
    /// How long it took to open them.
    #[serde(rename = "openingSeconds", serialize_with = "seconds")]
    pub(crate) opening: Duration,
    /// How long they were held.
    #[serde(rename = "holdingSeconds", serialize_with = "seconds")]
    pub(crate) holding: Duration,
    /// What the observed processes used from before the first was opened to just before the end.
    pub(crate) usage: Vec<Usage>,
}

impl Held {
    /// Notes that one could not be opened or ended.
    fn fail(&mut self, failure: &Failure) {
        *self.failures.entry(failure.chain()).or_default() += 1;
    }
}
