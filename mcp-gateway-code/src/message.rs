//! Messages between a sandbox and its process, one JSON text in each line.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// First line that the process receives.
#[derive(Deserialize, Serialize)]
pub(crate) struct Start {
    pub(crate) source: String,
    /// Functions of each namespace.
    pub(crate) tools: BTreeMap<String, Vec<String>>,
    pub(crate) memory: usize,
    /// Processor time in seconds.
    pub(crate) processor: u64,
    pub(crate) max_result: usize,
    pub(crate) max_console: usize,
    pub(crate) max_error: usize,
}

/// Answer to a call.
#[derive(Serialize)]
pub(crate) struct Answer {
    pub(crate) id: u64,
    /// JSON text of the value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) value: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
}

/// Line of the process.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) enum Line {
    Call {
        id: u64,
        namespace: String,
        function: String,
        /// JSON text.
        arguments: String,
    },
    Console(String),
    Error(String),
    /// JSON text.
    Result(String),
}
