//! Key of a class of callers.

use std::sync::Arc;

use super::Instance;
use crate::protocol::{Capabilities, Version};

/// Properties that callers must have in common to share a view of a server.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct ViewKey {
    /// Running copy of the server.
    pub(super) instance: Instance,
    /// Account of the credential that is presented to the server.
    pub(super) account: Arc<str>,
    /// Capabilities of the client.
    pub(super) capabilities: Capabilities,
    /// Protocol version in which the client is served.
    pub(super) version: Version,
}
