//! Rejections of supplied values.

use std::fmt;

use mcp_gateway_core::credential::Challenge;
use serde::{Deserialize, Serialize};

use super::InputValues;

/// Last rejection of supplied values by their server.
///
/// `Display` output has the status and the error code of the server, and no other text of it, because
/// servers repeat values in their errors.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct InputRejection {
    status: u16,
    code: Option<String>,
}

impl InputRejection {
    /// Creates the rejection of `values` with `challenge`.
    pub(super) fn new(challenge: &Challenge, values: &InputValues) -> Self {
        let is_code = |code: &&str| {
            let is_plain = code.bytes().all(|it| it.is_ascii_lowercase() || it == b'_');
            is_plain && code.len() <= MAX_CODE && values.iter().all(|(_, it)| !code.contains(it))
        };
        Self {
            status: challenge.status().as_u16(),
            code: challenge.error().filter(is_code).map(str::to_owned),
        }
    }
}

impl fmt::Display for InputRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "rejected by the server with status {}", self.status)?;
        match &self.code {
            Some(code) => write!(f, " ({code})"),
            None => Ok(()),
        }
    }
}

/// Maximum length of an error code in bytes.
const MAX_CODE: usize = 64;
